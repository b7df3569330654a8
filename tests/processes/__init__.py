"""The life of processes around the clients: forks, servers with several workers, event loops, shutdown."""
