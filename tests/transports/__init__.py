"""Transports with real servers on the loopback interface."""
