"""Transports against real servers on the loopback interface."""
