"""The interface of a claims cache: three methods, sync or async.

Rules:

- a key is an opaque digest, scoped by issuer, audience and client. A cache never receives a token;
- claims are one JSON object, and ``get`` returns an object equal to the one that was set. It may also be a
  negative result (``{"active": false}`` for an inactive token). All checks are repeated on each hit;
- an entry is returned while ``now < expires_at`` and never after;
- a cache may drop an entry at any time, and may raise: an error is logged and counts as a miss. It must not
  block for long, because the request waits for it;
- ``delete`` must raise if the entry may still be stored, so that the caller knows that a revoked token may
  still pass;
- a cache must support concurrent use by threads (or tasks).

Anyone who can write to a cache's storage decides which tokens pass: see :mod:`monocloud_mw.stores.redis`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

__all__ = ["AsyncClaimsCache", "ClaimsCache"]


@runtime_checkable
class ClaimsCache(Protocol):
    """A claims cache with synchronous methods; works with both clients."""

    def get(self, key: str) -> Mapping[str, Any] | None:
        """Return the claims stored under ``key``, or ``None`` if there are none or they have expired."""

    def set(self, key: str, claims: Mapping[str, Any], expires_at: float) -> None:
        """Store claims until ``expires_at`` (Unix seconds), replacing an existing entry."""

    def delete(self, key: str) -> None:
        """Delete the claims stored under ``key``, if any."""


@runtime_checkable
class AsyncClaimsCache(Protocol):
    """A claims cache whose methods are coroutines; for :class:`monocloud_mw.AsyncBackendClient`."""

    async def get(self, key: str) -> Mapping[str, Any] | None:
        """Return the claims stored under ``key``, or ``None`` if there are none or they have expired."""

    async def set(self, key: str, claims: Mapping[str, Any], expires_at: float) -> None:
        """Store claims until ``expires_at`` (Unix seconds), replacing an existing entry."""

    async def delete(self, key: str) -> None:
        """Delete the claims stored under ``key``, if any."""
