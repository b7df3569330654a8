"""Calls of users' functions on an event loop: closing them is told apart from what they raise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from monocloud_mw.drivers.async_calls import CancelledFromWithinError, call_or_await
from monocloud_mw.drivers.worker_threads import WorkerThreads


class Stopped:
    """A user's function that waits, and records whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def __call__(self) -> None:
        """Wait until the function is stopped."""
        try:
            await asyncio.Event().wait()
        except GeneratorExit:
            self.closed = True
            raise


WAITING: dict[str, Callable[[Stopped], Callable[[], Any]]] = {
    "coroutine function": lambda stopped: stopped.__call__,
    "object": lambda stopped: stopped,
}


@pytest.mark.parametrize("make", WAITING.values(), ids=WAITING)
def test_a_coroutine_that_is_closed_by_hand_ends(make: Callable[[Stopped], Callable[[], Any]]) -> None:
    """Its function did not raise GeneratorExit itself, so it has not failed."""
    stopped, caught = Stopped(), list[BaseException]()

    async def call(workers: WorkerThreads) -> None:
        try:
            await call_or_await(workers, make(stopped))
        except BaseException as error:
            caught.append(error)
            raise

    async def close() -> None:
        with closing(WorkerThreads(1)) as workers:
            coroutine = call(workers)
            coroutine.send(None)
            coroutine.close()

    asyncio.run(close())
    assert stopped.closed
    assert [type(error) for error in caught] == [GeneratorExit]


async def raise_generator_exit() -> None:
    """Raise like a function that is not closed."""
    raise GeneratorExit


async def raise_late() -> None:
    """Raise after a wait."""
    await asyncio.sleep(0)
    raise GeneratorExit


async def raise_cancelled_error() -> None:
    """Raise, as a function whose own task was cancelled."""
    raise asyncio.CancelledError


@pytest.mark.parametrize("function", [raise_generator_exit, raise_late, raise_cancelled_error])
def test_a_function_that_raises_as_if_it_were_stopped_has_failed(function: Callable[[], Any]) -> None:
    """Nobody closed or cancelled it."""

    async def call() -> None:
        with closing(WorkerThreads(1)) as workers, pytest.raises(CancelledFromWithinError):
            await call_or_await(workers, function)

    asyncio.run(call())


def test_a_task_that_is_cancelled_ends() -> None:
    """The cancellation reaches the function and is passed on."""

    async def cancel() -> None:
        with closing(WorkerThreads(1)) as workers:
            task = asyncio.create_task(call_or_await(workers, Stopped()))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancel())
