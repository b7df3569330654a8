"""One run for all who ask for the same thing at the same time, threads and event loops alike.

A run has a ``concurrent.futures.Future`` for its result: threads wait for it with a timeout, tasks through
``asyncio.wrap_future``. Rules:

- nobody who waits for a run can cancel it: it is marked as running from the start;
- whoever leads a run finishes it, however that ends; one that was interrupted (cancelled, its event loop
  closed) finishes with :data:`INTERRUPTED`, and those who waited choose a new leader;
- a run is not joined by who needs a younger one: that one takes its place in the table;
- a run that never finishes is forgotten by the first whose time is up, so nobody after it waits;
- a forked child starts with an empty table and a new lock: the leaders are in the parent.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Hashable
from concurrent.futures import Future
from typing import Any, Final, Literal

import attrs

from ..core.effects import Instant
from ..lifecycle.forks import reset_in_children

__all__ = ["INTERRUPTED", "Run", "RunOnceTable"]


class _Interrupted(enum.Enum):
    INTERRUPTED = enum.auto()


INTERRUPTED: Final[Literal[_Interrupted.INTERRUPTED]] = _Interrupted.INTERRUPTED
"""The result of a run whose leader was stopped before it had one."""


def _new_future() -> Future[Any]:
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future


@attrs.frozen(eq=False)
class Run:
    """A run under way: what for, and when it began."""

    key: Hashable
    began: Instant
    future: Future[Any] = attrs.field(factory=_new_future)


class RunOnceTable:
    """The runs under way, by key."""

    def __init__(self) -> None:
        self.reset_after_fork()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """Forget all runs."""
        self._lock = threading.RLock()  # re-entrant: a leader may be garbage collected, and finish, anywhere
        self._runs: dict[Hashable, Run] = {}

    def join(self, key: Hashable, now: Instant, since: float | None = None) -> tuple[Run, bool]:
        """Return the run for ``key``, and whether the caller leads it and has to finish it.

        Args:
            key: what the run is for.
            now: when a new run begins.
            since: a run that began earlier will not do; monotonic seconds.
        """
        with self._lock:
            run = self._runs.get(key)
            if run is not None and (since is None or run.began.monotonic >= since):
                return run, False
            run = self._runs[key] = Run(key, now)
            return run, True

    def finish(self, run: Run, result: Any) -> None:
        """Give the result to all who wait, unless the run has finished already."""
        self.forget(run)
        with self._lock:
            if not run.future.done():
                run.future.set_result(result)

    def forget(self, run: Run) -> None:
        """Take a run off the table, so that the next who asks leads a new one."""
        with self._lock:
            if self._runs.get(run.key) is run:
                del self._runs[run.key]
