"""Both transports implement the protocols, for type checkers and drivers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from monocloud_mw.core.effects import Failure, Fetch, Flow
from monocloud_mw.drivers.asyncio import AsyncDriver
from monocloud_mw.drivers.clock import system_clock
from monocloud_mw.drivers.fetch_in_worker import bounds_exchanges
from monocloud_mw.drivers.worker_threads import WorkerThreads
from monocloud_mw.errors import HttpError
from monocloud_mw.http import AsyncTransport, HttpRequest, HttpResponse, Transport
from monocloud_mw.transports.httpcore2 import Httpcore2Transport
from monocloud_mw.transports.requests import RequestsTransport

from .conftest import Serve
from .scripted_server import Connection, response


def test_the_transports_fit_their_protocols() -> None:
    """Type checkers verify it as well; both enforce the timeouts, so drivers need not."""
    threads: Transport = RequestsTransport()
    event_loops: AsyncTransport = Httpcore2Transport()
    assert all(map(bounds_exchanges, (threads, event_loops)))


@pytest.mark.parametrize("make", [RequestsTransport, Httpcore2Transport])
def test_a_driver_leaves_the_clock_to_the_transport(
    serve: Serve, make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exchange that waited for a connection has its full timeout; a timeout while waiting is a local
    failure.
    """
    for module in ("connection_shares", "httpcore2"):
        monkeypatch.setattr(f"monocloud_mw.transports.{module}.INTROSPECTION_CONNECTIONS", 1)

    def script(connection: Connection) -> None:
        while (received := connection.receive()) is not None:
            connection.pause(None if received.target == "/hang" else 0.6)
            connection.send(response())

    def fetch(target: str, timeout_seconds: float) -> Flow[HttpResponse | Failure]:
        request = HttpRequest(
            method="POST", url=server.origin + target, timeout_seconds=timeout_seconds, max_body_bytes=9
        )
        answer: HttpResponse | Failure = yield Fetch(request)
        return answer

    async def work() -> None:
        transport = make()
        driver = AsyncDriver(
            transport, cache=None, clock=system_clock(None), wait_timeout=9, workers=WorkerThreads()
        )
        for answered in await asyncio.gather(*(driver.run(fetch("/", 0.9)) for _ in range(2))):
            assert isinstance(answered, HttpResponse)
        began = time.monotonic()
        hanging = asyncio.create_task(driver.run(fetch("/hang", 1.5)))
        while len(server.requests) < 3:
            await asyncio.sleep(0.01)
        failures = [await driver.run(fetch("/hang", 0.3)), await hanging]
        assert time.monotonic() - began < 5
        errors = [failure.copy() for failure in failures if isinstance(failure, Failure)]
        assert [error.local for error in errors if isinstance(error, HttpError)] == [True, False]
        await driver.aclose()
        await (transport.aclose() if make is Httpcore2Transport else asyncio.to_thread(transport.close))

    server = serve(script)
    asyncio.run(work())
