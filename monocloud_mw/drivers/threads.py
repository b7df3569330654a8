"""The driver for threads: performs each effect on the calling thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

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
from ..errors import MonoCloudError
from ..http import HttpRequest, HttpResponse
from .clock import Clock
from .failures import FOREIGN, FailureReports, ensure_entry, ensure_response, not_sent, wait_timed_out
from .introspection_limit import IntrospectionLimit, TooManyIntrospectionsError
from .observer import Notify
from .run_once import INTERRUPTED, Run, RunOnceTable

__all__ = ["SyncDriver"]

T = TypeVar("T")

CLOSE_WAIT_SECONDS: Final = 1.0


class SyncDriver:
    """Runs flows on the calling thread.

    Args:
        fetch: performs one HTTP exchange.
        cache: the claims cache, or ``None``.
        clock: reads both clocks.
        wait_timeout: maximum wait for a run that another thread leads, in seconds.
        notify: passes an event to the observer, if there is one.
    """

    def __init__(
        self,
        fetch: Callable[[HttpRequest], HttpResponse],
        *,
        cache: Any,
        clock: Clock,
        wait_timeout: float,
        notify: Notify | None = None,
    ) -> None:
        self._fetch = fetch
        self._cache = cache
        self._wait_timeout = wait_timeout
        self._runs = RunOnceTable()
        self._notify = notify
        self._reports = FailureReports(notify)
        self._introspections = IntrospectionLimit()
        self._threads: set[threading.Thread] = set()
        self.now = clock
        self._perform: Mapping[type, Callable[[Any], Any]] = {
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

    def run(self, flow: Flow[T]) -> T:
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
                answer = self._perform[type(effect)](effect)
            except BaseException:
                flow.close()
                raise

    def close(self) -> None:
        """Wait up to ``CLOSE_WAIT_SECONDS`` for each background refresh; others end by themselves later."""
        for thread in list(self._threads):
            if thread.is_alive():  # false for a thread that has not been started yet
                thread.join(CLOSE_WAIT_SECONDS)

    def _perform_fetch(self, effect: Fetch) -> HttpResponse | Failure:
        try:
            if effect.request.method != "POST":
                return ensure_response(self._fetch(effect.request))
            with self._introspections.slot():
                return ensure_response(self._fetch(effect.request))
        except TooManyIntrospectionsError:
            return not_sent("threads for introspections")
        except FOREIGN as error:  # a user's fetcher may raise anything
            return self._reports.call_failure("fetcher", error)

    def _perform_run_once(self, effect: RunOnce) -> Any:
        while True:
            run, leads = self._runs.join(effect.key, self.now(), effect.since)
            if leads:
                return self._lead(run, effect.start)
            wait = self._wait_timeout if effect.wait_seconds is None else effect.wait_seconds
            try:
                result = run.future.result(wait)
            except TimeoutError:
                if effect.wait_seconds is None:
                    self._runs.forget(run)
                return wait_timed_out()
            if result is not INTERRUPTED:
                return result

    def _perform_run_once_in_background(self, effect: RunOnceInBackground) -> Any:
        while True:
            run, leads = self._runs.join(effect.key, self.now(), effect.since)
            if leads and not self._lead_in_background(run, effect.start):
                if effect.wait_seconds > 0.0:
                    return self._lead(run, effect.start)
                self._runs.finish(run, INTERRUPTED)
            if effect.wait_seconds <= 0.0:
                return None
            try:
                result = run.future.result(effect.wait_seconds)
            except TimeoutError:
                return None
            if result is not INTERRUPTED:
                return result

    def _lead(self, run: Run, start: Callable[[Instant], Flow[Any]]) -> Any:
        result: Any = INTERRUPTED
        try:
            result = self.run(start(run.began))
        except MonoCloudError as error:
            result = Failure(error)
        except Exception as error:  # noqa: BLE001  waiting callers must get a result
            result = self._reports.internal_failure(error)
        finally:
            self._runs.finish(run, result)
        return result

    def _lead_in_background(self, run: Run, start: Callable[[Instant], Flow[Any]]) -> bool:
        """Lead a run in a new thread; return false if no thread can be started."""

        def lead() -> None:
            try:
                self._lead(run, start)
            finally:
                self._threads.discard(thread)

        thread = threading.Thread(target=lead, name="monocloud-refresh", daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down, or the system has no more threads
            self._threads.discard(thread)
            return False
        return True

    def _perform_call(self, effect: Call) -> Any:
        try:
            return effect.function()
        except FOREIGN as error:  # a user's function may raise anything
            return self._reports.call_failure(effect.purpose, error)

    def _perform_emit(self, effect: Emit) -> None:
        if self._notify is not None:
            self._notify(effect.event)

    def _perform_read_clock(self, _effect: ReadClock) -> Instant:
        return self.now()

    def _perform_cache_get(self, effect: CacheGet) -> Any:
        try:
            return ensure_entry(self._cache.get(effect.key))
        except FOREIGN as error:  # a cache that fails never fails a request
            return self._reports.report_cache_failure("get", error)

    def _perform_cache_set(self, effect: CacheSet) -> None:
        try:
            self._cache.set(effect.key, effect.claims, effect.expires_at)
        except FOREIGN as error:
            self._reports.report_cache_failure("set", error)

    def _perform_cache_delete(self, effect: CacheDelete) -> Failure | None:
        try:
            self._cache.delete(effect.key)
        except FOREIGN as error:  # a user's cache may raise anything
            return self._reports.delete_failure(error)
        return None
