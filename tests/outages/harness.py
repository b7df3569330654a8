"""A tenant, a harness for either kind of client, and their clock.

Time passes only when a test advances the clock, which the driver (wall and monotonic) and the tenant use.
To find out whether a request waits, a test does not measure time: it delays the tenant's response with a
:class:`Gate`. Only sockets use real time: the timeout of :class:`CountingTransport` is long where the tenant
responds, and short where it never does, so that neither depends on the machine.
"""

from __future__ import annotations

import abc
import asyncio
import threading
import time
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import attrs
from werkzeug import Response

from monocloud_mw import AsyncBackendClient, BackendClient, MonoCloudError, TokenError
from monocloud_mw.core.effects import Instant
from monocloud_mw.http import HttpRequest, HttpResponse
from monocloud_mw.protect.responses import error_response
from monocloud_mw.testing import LocalTenant
from monocloud_mw.testing.faults import Exchange
from monocloud_mw.transports.requests import RequestsTransport

from ..gate import Gate

__all__ = [
    "ACCEPTED",
    "CALLERS",
    "COOLDOWN",
    "DUE",
    "HARNESSES",
    "LIFETIME",
    "MAX_STALE",
    "SETTINGS",
    "TIMEOUT_SECONDS",
    "TOO_OLD",
    "Clock",
    "CountingTransport",
    "Gate",
    "Harness",
    "OldAnswer",
    "forgeries",
    "new_tokens",
    "outcomes_of",
]  # fmt: skip

LIFETIME: Final = 100.0
DUE: Final = 80.0  # where the refresh ahead of the expiry begins
MAX_STALE: Final = 1000.0
TOO_OLD: Final = LIFETIME + MAX_STALE
COOLDOWN: Final = 10.0
TIMEOUT_SECONDS: Final = 60.0  # for timeouts that must not expire in a test
SHORT_SECONDS: Final = 0.05

SETTINGS: Final = {
    "jwks_cache_duration": LIFETIME,
    "metadata_cache_duration": LIFETIME,
    "max_stale": MAX_STALE,
    "refresh_cooldown": COOLDOWN,
    "response_timeout": TIMEOUT_SECONDS,
}

ACCEPTED: Final = "accepted"
CALLERS: Final = 30


class Clock:
    """Both clocks, which are advanced together."""

    def __init__(self) -> None:
        self._unix = time.time()
        self._monotonic = 1000.0

    def __call__(self) -> Instant:
        return Instant(self._unix, self._monotonic)

    def unix(self) -> float:
        """Return the wall time for the tenant."""
        return self._unix

    def advance(self, seconds: float) -> None:
        """Advance both clocks."""
        self._unix += seconds
        self._monotonic += seconds


class OldAnswer(Gate):
    """A gate that delays a response created when its request came."""

    def __call__(self, exchange: Exchange) -> Response:
        answer = exchange.answer()
        self._reached.set()
        assert self._opened.wait(TIMEOUT_SECONDS)
        return answer


class CountingTransport:
    """A transport that counts its requests, with a timeout that a test sets."""

    def __init__(self) -> None:
        self._transport = RequestsTransport()
        self._lock = threading.Lock()
        self._short_timeout_path: str | None = None
        self._attempts = 0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with self._lock:
            self._attempts += 1
        short = self._short_timeout_path is not None and request.url.endswith(self._short_timeout_path)
        timeout = SHORT_SECONDS if short else TIMEOUT_SECONDS
        return self._transport(attrs.evolve(request, timeout_seconds=timeout))

    @contextmanager
    def short_timeout(self, enabled: bool = True, *, path: str = "") -> Iterator[None]:
        """Use a short timeout, for requests without a response."""
        self._short_timeout_path = path if enabled else None
        yield
        self._short_timeout_path = None

    def count(self) -> int:
        """Return the number of attempts since the last call, successful or not."""
        with self._lock:
            attempts, self._attempts = self._attempts, 0
        return attempts

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class Harness(abc.ABC):
    """Runs a client of either kind for a test in a thread."""

    client: Any

    def __init__(self, transport: CountingTransport) -> None:
        self.transport = transport

    @abc.abstractmethod
    def begin(self, method: str, *arguments: Any) -> Future[Any]:
        """Call a method of the client and return a future of its result."""

    @abc.abstractmethod
    def settle(self) -> None:
        """Wait until nothing runs in the background."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the client."""

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the client, and return its result."""
        return self.begin(method, *arguments).result(TIMEOUT_SECONDS)

    def submit(self, tokens: Iterable[str]) -> list[Future[Any]]:
        """Validate tokens concurrently."""
        return [self.begin("validate_access_token", token) for token in tokens]

    def outcome(self, token: str) -> str:
        """Return ``accepted``, the reason of a refusal, or the response status of an error."""
        (outcome,) = self.outcomes([token])
        return outcome

    def outcomes(self, tokens: Iterable[str]) -> set[str]:
        """Return the outcomes for tokens that are validated concurrently."""
        return outcomes_of(self.submit(tokens))


def outcomes_of(results: Iterable[Future[Any]]) -> set[str]:
    """Wait for calls and return their outcomes."""
    return {_outcome_of(result) for result in results}


def _outcome_of(result: Future[Any]) -> str:
    try:
        result.result(TIMEOUT_SECONDS)
    except TokenError as error:
        return str(error.reason)
    except MonoCloudError as error:
        return str(error_response(error).status)
    return ACCEPTED


class SyncHarness(Harness):
    """Runs a :class:`BackendClient`, each call in its own thread."""

    def __init__(self, clock: Clock, **settings: Any) -> None:
        super().__init__(CountingTransport())
        self.client = BackendClient(**settings, fetcher=self.transport)
        self.client._driver.now = clock
        self._threads = ThreadPoolExecutor(2 * CALLERS, thread_name_prefix="callers")

    def begin(self, method: str, *arguments: Any) -> Future[Any]:
        return self._threads.submit(getattr(self.client, method), *arguments)

    def settle(self) -> None:
        while threads := list(self.client._driver._threads):
            for thread in threads:
                if thread.is_alive():  # and is not about to start
                    thread.join(TIMEOUT_SECONDS)

    def close(self) -> None:
        self.settle()
        self._threads.shutdown()
        self.client.close()
        self.transport.close()


class AsyncHarness(Harness):
    """Runs an :class:`AsyncBackendClient` on an event loop in its own thread."""

    def __init__(self, clock: Clock, **settings: Any) -> None:
        super().__init__(CountingTransport())
        self.client = AsyncBackendClient(**settings, fetcher=self.transport)
        self.client._driver.now = clock
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="event loop")
        self._thread.start()

    def begin(self, method: str, *arguments: Any) -> Future[Any]:
        return self._submit(getattr(self.client, method)(*arguments))

    def settle(self) -> None:
        async def gather() -> None:
            while tasks := list(self.client._driver._tasks):
                await asyncio.gather(*tasks)

        self._submit(gather()).result(TIMEOUT_SECONDS)

    def close(self) -> None:
        self._submit(self.client.aclose()).result(TIMEOUT_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT_SECONDS)
        self._loop.close()
        self.transport.close()

    def _submit(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)


HARNESSES: Final[dict[str, type[SyncHarness | AsyncHarness]]] = {
    "threads": SyncHarness,
    "event loop": AsyncHarness,
}


def new_tokens(tenant: LocalTenant, count: int = CALLERS, **parameters: Any) -> list[str]:
    """Return valid tokens that have not been presented yet, all different."""
    return [tenant.mint(subject=f"user {number}", **parameters) for number in range(count)]


def forgeries(tenant: LocalTenant, count: int = CALLERS) -> list[str]:
    """Return tokens signed by unknown keys, each with a key ID of its own."""
    return [tenant.mint(signed_by="stranger", header={"kid": f"forged {number}"}) for number in range(count)]
