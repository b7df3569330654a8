"""The driver for event loops: awaits each effect; blocking calls run in worker threads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, TypeVar

from ..callables import is_async
from ..core.effects import (
    CacheDelete,
    CacheGet,
    CacheSet,
    Call,
    Emit,
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
from .async_calls import call_or_await, check_event_loop
from .clock import Clock
from .failures import FailureReports, ensure_entry, ensure_response, not_sent, wait_timed_out
from .fetch_in_worker import FetchInWorker, bounds_exchanges
from .observer import Notify
from .run_once import INTERRUPTED, Run, RunOnceTable
from .worker_threads import WorkerThreads

__all__ = ["AsyncDriver"]

T = TypeVar("T")


class AsyncDriver:
    """Runs flows as coroutines; one driver serves several event loops.

    A run has its own task, so that cancelling a request does not affect other callers of the same run.

    Args:
        fetch: performs one HTTP exchange; a plain function runs in a worker thread.
        cache: the claims cache, sync or async, or ``None``.
        clock: reads both clocks.
        wait_timeout: maximum wait for a run that another task leads, in seconds.
        workers: run synchronous functions, except those of a cache.
        notify: passes an event to the observer, if there is one.
    """

    def __init__(
        self,
        fetch: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]],
        *,
        cache: Any,
        clock: Clock,
        wait_timeout: float,
        workers: WorkerThreads,
        notify: Notify | None = None,
    ) -> None:
        self._fetch = fetch
        self._cache = cache
        self._wait_timeout = wait_timeout
        self._workers = workers
        # A slow tenant or made-up tokens can occupy all workers with introspections. Key refreshes and cache
        # look-ups must not wait for these, so they have other workers.
        self._introspection_workers = WorkerThreads()
        self._cache_workers = WorkerThreads()
        self._runs = RunOnceTable()
        self._notify = notify
        self._reports = FailureReports(notify)
        self._tasks: dict[asyncio.Task[None], Run] = {}
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
            Emit: self._perform_emit,
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
                check_event_loop()
                answer = await self._perform[type(effect)](effect)
            except BaseException:
                flow.close()
                raise

    async def aclose(self) -> None:
        """Stop the background tasks of this event loop and wait for their end.

        Raises:
            ConfigurationError: no asyncio event loop is running.
        """
        check_event_loop()
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
        fetch: Any = self._fetch if is_async(self._fetch) else FetchInWorker(self._fetch)
        # A transport enforces the timeouts itself: one for the exchange, one for the wait for a connection.
        bounds_itself = fetch is self._fetch and bounds_exchanges(fetch)
        try:
            async with asyncio.timeout(None if bounds_itself else request.timeout_seconds) as timeout:
                if fetch is not self._fetch:
                    fetch.timeout = timeout
                return ensure_response(await call_or_await(workers, fetch, request))
        except TimeoutError:
            if fetch is not self._fetch and not fetch.has_begun:
                return not_sent("worker threads")
            return Failure(HttpError(f"no complete response within {request.timeout_seconds:g} seconds"))
        except Exception as error:  # noqa: BLE001  a user's fetcher may raise anything
            return self._reports.call_failure("fetcher", error)

    async def _perform_run_once(self, effect: RunOnce) -> Any:
        while True:
            run, leads = self._join(effect.key, effect.since)
            if leads:
                self._lead(run, effect.start)
            waits_in_full = leads or effect.wait_seconds is None
            try:
                async with asyncio.timeout(self._wait_timeout if waits_in_full else effect.wait_seconds):
                    result = await asyncio.wrap_future(run.future)
            except TimeoutError:
                if waits_in_full:
                    self._runs.forget(run)
                return wait_timed_out()
            if result is not INTERRUPTED:
                return result

    async def _perform_run_once_in_background(self, effect: RunOnceInBackground) -> Any:
        while True:
            run, leads = self._join(effect.key, effect.since)
            if leads:
                self._lead(run, effect.start)
            if effect.wait_seconds <= 0.0:
                return None
            try:
                async with asyncio.timeout(effect.wait_seconds):
                    result = await asyncio.wrap_future(run.future)
            except TimeoutError:
                return None
            if result is not INTERRUPTED:
                return result

    def _join(self, key: Hashable, since: float | None) -> tuple[Run, bool]:
        """Join or start a run, after marking runs as interrupted whose event loop has been closed.

        ``asyncio.run`` cancels remaining tasks, so their leaders finish. ``loop.close()`` alone does not, and
        later callers would wait for such a leader without end.
        """
        for leader, run in list(self._tasks.items()):
            if leader.get_loop().is_closed():
                self._tasks.pop(leader, None)
                self._runs.finish(run, INTERRUPTED)
        return self._runs.join(key, self.now(), since)

    def _lead(self, run: Run, start: Callable[[Instant], Flow[Any]]) -> None:
        task = asyncio.get_running_loop().create_task(self._finish(run, start), name="monocloud-refresh")
        self._tasks[task] = run

        def end(task: asyncio.Task[None]) -> None:
            self._tasks.pop(task, None)
            self._runs.finish(run, INTERRUPTED)  # if the task was cancelled before it started

        task.add_done_callback(end)

    async def _finish(self, run: Run, start: Callable[[Instant], Flow[Any]]) -> None:
        result: Any = INTERRUPTED
        try:
            result = await self.run(start(run.began))
        except MonoCloudError as error:
            result = Failure(error)
        except (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit):
            raise  # the task or event loop is being stopped; a waiting caller starts a new run
        except BaseException as error:  # noqa: BLE001  waiting callers must get a result, or they would retry
            result = self._reports.internal_failure(error)
        finally:
            self._runs.finish(run, result)

    async def _perform_call(self, effect: Call) -> Any:
        try:
            return await call_or_await(self._workers, effect.function)
        except Exception as error:  # noqa: BLE001  a user's function may raise anything
            return self._reports.call_failure(effect.purpose, error)

    async def _perform_emit(self, effect: Emit) -> None:
        if self._notify is not None:
            self._notify(effect.event)

    async def _perform_read_clock(self, _effect: ReadClock) -> Instant:
        return self.now()

    async def _perform_cache_get(self, effect: CacheGet) -> Any:
        try:
            return ensure_entry(await call_or_await(self._cache_workers, self._cache.get, effect.key))
        except Exception as error:  # noqa: BLE001  a cache that fails never fails a request
            return self._reports.report_cache_failure("get", error)

    async def _perform_cache_set(self, effect: CacheSet) -> None:
        try:
            await call_or_await(
                self._cache_workers, self._cache.set, effect.key, effect.claims, effect.expires_at
            )
        except Exception as error:  # noqa: BLE001
            self._reports.report_cache_failure("set", error)

    async def _perform_cache_delete(self, effect: CacheDelete) -> Failure | None:
        try:
            await call_or_await(self._cache_workers, self._cache.delete, effect.key)
        except Exception as error:  # noqa: BLE001  a user's cache may raise anything
            return self._reports.delete_failure(error)
        return None
