"""Coverage-guided fuzzing of everything that reads bytes from outside: ``make fuzz``, and how it is run."""
