"""Swagger UI and a browser for it."""
