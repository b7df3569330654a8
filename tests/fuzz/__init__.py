"""Coverage-guided fuzzing of all parsers of external input: ``make fuzz``."""
