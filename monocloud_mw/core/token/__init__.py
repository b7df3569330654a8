"""From an untrusted token to claims: JWTs, introspection, and the checks of a request."""
