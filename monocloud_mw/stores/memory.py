"""A claims cache in the memory of one process.

Rules:

- it holds at most ``max_entries``; the least recently used entry is evicted for a new one;
- inactive tokens (``{"active": false}``) have separate entries, a tenth as many: a caller can make up any
  number of tokens, and these must not evict the claims of active tokens;
- an expired entry is never returned. Each write removes expired entries among the least recently used ones,
  so that claims (personal data) are not stored longer than necessary;
- stored claims are read-only copies;
- every operation takes constant time, whatever the number of entries.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from ..errors import ConfigurationError, Problem
from ..frozen import FrozenDict, freeze

__all__ = ["MemoryCache"]

INACTIVE_SHARE: Final = 10

SWEPT_PER_WRITE: Final = 2
"""Entries checked per write: more than the one that is added, so that expired entries are removed faster than
new ones are added."""

# One lock for all caches of the process (there is rarely more than one). It is held during a fork, so that a
# child process starts with a free lock and with consistent entries.
_lock: Final = threading.Lock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


class _Entry(NamedTuple):
    claims: FrozenDict
    expires_at: float


class _Entries:
    """A bounded number of entries, least recently used first. The caller must hold the lock."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str, now: float) -> FrozenDict | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now < entry.expires_at:
            self._entries.move_to_end(key)
            return entry.claims
        del self._entries[key]
        return None

    def put(self, key: str, entry: _Entry, now: float) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        for oldest in list(islice(self._entries, SWEPT_PER_WRITE)):
            if len(self._entries) > self._max_entries or self._entries[oldest].expires_at <= now:
                del self._entries[oldest]

    def discard(self, key: str) -> None:
        self._entries.pop(key, None)


class MemoryCache:
    """A bounded claims cache in memory, for threads, event loops and forked processes.

    Args:
        max_entries: the maximum number of entries, at least 1; inactive tokens have a tenth as many in
            addition. An entry takes as much memory as the claims of one token, typically one or two
            kilobytes; that of an inactive token takes a quarter of a kilobyte.
        clock: the current time in Unix seconds.

    Raises:
        ConfigurationError: ``max_entries`` is not a whole number of at least 1.
    """

    def __init__(self, max_entries: int = 10_000, clock: Callable[[], float] = time.time) -> None:
        if type(max_entries) is not int or max_entries < 1:
            raise ConfigurationError([Problem("max_entries", None, "must be a whole number of at least 1")])
        self._clock = clock
        self._active = _Entries(max_entries)
        self._inactive = _Entries(max(1, max_entries // INACTIVE_SHARE))

    def __len__(self) -> int:
        return len(self._active) + len(self._inactive)

    def get(self, key: str) -> FrozenDict | None:
        """Return the claims stored under ``key``, or ``None`` if there are none or they have expired."""
        now = self._clock()
        with _lock:
            claims = self._active.get(key, now)
            return self._inactive.get(key, now) if claims is None else claims

    def set(self, key: str, claims: Mapping[str, Any], expires_at: float) -> None:
        """Store claims until ``expires_at`` (Unix seconds)."""
        entry = _Entry(frozen := freeze(claims), expires_at)
        now = self._clock()
        entries, others = self._active, self._inactive
        if frozen.get("active") is False:
            entries, others = others, entries
        with _lock:
            others.discard(key)
            entries.put(key, entry, now)

    def delete(self, key: str) -> None:
        """Remove the claims stored under ``key``."""
        with _lock:
            self._active.discard(key)
            self._inactive.discard(key)
