"""The limits of both transports."""

from __future__ import annotations

from typing import Final

__all__ = [
    "DOCUMENT_CONNECTIONS",
    "INTROSPECTION_CONNECTIONS",
    "KEEP_IDLE_SECONDS",
    "MAX_HEAD_BYTES",
    "MAX_WIRE_BYTES",
]

DOCUMENT_CONNECTIONS: Final = 8
"""Concurrent connections for GET requests: metadata and keys, which each client loads one at a time."""

INTROSPECTION_CONNECTIONS: Final = 32
"""Concurrent connections for other requests. On an event loop, opening more takes longer than it saves."""

KEEP_IDLE_SECONDS: Final = 60.0
"""Maximum idle time. Gateways drop idle connections silently; most keep them for longer than this."""

MAX_HEAD_BYTES: Final = 100 * 1024
"""The limit for status line and header fields of one response, and so for a single field."""

MAX_WIRE_BYTES: Final = 16 * 1024 * 1024
"""The limit for one response: interim responses, headers, framing and body (which has its own limit)."""
