"""A bounded pool of threads for what would block an event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

__all__ = ["WorkerThreads"]

T = TypeVar("T")

DEFAULT_MAX_THREADS: Final = 32


class WorkerThreads:
    """Runs blocking functions for coroutines, in a pool of its own.

    The event loop's default pool is shared with the whole application, name resolution included, and a
    hanging tenant must not use it up. The pool starts with its first task; a forked child starts a new
    one, since threads do not survive a fork.
    """

    def __init__(self, max_threads: int = DEFAULT_MAX_THREADS) -> None:
        self._max_threads = max_threads
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Return ``function(*arguments)``, called in a thread; what it raises comes out here."""
        return await asyncio.wrap_future(self._executor().submit(function, *arguments))

    def close(self) -> None:
        """Let the threads end; those at work finish what they do."""
        if self._pool is not None and self._process == os.getpid():
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = None

    def _executor(self) -> ThreadPoolExecutor:
        pool = self._pool
        if pool is None or self._process != os.getpid():
            pool = ThreadPoolExecutor(self._max_threads, thread_name_prefix="monocloud")
            self._pool, self._process = pool, os.getpid()
        return pool
