"""Share one run of a flow between concurrent callers, in threads and on event loops.

A run has a ``concurrent.futures.Future`` for its result: threads wait for it with a timeout, tasks through
``asyncio.wrap_future``. Rules:

- a waiting caller cannot cancel the run, because its future is marked as running from the start;
- the caller that started a run, its leader, always finishes it. If the leader is interrupted (cancelled, its
  event loop closed), the result is :data:`INTERRUPTED`, and one of the waiting callers starts a new run;
- a caller that needs a run that began later does not join: its own run replaces the old one in the table;
- a run that does not finish is removed by the first caller whose timeout expires, so later callers start
  anew;
- a forked child process starts with an empty table and a new lock, because the leaders are in its parent.
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
    """A run under way: its key, when it began, and the future of its result."""

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
        # Re-entrant: garbage collection of a leader may call finish() anywhere.
        self._lock = threading.RLock()
        self._runs: dict[Hashable, Run] = {}

    def join(self, key: Hashable, now: Instant, since: float | None = None) -> tuple[Run, bool]:
        """Return the run for ``key``, and whether the caller leads it and has to finish it.

        Args:
            key: identifies the run.
            now: the time at which a new run begins.
            since: do not join a run that began earlier than this; monotonic seconds.
        """
        with self._lock:
            run = self._runs.get(key)
            if run is not None and (since is None or run.began.monotonic >= since):
                return run, False
            run = self._runs[key] = Run(key, now)
            return run, True

    def finish(self, run: Run, result: Any) -> None:
        """Set the result for all waiting callers, unless the run has finished already."""
        self.forget(run)
        with self._lock:
            if not run.future.done():
                run.future.set_result(result)

    def forget(self, run: Run) -> None:
        """Remove a run, so that the next caller starts a new one."""
        with self._lock:
            if self._runs.get(run.key) is run:
                del self._runs[run.key]
