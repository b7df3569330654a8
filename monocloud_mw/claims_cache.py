"""What a claims cache is: three methods, sync or async.

Rules:

- a key is an opaque digest made by the core, scoped by issuer, audience and client; a cache never sees a
  token, and it must treat keys as names and nothing else;
- claims are one JSON object, and what comes out equals what went in. The core decides what to store
  (``{"active": false}`` for an inactive token, for example) and repeats every check on each hit;
- an entry is served while ``now < expires_at`` and never after;
- a cache may forget an entry at any time, and may raise: whoever asks counts an error as a miss, logs it,
  and goes on. It must not wait for long: the request waits as well;
- ``delete`` raises where the entry may still be there: whoever evicts a revoked token has to know;
- a cache is used by many threads (or tasks) at once.

Whoever can write into a cache's storage decides which tokens pass: see :mod:`monocloud_mw.stores.redis`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

__all__ = ["AsyncClaimsCache", "ClaimsCache"]


@runtime_checkable
class ClaimsCache(Protocol):
    """A claims cache whose methods answer at once; for both clients."""

    def get(self, key: str) -> Mapping[str, Any] | None:
        """Return the claims stored under ``key``, or ``None`` where there are none (any more)."""

    def set(self, key: str, claims: Mapping[str, Any], expires_at: float) -> None:
        """Store claims until ``expires_at`` (Unix seconds), in place of what was there."""

    def delete(self, key: str) -> None:
        """Forget the claims stored under ``key``, if any."""


@runtime_checkable
class AsyncClaimsCache(Protocol):
    """A claims cache whose methods are coroutines; for :class:`monocloud_mw.AsyncBackendClient`."""

    async def get(self, key: str) -> Mapping[str, Any] | None:
        """Return the claims stored under ``key``, or ``None`` where there are none (any more)."""

    async def set(self, key: str, claims: Mapping[str, Any], expires_at: float) -> None:
        """Store claims until ``expires_at`` (Unix seconds), in place of what was there."""

    async def delete(self, key: str) -> None:
        """Forget the claims stored under ``key``, if any."""
