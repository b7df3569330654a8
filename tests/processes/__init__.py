"""Clients in processes: forks, servers with several workers, event loops, shutdown."""
