"""Claims caches, tested with a real redis-server."""
