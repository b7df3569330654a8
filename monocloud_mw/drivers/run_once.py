"""One run for all who ask for the same thing at the same time, threads and event loops alike.

A flight is a ``concurrent.futures.Future`` in a table: threads wait for it with a timeout, tasks through
``asyncio.wrap_future``. Rules:

- a flight cannot be cancelled by who waits for it: it is marked as running from the start;
- a leader lands its flight however it ends; one that was interrupted (cancelled, its event loop closed)
  lands :data:`INTERRUPTED`, and those who waited choose a new leader;
- a flight that never lands is given up by the first who ran out of patience, so nobody after it waits;
- a forked child starts with an empty table and a new lock: the leaders are in the parent.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Hashable
from concurrent.futures import Future
from typing import Any, Final, Literal

from ..lifecycle.forks import reset_in_children

__all__ = ["INTERRUPTED", "SingleFlight"]


class _Interrupted(enum.Enum):
    INTERRUPTED = enum.auto()


INTERRUPTED: Final[Literal[_Interrupted.INTERRUPTED]] = _Interrupted.INTERRUPTED
"""What a flight lands with when its leader was stopped before it had a result."""


class SingleFlight:
    """The flights under way, by key."""

    def __init__(self) -> None:
        self.reset_after_fork()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """Forget all flights."""
        self._lock = threading.RLock()  # re-entrant: a leader that is garbage collected lands wherever we are
        self._flights: dict[Hashable, Future[Any]] = {}

    def board(self, key: Hashable) -> tuple[Future[Any], bool]:
        """Return the flight for ``key``, and whether the caller is its leader and has to land it."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Future()
            flight.set_running_or_notify_cancel()
            return flight, True

    def land(self, key: Hashable, flight: Future[Any], result: Any) -> None:
        """Give the result to all who wait, unless the flight has landed or was given up."""
        self.give_up(key, flight)
        with self._lock:
            if not flight.done():
                flight.set_result(result)

    def give_up(self, key: Hashable, flight: Future[Any]) -> None:
        """Take a flight off the table, so that the next who asks leads a new one."""
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
