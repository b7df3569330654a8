"""Claims caches, against a real redis-server."""
