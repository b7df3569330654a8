"""Both drivers: what they perform, and what happens when many ask for the same thing at once."""
