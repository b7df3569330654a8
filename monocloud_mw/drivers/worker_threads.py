"""A bounded pool of threads for what would block an event loop.

Unlike the executors of the standard library:

- the threads are daemons: a program that ends does not wait for a tenant that hangs;
- closing cancels nothing: another event loop may be waiting for what is still to be done;
- whatever a function raises comes out, ``StopIteration`` too (as PEP 479 has it), which no future can hold;
- a forked child starts without threads, since they stay behind in its parent.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from ..lifecycle.forks import reset_in_children

__all__ = ["WorkerThreads"]

T = TypeVar("T")

DEFAULT_MAX_THREADS: Final = 32


class WorkerThreads:
    """Runs blocking functions for coroutines, in a pool of its own.

    The event loop's default pool is shared with the whole application, name resolution included, and a
    hanging tenant must not use it up. Threads start as they are needed, and end with :meth:`close` or with
    the pool itself.
    """

    def __init__(self, max_threads: int = DEFAULT_MAX_THREADS) -> None:
        self._max_threads = max_threads
        self.reset_after_fork()
        reset_in_children(self)

    def __del__(self) -> None:
        # Without the lock: when the interpreter ends, a daemon thread may be stopped for good holding it.
        self._crew.send_home()

    def reset_after_fork(self) -> None:
        """Leave the threads to themselves, and start others when they are needed."""
        self._crew = _Crew(self._max_threads)

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Return ``function(*arguments)``, called in a thread; what it raises comes out here."""
        outcome: Future[tuple[T, None] | tuple[None, BaseException]] = Future()

        def job() -> None:
            if not outcome.set_running_or_notify_cancel():
                return  # who asked for it has been cancelled
            try:
                outcome.set_result((function(*arguments), None))
            except BaseException as error:  # noqa: BLE001  it is raised where the function was called
                outcome.set_result((None, error))

        while not self._crew.accept(job):
            pass  # it was dismissed a moment ago; there is a new one
        result, error = await asyncio.wrap_future(outcome)
        if error is not None:
            try:
                raise error
            finally:
                del error  # which refers to this frame
        return result  # type: ignore[return-value]

    def close(self) -> None:
        """Let the threads end when they have done what they were given; a later use starts new ones."""
        crew = self._crew
        self.reset_after_fork()
        crew.dismiss()


class _Crew:
    """Threads and what they have to do; they know their crew and not the pool, so that it can go away."""

    def __init__(self, max_threads: int) -> None:
        self._max_threads = max_threads
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._threads = 0
        self._unfinished = 0
        self._dismissed = False

    def accept(self, job: Callable[[], Any]) -> bool:
        """Have a job done by the next free thread, or return false after :meth:`dismiss`.

        Raises:
            RuntimeError: there is no thread, and none can be started.
        """
        with self._lock:
            if self._dismissed:
                return False
            if self._threads <= self._unfinished and self._threads < self._max_threads:
                self._start_thread()
            self._unfinished += 1
            self._jobs.put(job)
            return True

    def dismiss(self) -> None:
        """Accept no more, and let every thread end after the jobs that were accepted."""
        with self._lock:
            self._dismissed = True
            self.send_home()

    def send_home(self) -> None:
        """Let every thread end, where nobody can have a job accepted any more."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _start_thread(self) -> None:
        try:
            threading.Thread(target=self._work, name="monocloud-worker", daemon=True).start()
        except RuntimeError:  # the system has no more to give, or the interpreter is shutting down
            if self._threads == 0:
                raise
        else:
            self._threads += 1

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job
            with self._lock:
                self._unfinished -= 1
