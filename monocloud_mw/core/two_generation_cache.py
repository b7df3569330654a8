"""A bounded cache that evicts entries that have not been read recently."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["TwoGenerationCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TwoGenerationCache(Generic[K, V]):
    """Holds at most ``size`` entries, in two generations.

    New entries go into the young generation. When that holds half of ``size`` it becomes the old generation,
    and the previous old generation is dropped. A hit in the old generation moves the entry to the young one.
    A hit costs one dictionary look-up, where an exact least-recently-used order would need a write. Every
    step is one atomic dictionary operation, so threads need no lock; a race can only lose entries, which are
    then computed again.
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, size: int) -> None:
        self._half = size // 2
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """Return the entry, or ``None``."""
        value = self._young.get(key)
        if value is None:
            value = self._old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Store an entry; with a ``size`` below 2 nothing is stored."""
        if self._half == 0:
            return
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def discard(self, key: K) -> None:
        """Remove an entry."""
        self._young.pop(key, None)
        self._old.pop(key, None)
