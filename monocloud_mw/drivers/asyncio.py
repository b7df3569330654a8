"""The driver for event loops: awaits each effect; blocking calls run in worker threads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

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
from ..errors import ConfigurationError, HttpError, MonoCloudError
from ..http import HttpRequest, HttpResponse
from .clock import Clock
from .failures import FailureReports, ensure_entry, ensure_response, not_sent, wait_timed_out
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
        fetch: Any = self._fetch if is_async(self._fetch) else _FetchInWorker(self._fetch)
        # A transport enforces the timeouts itself: one for the exchange, one for the wait for a connection.
        bounds_itself = fetch is self._fetch and _bounds_exchanges(fetch)
        try:
            async with asyncio.timeout(None if bounds_itself else request.timeout_seconds) as timeout:
                if fetch is not self._fetch:
                    fetch.timeout = timeout
                return ensure_response(await self._await(workers, fetch, request))
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
            return await self._await(self._workers, effect.function)
        except Exception as error:  # noqa: BLE001  a user's function may raise anything
            return self._reports.call_failure(effect.purpose, error)

    async def _perform_emit(self, effect: Emit) -> None:
        if self._notify is not None:
            self._notify(effect.event)

    async def _perform_read_clock(self, _effect: ReadClock) -> Instant:
        return self.now()

    async def _perform_cache_get(self, effect: CacheGet) -> Any:
        try:
            return ensure_entry(await self._await(self._cache_workers, self._cache.get, effect.key))
        except Exception as error:  # noqa: BLE001  a cache that fails never fails a request
            return self._reports.report_cache_failure("get", error)

    async def _perform_cache_set(self, effect: CacheSet) -> None:
        try:
            await self._await(
                self._cache_workers, self._cache.set, effect.key, effect.claims, effect.expires_at
            )
        except Exception as error:  # noqa: BLE001
            self._reports.report_cache_failure("set", error)

    async def _perform_cache_delete(self, effect: CacheDelete) -> Failure | None:
        try:
            await self._await(self._cache_workers, self._cache.delete, effect.key)
        except Exception as error:  # noqa: BLE001  a user's cache may raise anything
            return self._reports.delete_failure(error)
        return None

    async def _await(self, workers: WorkerThreads, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function: a coroutine function on the event loop, any other one in a worker thread."""
        task = asyncio.current_task()
        try:
            if is_async(function):
                return await function(*arguments)
            result = await workers.run(function, *arguments)
            return await result if inspect.isawaitable(result) else result
        except (asyncio.CancelledError, GeneratorExit) as error:
            if task is None or task is not _running_task() or task.cancelling():
                raise
            # The function raised it: this task is neither cancelled nor closed. Passed on, it would count as
            # an interrupted leader, and the waiting callers would start new runs without end.
            raise CancelledFromWithinError from error


def _running_task() -> asyncio.Task[Any] | None:
    """Return the running task, or ``None``, for example while a coroutine is closed."""
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop is running
        return None


def check_event_loop() -> None:
    """Raise an error if coroutines are run by another library than asyncio.

    Raises:
        ConfigurationError: no asyncio event loop is running.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "AsyncBackendClient needs asyncio, and no asyncio event loop is running. With trio (hypercorn -k "
            "trio, anyio with the trio backend), serve the application with asyncio (hypercorn -k asyncio, "
            "uvicorn), or call a BackendClient in a worker thread (trio.to_thread.run_sync)"
        ) from None


class _FetchInWorker:
    """A synchronous fetcher whose timeout starts when a worker thread calls it, not while it is queued."""

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
        with suppress(RuntimeError):  # the caller has stopped waiting
            self.timeout.reschedule(until)


def _bounds_exchanges(fetch: object) -> bool:
    return getattr(fetch, "bounds_exchanges", False) is True


class CancelledFromWithinError(Exception):
    """A user's function raised ``CancelledError`` or ``GeneratorExit`` without having been stopped."""


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether a callable is a coroutine function or an object whose ``__call__`` is one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  the method itself, to see whether it is async
    )
