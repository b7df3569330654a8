"""The transport on ``httpcore2``: event loops, cancellation and connections."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Semaphore, get_ident
from typing import Any

import pytest

from monocloud_mw import AsyncBackendClient
from monocloud_mw.errors import HttpError
from monocloud_mw.http import HttpRequest
from monocloud_mw.options import Settings
from monocloud_mw.transports import httpcore2 as module
from monocloud_mw.transports.httpcore2 import Httpcore2Transport
from monocloud_mw.transports.requests import RequestsTransport

from .conftest import Serve
from .scripted_server import Connection, Script, answer, response

WAIT_SECONDS = 30.0


def get(url: str, **changes: Any) -> HttpRequest:
    """Return a request."""
    return HttpRequest(url=url, **{"timeout_seconds": WAIT_SECONDS, "max_body_bytes": 100_000} | changes)


class Gone:
    """The end of a script that counts connections closed by the client."""

    def __init__(self) -> None:
        self._count = Semaphore(0)

    def watch(self, connection: Connection) -> None:
        """Wait until the client closes the connection."""
        while connection.socket.recv(65536):
            pass
        self._count.release()

    def expect(self, count: int = 1) -> None:
        """Wait until a number of further connections have been closed, with a timeout."""
        for _ in range(count):
            assert self._count.acquire(timeout=WAIT_SECONDS)


@pytest.fixture
def gone() -> Gone:
    """Return a counter of closed connections."""
    return Gone()


# Event loops


def until_gone(gone: Gone) -> Script:
    """Return a script that answers every request and counts when the client closes the connection."""

    def script(connection: Connection) -> None:
        while connection.receive() is not None:
            connection.send(response())
        gone.watch(connection)

    return script


def test_a_loop_that_ends_closes_its_connections(serve: Serve, gone: Gone) -> None:
    """Without ``aclose``, each loop closes its connections, and the next loop opens new ones."""
    server, transport = serve(until_gone(gone)), Httpcore2Transport()
    for turn in range(1, 4):
        assert asyncio.run(transport(get(server.origin))).status == 200
        gone.expect()
        assert server.connections == turn
    gc.collect()  # an open connection would warn now


def test_loops_do_not_share_connections(serve: Serve) -> None:
    """Loops in threads use one transport concurrently, each with its own connection."""
    server, transport, together = serve(answer()), Httpcore2Transport(), Barrier(4)

    async def work() -> None:
        for _ in range(5):
            assert (await transport(get(server.origin))).status == 200
            together.wait(WAIT_SECONDS)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: asyncio.run(work()), range(4)))
    assert (server.connections, len(server.requests)) == (4, 20)


def test_closing_closes_idle_connections_at_once(serve: Serve, gone: Gone) -> None:
    """A running exchange completes and its connection is closed; a later exchange opens a new one."""
    asked, go_on = Event(), Event()

    def script(connection: Connection) -> None:
        while (received := connection.receive()) is not None:
            if received.target == "/slow":
                asked.set()
                assert go_on.wait(WAIT_SECONDS)
            connection.send(response())
        gone.watch(connection)

    async def work() -> None:
        slow = asyncio.create_task(transport(get(server.origin + "/slow")))
        await asyncio.to_thread(asked.wait, WAIT_SECONDS)
        await transport(get(server.origin))
        await transport.aclose()
        await asyncio.to_thread(gone.expect)
        go_on.set()
        assert (await slow).status == 200
        await asyncio.to_thread(gone.expect)
        assert server.connections == 2
        assert (await transport(get(server.origin))).status == 200
        await transport.aclose()
        await transport.aclose()

    server, transport = serve(script), Httpcore2Transport()
    asyncio.run(work())
    assert server.connections == 3


# Cancellation


@pytest.mark.parametrize(
    ("sent", "encrypted"),
    [
        (None, True),
        (b"", False),
        (b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Le", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", True),
    ],
    ids=["handshake", "no answer", "no answer, TLS", "half a header", "half a body", "half a body, TLS"],
)
@pytest.mark.parametrize("by_deadline", [False, True], ids=["cancelled", "deadline"])
def test_a_cancelled_exchange_leaves_no_connection(
    serve: Serve, tls: ssl.SSLContext, ca_bundle: str, gone: Gone,
    sent: bytes | None, encrypted: bool, by_deadline: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Wherever it is cancelled or times out, its connection is closed at once."""
    reached = Event()
    deadlines: list[asyncio.Timeout] = []

    def timeout(seconds: float) -> asyncio.Timeout:
        deadlines.append(asyncio.timeouts.timeout(seconds))
        return deadlines[-1]

    monkeypatch.setattr(asyncio, "timeout", timeout)

    def script(connection: Connection) -> None:
        if sent is None:
            connection.socket.recv(1)
        elif connection.receive() is not None:
            connection.send(sent)
        reached.set()
        gone.watch(connection)

    async def work() -> None:
        exchange = asyncio.create_task(transport(get(hanging)))
        assert await asyncio.to_thread(reached.wait, WAIT_SECONDS)
        if by_deadline:
            deadlines[0].reschedule(
                asyncio.get_running_loop().time()
            )  # now that the exchange is in the intended state
            with pytest.raises(HttpError, match="sent no complete response"):
                await exchange
        else:
            exchange.cancel()
            with pytest.raises(asyncio.CancelledError):
                await exchange
        await asyncio.to_thread(gone.expect)

    server = serve(script, tls if encrypted and sent is not None else None)
    hanging = server.origin.replace("http:", "https:") if encrypted else server.origin
    transport = Httpcore2Transport(ca_bundle=ca_bundle)
    asyncio.run(work())
    gc.collect()


def test_a_cancelled_handshake_through_a_proxy_over_tls_leaves_no_connection(
    serve: Serve, tls: ssl.SSLContext, ca_bundle: str, gone: Gone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is closed without waiting for close_notify of a hanging proxy."""
    reached = Event()

    def script(connection: Connection) -> None:
        assert connection.receive() is not None
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.socket.recv(1)
        reached.set()
        while connection.socket.recv(65536):
            pass
        connection.socket.settimeout(WAIT_SECONDS / 6)  # asyncio would wait six times as long
        assert socket.socket.recv(connection.socket, 1) == b""  # the connection below TLS
        gone.watch(connection)

    async def work() -> None:
        exchange = asyncio.create_task(transport(get("https://tenant.example.test/")))
        assert await asyncio.to_thread(reached.wait, WAIT_SECONDS)
        exchange.cancel()
        with pytest.raises(asyncio.CancelledError):
            await exchange
        await asyncio.to_thread(gone.expect)

    monkeypatch.setenv("HTTPS_PROXY", serve(script, tls).origin)
    transport = Httpcore2Transport(ca_bundle=ca_bundle)
    asyncio.run(work())


def test_a_cancelled_exchange_frees_its_connection(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Running and waiting exchanges that are cancelled together do not delay later ones."""
    monkeypatch.setattr(module, "DOCUMENT_CONNECTIONS", 2)
    asked = Semaphore(0)

    def script(connection: Connection) -> None:
        while (received := connection.receive()) is not None:
            if received.target == "/hang":
                asked.release()
                connection.pause()
            connection.send(response())

    async def work() -> None:
        exchanges = [asyncio.create_task(transport(get(server.origin + "/hang"))) for _ in range(5)]
        for _ in range(2):
            assert await asyncio.to_thread(asked.acquire, timeout=WAIT_SECONDS)
        for exchange in exchanges:
            exchange.cancel()
        await asyncio.gather(*exchanges, return_exceptions=True)
        assert all(exchange.cancelled() for exchange in exchanges)
        answers = await asyncio.gather(*(transport(get(server.origin)) for _ in range(5)))
        assert [received.status for received in answers] == [200] * 5

    server, transport = serve(script), Httpcore2Transport()
    asyncio.run(work())
    assert server.connections <= 4  # two cancelled ones and two more


# Connections


def test_more_exchanges_than_connections_wait_for_their_turn(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are answered on no more connections than the limit."""
    monkeypatch.setattr(module, "DOCUMENT_CONNECTIONS", 3)
    server, transport = serve(answer()), Httpcore2Transport()

    async def work() -> None:
        answers = await asyncio.gather(*(transport(get(server.origin)) for _ in range(20)))
        assert [received.status for received in answers] == [200] * 20

    asyncio.run(work())
    assert server.connections == 3


def test_no_framing_gets_past_the_limit_on_the_wire(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A response ends at the size limit, even if its framing allows a larger body; each response has its
    own limit.
    """
    monkeypatch.setattr("monocloud_mw.transports.asyncio_network.MAX_WIRE_BYTES", 100_000)
    server, transport = serve(answer(response(b"x" * 60_000))), Httpcore2Transport()

    async def work() -> None:
        for _ in range(3):
            assert (await transport(get(server.origin))).status == 200
        with pytest.raises(HttpError, match="the response is too large"):
            await transport(get(serve(answer(response(b"x" * 200_000))).origin, max_body_bytes=1_000_000))

    asyncio.run(work())
    assert server.connections == 1


def test_other_tasks_run_while_much_data_arrives(serve: Serve) -> None:
    """Data is processed in pieces, however fast it arrives."""

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(response(b"x" * 5_000_000))

    async def work() -> None:
        exchange = asyncio.create_task(transport(get(server.origin, max_body_bytes=5_000_000)))
        turns = 0
        while not exchange.done():
            await asyncio.sleep(0)
            turns += 1
        assert len((await exchange).body) == 5_000_000
        assert turns > 5_000_000 / 16_384

    server, transport = serve(script), Httpcore2Transport()
    asyncio.run(work())


# Selection of the transport

SETTINGS: Settings = {"tenant_domain": "https://tenant.example.test", "audience": "api"}


@pytest.fixture
def without_httpcore2(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Simulate an environment without the extra."""
    monkeypatch.delitem(sys.modules, "monocloud_mw.transports.httpcore2")
    monkeypatch.setitem(sys.modules, "httpcore2", None)
    return iter([None])


def test_the_asynchronous_client_uses_it() -> None:
    """With ``httpcore2``, no threads are used for HTTP."""
    assert isinstance(AsyncBackendClient(**SETTINGS)._transport, Httpcore2Transport)


@pytest.mark.usefixtures("without_httpcore2")
def test_without_the_extra_threads_are_used() -> None:
    """The transport's error names the extra; the client uses threads."""
    assert isinstance(AsyncBackendClient(**SETTINGS)._transport, RequestsTransport)
    with pytest.raises(ImportError, match=r"pip install 'monocloud-mw\[async\]'"):
        __import__("monocloud_mw.transports.httpcore2")


def test_importing_the_package_does_not_import_it() -> None:
    """Neither the package nor a synchronous client imports it."""
    script = (
        "import sys, monocloud_mw\n"
        "monocloud_mw.BackendClient(tenant_domain='https://tenant.example.test', audience='api')\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'anyio', 'h11', 'httpcore2'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


# Blocking work


@pytest.mark.parametrize("because", ["a changed file", "a fork"])
def test_certificate_files_are_never_read_on_the_event_loop(
    serve: Serve, tls: ssl.SSLContext, ca_bundle: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, because: str,
) -> None:  # fmt: skip
    """Reading a bundle takes as long as many exchanges, so a thread reads it, once for concurrent
    exchanges.
    """
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(Path(ca_bundle).read_bytes())
    readers: list[int] = []
    load = ssl.SSLContext.load_verify_locations

    def load_verify_locations(self: ssl.SSLContext, *files: Any, **named: Any) -> None:
        readers.append(get_ident())
        load(self, *files, **named)

    async def work() -> None:
        await transport(get(server.origin))
        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load_verify_locations)
        if because == "a fork":
            monkeypatch.setattr(os, "getpid", lambda: -1)
        else:
            bundle.write_bytes(bundle.read_bytes() * 2)
        answers = await asyncio.gather(*(transport(get(server.origin)) for _ in range(5)))
        assert [received.status for received in answers] == [200] * 5
        assert len(readers) == 1
        assert get_ident() not in readers

    server, transport = serve(answer(), tls), Httpcore2Transport(ca_bundle=str(bundle))
    asyncio.run(work())


def test_names_are_not_looked_up_by_the_default_executor(
    serve: Serve, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default executor belongs to the application, whose work would wait for a hanging name server."""
    server = serve(answer())
    names["tenant.example.test"] = ["127.0.0.1"]

    async def work() -> None:
        def run_in_executor(*_: object) -> None:
            raise AssertionError("the default executor was used")

        monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", run_in_executor)
        url = f"http://tenant.example.test:{server.port}/"
        assert (await Httpcore2Transport()(get(url))).status == 200

    asyncio.run(work(), debug=False)
