"""The driver for threads: performs each effect where it stands, and waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from typing import Any, Final, TypeVar

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
from .introspection_limit import IntrospectionLimit, TooManyIntrospectionsError
from .run_once import INTERRUPTED, SingleFlight

__all__ = ["SyncDriver"]

T = TypeVar("T")

CLOSE_PATIENCE_SECONDS: Final = 1.0


class SyncDriver:
    """Runs flows on the calling thread.

    Args:
        fetch: performs one HTTP exchange.
        cache: the claims cache, or ``None``.
        clock: reads both clocks.
        patience_seconds: how long to wait for what another thread leads.
    """

    def __init__(
        self,
        fetch: Callable[[HttpRequest], HttpResponse],
        *,
        cache: Any,
        clock: Clock,
        patience_seconds: float,
    ) -> None:
        self._fetch = fetch
        self._cache = cache
        self._patience = patience_seconds
        self._flights = SingleFlight()
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
        """Wait a moment for refreshes in the background; they end by themselves soon after."""
        for thread in list(self._threads):
            if thread.is_alive():  # and not about to be started
                thread.join(CLOSE_PATIENCE_SECONDS)

    def _perform_fetch(self, effect: Fetch) -> HttpResponse | Failure:
        try:
            if effect.request.method != "POST":
                return checked(self._fetch(effect.request))
            with self._introspections.slot():
                return checked(self._fetch(effect.request))
        except TooManyIntrospectionsError:
            return never_sent("threads for introspections")
        except Exception as error:  # noqa: BLE001  a user's fetcher may raise anything
            return failed("fetcher", error)

    def _perform_run_once(self, effect: RunOnce) -> Any:
        while True:
            flight, leads = self._flights.board(effect.key)
            if leads:
                return self._lead(effect.key, effect.start, flight)
            try:
                result = flight.result(self._patience if effect.wait_seconds is None else effect.wait_seconds)
            except TimeoutError:
                if effect.wait_seconds is None:
                    self._flights.give_up(effect.key, flight)
                return Failure(HttpError("no answer in time from the request that this one waited for"))
            if result is not INTERRUPTED:
                return result

    def _lead(self, key: Hashable, start: Callable[[Instant], Flow[Any]], flight: Future[Any]) -> Any:
        result: Any = INTERRUPTED
        try:
            result = self.run(start(self.now()))
        except MonoCloudError as error:
            result = Failure(error)
        except Exception as error:  # noqa: BLE001  those who wait must learn of it
            result = went_wrong(error)
        finally:
            self._flights.land(key, flight, result)
        return result

    def _perform_run_once_in_background(self, effect: RunOnceInBackground) -> None:
        flight, leads = self._flights.board(effect.key)
        if not leads:
            return

        def lead() -> None:
            try:
                self._lead(effect.key, effect.start, flight)
            finally:
                self._threads.discard(thread)

        thread = threading.Thread(target=lead, name="monocloud-refresh", daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down, or has no thread to give
            self._threads.discard(thread)
            self._flights.land(effect.key, flight, INTERRUPTED)

    def _perform_call(self, effect: Call) -> Any:
        try:
            return effect.function()
        except Exception as error:  # noqa: BLE001  a user's function may raise anything
            return failed(effect.purpose, error)

    def _perform_read_clock(self, _effect: ReadClock) -> Instant:
        return self.now()

    def _perform_cache_get(self, effect: CacheGet) -> Any:
        try:
            return self._cache.get(effect.key)
        except Exception as error:  # noqa: BLE001  a cache that fails never fails a request
            return cache_missed("get", error)

    def _perform_cache_set(self, effect: CacheSet) -> None:
        try:
            self._cache.set(effect.key, effect.claims, effect.expires_at)
        except Exception as error:  # noqa: BLE001
            cache_missed("set", error)

    def _perform_cache_delete(self, effect: CacheDelete) -> Failure | None:
        try:
            self._cache.delete(effect.key)
        except Exception as error:  # noqa: BLE001  a user's cache may raise anything
            return cache_kept(error)
        return None
