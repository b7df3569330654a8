"""CORS preflights: the one kind of request to a protected path that carries no token by design.

Fetch standard, section 3.3.6 "CORS-preflight fetch": a browser asks with ``OPTIONS``, ``Origin`` and
``Access-Control-Request-Method``, and never sends credentials along.
"""

from __future__ import annotations

__all__ = ["is_cors_preflight"]


def is_cors_preflight(method: str, origin: str | bytes | None, requested_method: str | bytes | None) -> bool:
    """Tell whether a request is a CORS preflight.

    Args:
        method: its HTTP method, as it arrived.
        origin: its header ``Origin``.
        requested_method: its header ``Access-Control-Request-Method``.
    """
    return method == "OPTIONS" and bool(origin) and bool(requested_method)
