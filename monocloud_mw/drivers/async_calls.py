"""Calls functions for an event loop: async callables on the loop, others in worker threads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from ..callables import is_async
from ..errors import ConfigurationError
from ..lifecycle.event_loops import running_loop
from .worker_threads import WorkerThreads

__all__ = ["CancelledFromWithinError", "call_or_await", "check_event_loop"]


class CancelledFromWithinError(Exception):
    """A user's function raised ``CancelledError`` or ``GeneratorExit`` without having been stopped."""


async def call_or_await(workers: WorkerThreads, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function: an async callable on the event loop, any other one in a worker thread."""
    task = asyncio.current_task()
    call = _Closable(_call(workers, function, *arguments))
    try:
        return await call
    except (asyncio.CancelledError, GeneratorExit) as error:
        if call.closed or task is None or task is not _running_task() or task.cancelling():
            raise
        # The function raised it: this task is neither cancelled nor closed. Passed on, it would count as
        # an interrupted leader, and the waiting callers would start new runs without end.
        raise CancelledFromWithinError from error


async def _call(workers: WorkerThreads, function: Callable[..., Any], *arguments: Any) -> Any:
    if is_async(function):
        return await function(*arguments)
    result = await workers.run(function, *arguments)
    return await result if inspect.isawaitable(result) else result


class _Closable(Generator[Any, Any, Any]):
    """Awaits a coroutine, and records whether ``close()`` of the awaiting coroutine has closed it.

    Closing raises ``GeneratorExit`` in a coroutine, which the user's function may also have raised itself.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.closed = False
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        return self

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self.closed = True
        self._coroutine.close()


def check_event_loop() -> None:
    """Raise an error if coroutines are run by another library than asyncio.

    Raises:
        ConfigurationError: no asyncio event loop is running.
    """
    if running_loop() is None:
        raise ConfigurationError(
            "AsyncBackendClient needs asyncio, and no asyncio event loop is running. With trio (hypercorn -k "
            "trio, anyio with the trio backend), serve the application with asyncio (hypercorn -k asyncio, "
            "uvicorn), or call a BackendClient in a worker thread (trio.to_thread.run_sync)"
        )


def _running_task() -> asyncio.Task[Any] | None:
    """Return the running task, or ``None``, for example while a coroutine is closed."""
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop is running
        return None
