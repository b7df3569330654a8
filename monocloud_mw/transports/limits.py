"""The limits that both transports share."""

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
"""Connections in use at once for GET requests: metadata and keys, which each client fetches one by one."""

INTROSPECTION_CONNECTIONS: Final = 32
"""Connections in use at once for other requests. Opening more takes an event loop longer than they save."""

KEEP_IDLE_SECONDS: Final = 60.0
"""Gateways forget idle connections without a word; most keep them for longer than this."""

MAX_HEAD_BYTES: Final = 100 * 1024
"""Status line and header fields of one response, the largest single field included."""

MAX_WIRE_BYTES: Final = 16 * 1024 * 1024
"""Everything of one response: interim responses, headers, framing and body (which has its own limit)."""
