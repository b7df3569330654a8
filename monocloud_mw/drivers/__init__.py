"""The two small loops that perform what flows ask for: one for threads, one for event loops."""
