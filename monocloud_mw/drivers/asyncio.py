"""The driver for event loops: awaits each effect, and hands what would block to worker threads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Hashable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from ..core.effects import (
    CacheDelete,
    CacheGet,
    CacheSet,
    Call,
    Failure,
    Fetch,
    Flow,
    Instant,
    ReadClock,
    RunOnce,
    RunOnceInBackground,
)
from ..errors import HttpError, MonoCloudError
from ..http import HttpRequest, HttpResponse
from .clock import Clock
from .failures import cache_kept, cache_missed, checked, failed, never_sent, went_wrong
from .run_once import INTERRUPTED, SingleFlight
from .worker_threads import WorkerThreads

__all__ = ["AsyncDriver"]

T = TypeVar("T")


class AsyncDriver:
    """Runs flows as coroutines; one driver serves several event loops.

    What leads a flight runs in a task of its own, so that a request that is cancelled harms none of those
    that wait for the same thing.

    Args:
        fetch: performs one HTTP exchange; a coroutine function, or a plain one for the worker threads.
        cache: the claims cache, sync or async, or ``None``.
        clock: reads both clocks.
        patience_seconds: how long to wait for what another task leads.
        workers: run what is not asynchronous, but for a cache.
    """

    def __init__(
        self,
        fetch: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]],
        *,
        cache: Any,
        clock: Clock,
        patience_seconds: float,
        workers: WorkerThreads,
    ) -> None:
        self._fetch = fetch
        self._cache = cache
        self._patience = patience_seconds
        self._workers = workers
        # A slow tenant, and a caller who makes up tokens, fill workers with introspections. Keys, and a token
        # that the cache knows, must not have to wait for those.
        self._introspection_workers = WorkerThreads()
        self._cache_workers = WorkerThreads()
        self._flights = SingleFlight()
        self._tasks: dict[asyncio.Task[None], tuple[Hashable, Future[Any]]] = {}
        self.now = clock
        self._perform: Mapping[type, Callable[[Any], Awaitable[Any]]] = {
            Fetch: self._perform_fetch,
            RunOnce: self._perform_run_once,
            RunOnceInBackground: self._perform_run_once_in_background,
            Call: self._perform_call,
            ReadClock: self._perform_read_clock,
            CacheGet: self._perform_cache_get,
            CacheSet: self._perform_cache_set,
            CacheDelete: self._perform_cache_delete,
        }

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end.

        Raises:
            MonoCloudError: what the flow raises.
        """
        answer: Any = None
        while True:
            try:
                effect = flow.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                answer = await self._perform[type(effect)](effect)
            except BaseException:
                flow.close()
                raise

    async def aclose(self) -> None:
        """Stop what runs in the background on this event loop, and wait until it has stopped."""
        loop = asyncio.get_running_loop()
        tasks = [task for task in list(self._tasks) if task.get_loop() is loop]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._workers.close()
        self._introspection_workers.close()
        self._cache_workers.close()

    async def _perform_fetch(self, effect: Fetch) -> HttpResponse | Failure:
        request = effect.request
        workers = self._introspection_workers if request.method == "POST" else self._workers
        fetch: Any = self._fetch if is_async(self._fetch) else _FetchInWorker(self._fetch)
        # A transport bounds its exchanges itself, and apart from them the wait for a connection.
        bounds_itself = fetch is self._fetch and _bounds_exchanges(fetch)
        try:
            async with asyncio.timeout(None if bounds_itself else request.timeout_seconds) as timeout:
                if fetch is not self._fetch:
                    fetch.timeout = timeout
                return checked(await self._await(workers, fetch, request))
        except TimeoutError:
            if fetch is not self._fetch and not fetch.has_begun:
                return never_sent("worker threads")
            return Failure(HttpError(f"no complete answer within {request.timeout_seconds:g} seconds"))
        except Exception as error:  # noqa: BLE001  a user's fetcher may raise anything
            return failed("fetcher", error)

    async def _perform_run_once(self, effect: RunOnce) -> Any:
        while True:
            flight, leads = self._board(effect.key)
            if leads:
                self._lead(effect.key, effect.start, flight)
            patient = leads or effect.wait_seconds is None
            try:
                async with asyncio.timeout(self._patience if patient else effect.wait_seconds):
                    result = await asyncio.wrap_future(flight)
            except TimeoutError:
                if patient:
                    self._flights.give_up(effect.key, flight)
                return Failure(HttpError("no answer in time from the request that this one waited for"))
            if result is not INTERRUPTED:
                return result

    async def _perform_run_once_in_background(self, effect: RunOnceInBackground) -> None:
        flight, leads = self._board(effect.key)
        if leads:
            self._lead(effect.key, effect.start, flight)

    def _board(self, key: Hashable) -> tuple[Future[Any], bool]:
        """Board a flight. One whose event loop was closed before its leader had ended has landed.

        ``asyncio.run`` cancels what is left, and such a leader hands over by itself; ``loop.close()`` does
        not, and nobody would refresh anything any more.
        """
        for leader, (led, flight) in list(self._tasks.items()):
            if leader.get_loop().is_closed():
                self._tasks.pop(leader, None)
                self._flights.land(led, flight, INTERRUPTED)
        return self._flights.board(key)

    def _lead(self, key: Hashable, start: Callable[[Instant], Flow[Any]], flight: Future[Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._fly(key, start, flight), name="monocloud-refresh")
        self._tasks[task] = key, flight

        def landed(task: asyncio.Task[None]) -> None:
            self._tasks.pop(task, None)
            self._flights.land(key, flight, INTERRUPTED)  # for a task that was cancelled before it began

        task.add_done_callback(landed)

    async def _fly(self, key: Hashable, start: Callable[[Instant], Flow[Any]], flight: Future[Any]) -> None:
        result: Any = INTERRUPTED
        try:
            result = await self.run(start(self.now()))
        except MonoCloudError as error:
            result = Failure(error)
        except (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit):
            raise  # the task or the whole event loop is being stopped; others may still have use for a leader
        except BaseException as error:  # noqa: BLE001  those who wait must learn of it, or they would try on
            result = went_wrong(error)
        finally:
            self._flights.land(key, flight, result)

    async def _perform_call(self, effect: Call) -> Any:
        try:
            return await self._await(self._workers, effect.function)
        except Exception as error:  # noqa: BLE001  a user's function may raise anything
            return failed(effect.purpose, error)

    async def _perform_read_clock(self, _effect: ReadClock) -> Instant:
        return self.now()

    async def _perform_cache_get(self, effect: CacheGet) -> Any:
        try:
            return await self._await(self._cache_workers, self._cache.get, effect.key)
        except Exception as error:  # noqa: BLE001  a cache that fails never fails a request
            return cache_missed("get", error)

    async def _perform_cache_set(self, effect: CacheSet) -> None:
        try:
            await self._await(
                self._cache_workers, self._cache.set, effect.key, effect.claims, effect.expires_at
            )
        except Exception as error:  # noqa: BLE001
            cache_missed("set", error)

    async def _perform_cache_delete(self, effect: CacheDelete) -> Failure | None:
        try:
            await self._await(self._cache_workers, self._cache.delete, effect.key)
        except Exception as error:  # noqa: BLE001  a user's cache may raise anything
            return cache_kept(error)
        return None

    async def _await(self, workers: WorkerThreads, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function: a coroutine function here, any other one where it may block."""
        try:
            if is_async(function):
                return await function(*arguments)
            result = await workers.run(function, *arguments)
            return await result if inspect.isawaitable(result) else result
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled us. Passed on, it would look like an interrupted leader to those who wait,
            # and one after the other would lead and be interrupted for ever.
            raise CancelledFromWithinError from error


class _FetchInWorker:
    """A plain fetcher, whose time begins when a worker thread calls it, and not while it waits for one."""

    timeout: asyncio.Timeout

    def __init__(self, fetch: Callable[[HttpRequest], Any]) -> None:
        self._fetch = fetch
        self._loop = asyncio.get_running_loop()
        self.has_begun = False

    def __call__(self, request: HttpRequest) -> Any:
        self._loop.call_soon_threadsafe(self._begin, request.timeout_seconds)
        return self._fetch(request)

    def _begin(self, timeout_seconds: float) -> None:
        self.has_begun = True
        until = None if _bounds_exchanges(self._fetch) else self._loop.time() + timeout_seconds
        with suppress(RuntimeError):  # nobody waits any more
            self.timeout.reschedule(until)


def _bounds_exchanges(fetch: object) -> bool:
    return getattr(fetch, "bounds_exchanges", False) is True


class CancelledFromWithinError(Exception):
    """A user's function raised ``CancelledError`` although nobody had cancelled it."""


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether a callable is a coroutine function, or an object whose ``__call__`` is one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  the question is not whether it can be called
    )
