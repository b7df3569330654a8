"""A bounded thread pool for functions that would block an event loop.

Differences from the executors of the standard library:

- the threads are daemons: the program can exit while a request to the tenant hangs;
- closing cancels nothing: another event loop may be waiting for a pending job;
- every exception is passed on, including ``StopIteration``, which a future cannot hold (it becomes a
  ``RuntimeError``, as in PEP 479);
- a forked child process starts without threads, because they exist only in its parent.
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
    """Runs blocking functions for coroutines in a separate thread pool.

    The event loop's default pool is shared with the application and with name resolution; a hanging tenant
    must not exhaust it. Threads are started on demand and stop after :meth:`close` or with the pool itself.
    """

    def __init__(self, max_threads: int = DEFAULT_MAX_THREADS) -> None:
        self._max_threads = max_threads
        self.reset_after_fork()
        reset_in_children(self)

    def __del__(self) -> None:
        # Without the lock: at interpreter exit, a daemon thread may have been stopped while holding it.
        self._pool.stop_threads()

    def reset_after_fork(self) -> None:
        """Abandon the threads; start new ones on demand."""
        self._pool = _Pool(self._max_threads)

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Call ``function(*arguments)`` in a thread and return its result or raise its exception."""
        outcome: Future[tuple[T, None] | tuple[None, BaseException]] = Future()

        def job() -> None:
            if not outcome.set_running_or_notify_cancel():
                return  # the caller was cancelled
            try:
                outcome.set_result((function(*arguments), None))
            except BaseException as error:  # noqa: BLE001  raised in the calling coroutine
                outcome.set_result((None, error))

        while not self._pool.submit(job):
            pass  # closed and replaced in the meantime
        result, error = await asyncio.wrap_future(outcome)
        if error is not None:
            try:
                raise error
            finally:
                del error  # breaks the reference cycle with this frame
        return result  # type: ignore[return-value]

    def close(self) -> None:
        """Stop the threads after their pending jobs; a later call starts new ones."""
        pool = self._pool
        self.reset_after_fork()
        pool.close()


class _Pool:
    """The threads and their queue. Threads refer only to this part, so ``WorkerThreads`` can be collected."""

    def __init__(self, max_threads: int) -> None:
        self._max_threads = max_threads
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._threads = 0
        self._unfinished = 0
        self._closed = False

    def submit(self, job: Callable[[], Any]) -> bool:
        """Queue a job for the next free thread, or return false after :meth:`close`.

        Raises:
            RuntimeError: there is no thread, and none can be started.
        """
        with self._lock:
            if self._closed:
                return False
            if self._threads <= self._unfinished and self._threads < self._max_threads:
                self._start_thread()
            self._unfinished += 1
            self._jobs.put(job)
            return True

    def close(self) -> None:
        """Accept no more jobs, and stop every thread after the pending ones."""
        with self._lock:
            self._closed = True
            self.stop_threads()

    def stop_threads(self) -> None:
        """Stop every thread after the pending jobs; call it only when no more jobs can be submitted."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _start_thread(self) -> None:
        try:
            threading.Thread(target=self._work, name="monocloud-worker", daemon=True).start()
        except RuntimeError:  # the system has no more threads, or the interpreter is shutting down
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
