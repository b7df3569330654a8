"""What an API does while its tenant does not do its part: whole clients, over real HTTP."""
