"""Validate access tokens: JWTs, introspection, and the checks on every request."""
