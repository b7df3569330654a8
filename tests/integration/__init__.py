"""Real servers beside ours: what only they can show."""
