"""Instances that are shared by key within a process, for as long as they are referenced."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from .forks import reset_in_children

__all__ = ["SharedInstances"]

T = TypeVar("T")


class SharedInstances(Generic[T]):
    """Creates one instance per key; a forked child process keeps the instances of its parent."""

    def __init__(self) -> None:
        self._instances: WeakValueDictionary[Hashable, T] = WeakValueDictionary()
        self._lock = threading.Lock()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may have held."""
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the instance for a key; it is created once, even if several threads call this at once."""
        with self._lock:
            instance = self._instances.get(key)
            if instance is None:
                instance = self._instances[key] = make()
            return instance
