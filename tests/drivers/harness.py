"""Run a flow on either driver, so that one suite tests both."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from types import SimpleNamespace
from typing import Any, Final

from monocloud_mw.core.effects import Effect, Failure, Flow, Instant, RunOnce
from monocloud_mw.drivers.asyncio import AsyncDriver
from monocloud_mw.drivers.run_once import Run, RunOnceTable
from monocloud_mw.drivers.threads import SyncDriver
from monocloud_mw.drivers.worker_threads import WorkerThreads
from monocloud_mw.http import HttpRequest, HttpResponse

__all__ = [
    "NOW",
    "REQUEST",
    "RESPONSE",
    "TIMEOUT_SECONDS",
    "AsyncHarness",
    "CountedRuns",
    "Harness",
    "SyncHarness",
    "ask",
    "new_async_driver",
    "new_sync_driver",
    "shared",
]  # fmt: skip

NOW: Final = Instant(1_800_000_000.0, 42.0)
REQUEST: Final = HttpRequest(url="https://tenant.example.test/", timeout_seconds=30.0, max_body_bytes=100)
RESPONSE: Final = HttpResponse(status=200, body=b"{}")
TIMEOUT_SECONDS: Final = 120.0  # a timeout that must not expire in a test, even on a busy machine


def _respond(_request: HttpRequest) -> HttpResponse:
    return RESPONSE


def new_sync_driver(**settings: Any) -> SyncDriver:
    """Return a synchronous driver."""
    defaults = {
        "fetch": _respond, "cache": None, "clock": lambda: NOW, "wait_timeout": TIMEOUT_SECONDS
    }  # fmt: skip
    return SyncDriver(**defaults | settings)


def new_async_driver(**settings: Any) -> AsyncDriver:
    """Return an asynchronous driver."""
    defaults = {
        "fetch": _respond, "cache": None, "clock": lambda: NOW, "wait_timeout": TIMEOUT_SECONDS,
        "workers": WorkerThreads(),
    }  # fmt: skip
    return AsyncDriver(**defaults | settings)


class SyncHarness:
    """Runs flows on the synchronous driver."""

    def __init__(self, **settings: Any) -> None:
        self.driver = new_sync_driver(**settings)

    def run(self, flow: Flow[Any]) -> Any:
        """Run a flow, and then what it started in the background."""
        try:
            return self.driver.run(flow)
        finally:
            for thread in list(self.driver._threads):
                thread.join()


class AsyncHarness:
    """Runs flows on the asynchronous driver, in an event loop of their own."""

    def __init__(self, **settings: Any) -> None:
        self.driver = new_async_driver(**settings)

    def run(self, flow: Flow[Any]) -> Any:
        """Run a flow, and then what it started in the background."""
        return asyncio.run(self._run(flow))

    async def _run(self, flow: Flow[Any]) -> Any:
        try:
            return await self.driver.run(flow)
        finally:
            await asyncio.gather(*self.driver._tasks)
            await self.driver.aclose()


class Harness:
    """Creates harnesses and functions of one kind.

    Args:
        kind: ``sync``, ``async`` (with coroutine functions) or ``async with plain functions``.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __call__(self, **settings: Any) -> SyncHarness | AsyncHarness:
        """Return a harness; ``fetch`` and the methods of ``cache`` are plain functions."""
        if self._kind == "sync":
            return SyncHarness(**settings)
        if "fetch" in settings:
            settings["fetch"] = self.function(settings["fetch"])
        if "cache" in settings:
            methods = {
                name: self.function(getattr(settings["cache"], name))
                for name in ("get", "set", "delete")
                if hasattr(settings["cache"], name)
            }
            settings["cache"] = SimpleNamespace(**methods)
        return AsyncHarness(**settings)

    def function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a plain function as a function of this harness's kind."""
        if self._kind != "async":
            return function

        async def coroutine_function(*arguments: Any) -> Any:
            await asyncio.sleep(0)
            return function(*arguments)

        return coroutine_function


def ask(effect: Effect) -> Flow[Any]:
    """Yield one effect and return its result; raise a failure as flows do."""
    answer = yield effect
    if isinstance(answer, Failure):
        raise answer.copy()
    return answer


def shared(start: Callable[[Instant], Flow[Any]], key: Hashable = "key") -> Flow[Any]:
    """Return a flow that shares another one and raises its failure."""
    return ask(RunOnce(key, start))


class CountedRuns(RunOnceTable):
    """A table of runs that sets an event when a number of callers have joined.

    A leader that waits for :attr:`full` finishes only when all callers have joined.
    """

    def __init__(self, expected: int) -> None:
        self._count_lock = threading.Lock()
        self._to_come = expected
        self.full = threading.Event()
        super().__init__()

    def join(self, key: Hashable, now: Instant, since: float | None = None) -> tuple[Run, bool]:
        """Join, and count it."""
        joined = super().join(key, now, since)
        with self._count_lock:
            self._to_come -= 1
            if self._to_come == 0:
                self.full.set()
        return joined
