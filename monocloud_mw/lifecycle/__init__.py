"""Event loops that end and processes that fork: one mechanism each."""
