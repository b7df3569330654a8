"""How transports keep, replace, share and open connections, tested on real sockets."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier, Event, Semaphore
from typing import Any

import pytest

from monocloud_mw.http import HttpRequest

from .conftest import ELSEWHERE, Connect, Exchange, Serve, failure_of
from .scripted_server import Connection, Script, ScriptedServer, answer, response

LONG_SECONDS = 30.0


def request(url: str, method: str = "GET", **changes: Any) -> HttpRequest:
    """Return a request for a document, or an introspection."""
    body = {"body": b"token=x"} if method == "POST" else {}
    defaults: dict[str, Any] = {"timeout_seconds": LONG_SECONDS, "max_body_bytes": 100_000}
    return HttpRequest(url=url, method=method, **defaults | body | changes)


# Kept connections that end


def dying(end: Callable[[Connection], object], *, lives: int = 1) -> Script:
    """Return a script that answers a number of requests on a connection and then ends it."""

    def script(connection: Connection) -> None:
        for _ in range(lives):
            if connection.receive() is None:
                return
            connection.send(response(b"alive"))
        if connection.receive() is not None:
            end(connection)

    return script


def say(data: bytes) -> Callable[[Connection], None]:
    """Return an end that first sends some bytes."""
    return lambda connection: connection.send(data)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("end", [lambda _: None, Connection.reset], ids=["closes", "resets"])
def test_an_exchange_on_a_kept_connection_that_dies_is_repeated_once(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str,
    method: str, encrypted: bool, end: Callable[[Connection], object],
) -> None:  # fmt: skip
    """It is repeated on a new connection, for documents and introspections (RFC 9112 section 9.3.1)."""
    server = serve(dying(end), tls if encrypted else None)
    exchange = connect(ca_bundle=ca_bundle)
    for _ in range(3):
        assert exchange(request(server.origin, method)).body == b"alive"
    assert (server.connections, len(server.requests)) == (3, 5)


def test_the_repetition_never_uses_another_kept_connection(serve: Serve, exchange: Exchange) -> None:
    """If a gateway dropped one connection, it dropped the others too."""
    together = Barrier(3)

    def script(connection: Connection) -> None:
        received = connection.receive()
        assert received is not None
        if received.target == "/burst":
            together.wait(LONG_SECONDS)
        connection.send(response(b"alive"))
        connection.receive()

    server = serve(script)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: exchange(request(server.origin + "/burst")), range(3)))
    assert server.connections == 3
    assert exchange(request(server.origin)).body == b"alive"
    assert (server.connections, len(server.requests)) == (4, 5)


@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_nothing_is_repeated_after_a_byte_of_an_answer(serve: Serve, exchange: Exchange, part: bytes) -> None:
    """After a byte of the response, the server may have acted on the request."""
    server = serve(dying(say(part)))
    exchange(request(server.origin))
    error = failure_of(lambda: exchange(request(server.origin)))
    assert "cannot be reached" in str(error)
    assert not error.local
    assert (server.connections, len(server.requests)) == (1, 2)


def test_nothing_is_repeated_twice(serve: Serve, exchange: Exchange) -> None:
    """The error of the new connection is raised."""
    lives = iter([1, 0, 0, 0])
    server = serve(lambda connection: dying(lambda _: None, lives=next(lives))(connection))
    exchange(request(server.origin))
    assert "cannot be reached" in str(failure_of(lambda: exchange(request(server.origin))))
    assert (server.connections, len(server.requests)) == (2, 3)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_is_repeated_on_the_first_connection(serve: Serve, exchange: Exchange, method: str) -> None:
    """A new connection that is closed without a response is an outage."""
    server = serve(dying(lambda _: None, lives=0))
    failure_of(lambda: exchange(request(server.origin, method)))
    assert (server.connections, len(server.requests)) == (1, 1)


def test_the_repetition_has_the_same_deadline(serve: Serve, exchange: Exchange) -> None:
    """Both attempts share one timeout."""
    ends = iter([lambda connection: connection.pause(0.4), Connection.pause])
    lives = iter([1, 0])
    server = serve(lambda connection: dying(next(ends), lives=next(lives))(connection))
    exchange(request(server.origin))
    began = time.monotonic()
    error = failure_of(lambda: exchange(request(server.origin, timeout_seconds=0.8)))
    assert "sent no complete response within 0.8 seconds" in str(error)
    assert 0.7 < time.monotonic() - began < 1.15
    assert server.connections == 2


def test_a_tunnel_that_ends_is_replaced(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repetition uses the proxy too."""
    server = serve(dying(lambda _: None), tls)

    def tunnel(connection: Connection) -> None:
        received = connection.receive()
        assert received is not None
        with socket.create_connection(("127.0.0.1", server.port)) as target:
            connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            connection.relay(target)

    proxy = serve(tunnel)
    monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
    exchange = connect(ca_bundle=ca_bundle)
    for _ in range(3):
        assert exchange(request(f"https://{ELSEWHERE}:{server.port}/")).body == b"alive"
    assert [received.method for received in proxy.requests] == ["CONNECT"] * 3
    assert (server.connections, len(server.requests)) == (3, 5)


# Idle connections


def test_a_connection_that_was_idle_for_too_long_is_not_used_again(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway may have dropped it silently; it is closed and replaced."""
    for module in ("idle_connections", "httpcore2_connection"):
        monkeypatch.setattr(f"monocloud_mw.transports.{module}.KEEP_IDLE_SECONDS", -1.0)
    gone = Semaphore(0)

    def script(connection: Connection) -> None:
        while connection.receive() is not None:
            connection.send(response())
        gone.release()

    server, exchange = serve(script), connect()
    for _ in range(3):
        assert exchange(request(server.origin)).status == 200
    assert server.connections == 3
    for _ in range(2):
        assert gone.acquire(timeout=LONG_SECONDS)


def test_idle_connections_that_no_exchange_takes_are_closed(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a burst, idle connections that are not used expire and are closed."""
    together, gone = Barrier(3), Semaphore(0)
    now = [0.0]
    monotonic = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + now[0])

    def script(connection: Connection) -> None:
        while (received := connection.receive()) is not None:
            if received.target == "/burst":
                together.wait(LONG_SECONDS)
            connection.send(response())
        gone.release()

    server, exchange = serve(script), connect()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: exchange(request(server.origin + "/burst")), range(3)))
    for _ in range(2):
        now[0] += 40.0
        exchange(request(server.origin))
    for _ in range(2):
        assert gone.acquire(timeout=LONG_SECONDS)
    assert server.connections == 3


# Limits per kind of request


@pytest.fixture
def two_introspections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit introspections to two at a time."""
    for module in ("connection_shares", "httpcore2"):
        monkeypatch.setattr(f"monocloud_mw.transports.{module}.INTROSPECTION_CONNECTIONS", 2)


@pytest.mark.usefixtures("two_introspections")
def test_introspections_take_no_connection_of_the_documents(serve: Serve, connect: Connect) -> None:
    """Many made-up tokens do not delay loading keys; a request that gets no connection is a local failure."""
    asked, go_on = Semaphore(0), Event()

    def script(connection: Connection) -> None:
        while (received := connection.receive()) is not None:
            if received.method == "POST":
                asked.release()
                assert go_on.wait(LONG_SECONDS)
            connection.send(response())

    server, exchange = serve(script), connect()
    with ThreadPoolExecutor(2) as pool:
        hanging = [pool.submit(exchange, request(server.origin, "POST")) for _ in range(2)]
        for _ in range(2):
            assert asked.acquire(timeout=LONG_SECONDS)
        error = failure_of(lambda: exchange(request(server.origin, "POST", timeout_seconds=0.1)))
        assert str(error) == f"no connection was free within 0.1 seconds for '{server.origin}'"
        assert (error.local, error.status, error.temporary) == (True, None, True)
        assert exchange(request(server.origin)).status == 200
        go_on.set()
        assert [answer.result().status for answer in hanging] == [200, 200]
    assert exchange(request(server.origin, "POST")).status == 200
    assert len(server.requests) == 4


@pytest.mark.usefixtures("two_introspections")
def test_the_clock_of_an_exchange_starts_when_it_holds_a_connection(serve: Serve, connect: Connect) -> None:
    """An exchange that waited for a connection has its full timeout."""

    def script(connection: Connection) -> None:
        while connection.receive() is not None:
            connection.pause(0.6)
            connection.send(response())

    server, exchange = serve(script), connect()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(exchange, request(server.origin, "POST", timeout_seconds=1.0)) for _ in range(4)]
        assert [answer.result().status for answer in asked] == [200] * 4
    assert server.connections == 2


@pytest.mark.filterwarnings("error")
def test_many_introspections_at_once_reuse_their_connections(
    serve: Serve, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    """Exchanges beyond the limit wait; no connection is discarded or logged."""
    server = serve(answer())
    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(64) as pool:
        for _ in range(3):
            list(pool.map(lambda _: exchange(request(server.origin, "POST")), range(64)))
    assert len(server.requests) == 192
    assert server.connections <= 32
    assert [record.name for record in caplog.records if record.name != "asyncio"] == []


# Addresses


@pytest.fixture
def swallow() -> Iterator[Callable[[str, int], None]]:
    """Return a function that makes an address drop SYNs, since its queue is full."""
    with ExitStack() as stack:

        def swallow(address: str, port: int) -> None:
            stack.enter_context(socket.create_server((address, port), backlog=0))
            for _ in range(4):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((address, port))

        yield swallow


def elsewhere(server: ScriptedServer) -> str:
    """Return the origin of a server, by a name that the test resolves."""
    return server.origin.replace("127.0.0.1", ELSEWHERE)


@pytest.mark.parametrize("dead", [1, 2], ids=["the first", "the first two"])
def test_an_address_that_does_not_answer_costs_a_quarter_of_a_second(
    serve: Serve, exchange: Exchange, names: dict[str, list[str]],
    swallow: Callable[[str, int], None], dead: int,
) -> None:  # fmt: skip
    """The next address is tried in parallel (RFC 8305 section 5); the request still has the host name."""
    server = serve(answer())
    addresses = [f"127.0.0.{number + 2}" for number in range(dead)]
    for address in addresses:
        swallow(address, server.port)
    names[ELSEWHERE] = [*addresses, "127.0.0.1"]
    began = time.monotonic()
    assert exchange(request(elsewhere(server))).status == 200
    assert 0.2 * dead < time.monotonic() - began < 0.25 * dead + 1.0
    assert server.requests[0].headers["host"] == f"{ELSEWHERE}:{server.port}"


def test_an_address_that_refuses_costs_nothing(
    serve: Serve, exchange: Exchange, names: dict[str, list[str]]
) -> None:
    """The next address is tried at once, also one of another family."""
    server = serve(answer())
    names[ELSEWHERE] = ["127.0.0.2", "::1", "127.0.0.3", "127.0.0.1"]
    began = time.monotonic()
    assert exchange(request(elsewhere(server))).status == 200
    assert time.monotonic() - began < 0.25


def test_a_host_that_refuses_everywhere_is_an_error(exchange: Exchange, names: dict[str, list[str]]) -> None:
    """The error is that of the system."""
    names[ELSEWHERE] = ["127.0.0.2", "127.0.0.3"]
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
    error = failure_of(lambda: exchange(request(f"http://{ELSEWHERE}:{port}/")))
    assert "cannot be reached: ConnectionRefusedError " in str(error)


def test_connecting_is_bounded(
    exchange: Exchange, names: dict[str, list[str]], swallow: Callable[[str, int], None]
) -> None:
    """Dropped packets cost no more than the timeout, however many addresses there are."""
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
    names[ELSEWHERE] = ["127.0.0.2", "127.0.0.3"]
    for address in names[ELSEWHERE]:
        swallow(address, port)
    began = time.monotonic()
    error = failure_of(lambda: exchange(request(f"http://{ELSEWHERE}:{port}/", timeout_seconds=0.4)))
    assert "no complete response within 0.4 seconds" in str(error)
    assert 0.3 < time.monotonic() - began < 3


# Names


class NameServer:
    """A name server that does not respond until it is released."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = Event()

    def getaddrinfo(self, host: str, *_: Any, **__: Any) -> list[Any]:
        """Block like the system's getaddrinfo."""
        self.asked.append(host)
        assert self.answer.wait(LONG_SECONDS)
        return [(0, 0, 0, "", ("127.0.0.1", 0))]


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """Return the name server for host names."""
    server, resolve = NameServer(), socket.getaddrinfo

    def getaddrinfo(host: str, *rest: Any, **named: Any) -> list[Any]:
        if host == ELSEWHERE:
            return server.getaddrinfo(host)
        return resolve(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield server
    server.answer.set()


def test_a_name_server_that_hangs_is_within_the_timeout(exchange: Exchange, name_server: NameServer) -> None:
    """The timeout ends the exchange; the look-up continues without it."""
    began = time.monotonic()
    error = failure_of(lambda: exchange(request(f"http://{ELSEWHERE}/", timeout_seconds=0.2)))
    assert "no complete response within 0.2 seconds" in str(error)
    assert time.monotonic() - began < 3
    assert name_server.asked == [ELSEWHERE]


def test_concurrent_exchanges_share_one_look_up(
    serve: Serve, exchange: Exchange, name_server: NameServer
) -> None:
    """One thread waits for the name server, however many exchanges wait; a later look-up is a new one."""
    server = serve(answer(response(headers="Connection: close\r\n")))
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(exchange, request(elsewhere(server))) for _ in range(8)]
        while not name_server.asked:
            os.sched_yield()
        failure_of(lambda: exchange(request(elsewhere(server), timeout_seconds=0.2)))
        assert name_server.asked == [ELSEWHERE]
        name_server.answer.set()
        assert [answer.result().status for answer in waiting] == [200] * 8
    before = len(name_server.asked)
    assert exchange(request(elsewhere(server))).status == 200
    assert len(name_server.asked) == before + 1


@pytest.mark.parametrize("host", ["tenant.invalid", "a" * 64 + ".example", "tenant..example"])
def test_a_name_that_leads_nowhere_is_an_error(exchange: Exchange, host: str) -> None:
    """An unknown name and one that cannot be looked up at all (RFC 1035 section 2.3.4) are errors."""
    for _ in range(2):
        error = failure_of(lambda: exchange(request(f"http://{host}/")))
        assert "cannot be reached: " in str(error)
        assert not error.local
