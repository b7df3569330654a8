"""Limits concurrent introspections, so that slow ones never occupy all threads of a server.

An introspection occupies a thread until the tenant responds, and the size of the server's thread pool is
unknown. Rules:

- at most three quarters of the threads that have introspected so far may introspect at the same time, or
  ``MIN_LIMIT`` if that is more. So a quarter of the server's pool stays free;
- further introspections wait while the tenant responds within ``SLOW_SECONDS``. If it is slower they fail at
  once, because a waiting thread is occupied too;
- with gevent or eventlet, whose threads are cheap, there is no limit;
- a forked child process starts with an empty count, because the running introspections are in its parent.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ..lifecycle.forks import reset_in_children

__all__ = ["IntrospectionLimit", "TooManyIntrospectionsError"]

SLOW_SECONDS: Final = 0.75
MIN_LIMIT: Final = 3


class TooManyIntrospectionsError(Exception):
    """The limit is reached and the tenant is slow."""


class IntrospectionLimit:
    """Counts the running introspections of a process."""

    def __init__(self) -> None:
        self.reset_after_fork()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """Reset the count."""
        self._ended = threading.Condition(threading.Lock())
        self._began: dict[object, float] = {}  # monotonic seconds; the oldest first
        self._last_seconds = 0.0
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Count one introspection for the duration of a ``with`` block; wait first if the limit is reached.

        Raises:
            TooManyIntrospectionsError: the limit is reached and the tenant is slow.
        """
        introspection = object()
        with self._ended:
            self._threads.add(threading.current_thread())
            while self._is_reached():
                oldest = next(iter(self._began.values()))
                turn_within = oldest + SLOW_SECONDS - time.monotonic()
                if turn_within <= 0 or self._last_seconds >= SLOW_SECONDS:
                    raise TooManyIntrospectionsError
                self._ended.wait(turn_within)
            began = self._began[introspection] = time.monotonic()
        try:
            yield
        finally:
            with self._ended:
                self._began.pop(introspection, None)
                self._last_seconds = time.monotonic() - began
                self._ended.notify()

    def _is_reached(self) -> bool:
        if len(self._began) < MIN_LIMIT or type(threading.Lock()).__module__ != "_thread":
            return False  # gevent and eventlet replace the locks
        threads = sum(thread.is_alive() for thread in self._threads)
        return len(self._began) >= threads * 3 // 4
