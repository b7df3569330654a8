"""Limit the threads that introspect at the same time, so that slow introspections never occupy all of them.

The library cannot know how many threads a server has, and an introspection occupies one until the tenant has
responded. Rules:

- at most three quarters of the threads that have introspected so far introspect at the same time, or
  ``MIN_LIMIT`` where that is more. Of a pool, whose threads all have their turn, a quarter stays free;
- others wait for their turn while the tenant answers within ``SLOW_SECONDS``. While it is slower they are
  refused at once: a thread that waits is held as well;
- with gevent or eventlet, whose threads are cheap, there is no limit;
- a forked child process starts without introspections: those under way are in its parent.
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
    """No further introspection may begin now."""


class IntrospectionLimit:
    """Counts the introspections under way in the threads of a process."""

    def __init__(self) -> None:
        self.reset_after_fork()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """Forget all introspections."""
        self._ended = threading.Condition(threading.Lock())
        self._began: dict[object, float] = {}  # monotonic seconds; the oldest first
        self._last_seconds = 0.0
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Count one introspection, which may have to wait for its turn.

        Raises:
            TooManyIntrospectionsError: there are as many as there may be, and the tenant is slow.
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
