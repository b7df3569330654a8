"""Resources per event loop, resets after a fork, and instances that a process shares."""
