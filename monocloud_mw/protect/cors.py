"""CORS preflights, which have no token by design.

Fetch standard, section "CORS-preflight fetch": the browser sends ``OPTIONS`` with ``Origin`` and
``Access-Control-Request-Method``, and without credentials.
"""

from __future__ import annotations

__all__ = ["is_cors_preflight"]


def is_cors_preflight(method: str, origin: str | bytes | None, requested_method: str | bytes | None) -> bool:
    """Return whether a request is a CORS preflight.

    Args:
        method: its HTTP method, unmodified.
        origin: its header ``Origin``.
        requested_method: its header ``Access-Control-Request-Method``.
    """
    return method == "OPTIONS" and bool(origin) and bool(requested_method)
