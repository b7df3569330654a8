"""The drivers, which perform the effects of flows: one for threads, one for event loops."""
