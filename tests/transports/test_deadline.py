"""What the deadline leans on in urllib3, and the parts of it that no server can show alone."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import urllib3

from monocloud_mw.errors import HttpError
from monocloud_mw.http import HttpRequest
from monocloud_mw.transports.deadline import POOL_CLASSES, _DeadlineSocket
from monocloud_mw.transports.requests import RequestsTransport

from .conftest import Serve
from .scripted_server import Connection, answer, response

HOST = "tenant.localhost"


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the addresses that the name server gives for :data:`HOST`, to be filled in by the test."""
    given: list[str] = []
    resolve = socket.getaddrinfo

    def getaddrinfo(host: str, *rest: object, **named: object) -> list[object]:
        hosts = given if host == HOST else [host]
        return [found for host in hosts for found in resolve(host, *rest, **named)]  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return given


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Return which addresses were tried with which timeout; nothing answers at any of them."""
    made: list[tuple[str, float]] = []

    def create_connection(address: tuple[str, int], timeout: float, **_: object) -> socket.socket:
        made.append((address[0], timeout))
        raise TimeoutError("timed out")

    monkeypatch.setattr("urllib3.util.connection.create_connection", create_connection)
    return made


def request(port: int, *, timeout_seconds: float = 30.0) -> HttpRequest:
    """Return a request to :data:`HOST`."""
    return HttpRequest(
        url=f"http://{HOST}:{port}/", timeout_seconds=timeout_seconds, max_body_bytes=100_000_000
    )


def test_addresses_share_the_time(addresses: list[str], attempts: list[tuple[str, float]]) -> None:
    """urllib3 alone would wait for the whole timeout at each of them."""
    addresses += ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1"]
    with pytest.raises(HttpError, match="no complete answer within 30 seconds"):
        RequestsTransport()(request(1))
    assert [address for address, _ in attempts] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert [timeout for _, timeout in attempts] == pytest.approx([10.0, 15.0, 30.0], abs=1.0)


def test_an_address_that_refuses_leaves_its_time_to_the_next(addresses: list[str], serve: Serve) -> None:
    """A host that listens on one of its addresses only is reached; the request still names the host."""
    server = serve(answer())
    addresses += ["127.0.0.2", "::1", "127.0.0.1"]
    transport = RequestsTransport()
    for _ in range(2):
        assert transport(request(server.port)).status == 200
    transport.close()
    assert server.connections == 1
    assert {received.headers["host"] for received in server.requests} == {f"{HOST}:{server.port}"}


@pytest.fixture
def hole() -> Iterator[int]:
    """Return a port where connecting hangs: its queue is full, and nobody takes from it."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


def test_connecting_is_bounded(hole: int, addresses: list[str]) -> None:
    """Packets that vanish cost no more than the timeout, however many addresses they vanish at."""
    addresses += ["127.0.0.1"]
    began = time.monotonic()
    with pytest.raises(HttpError, match=r"no complete answer within 0\.3 seconds"):
        RequestsTransport()(request(hole, timeout_seconds=0.3))
    assert 0.2 < time.monotonic() - began < 3


def test_no_framing_gets_past_the_limit_on_the_wire(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A response ends at the limit even where its body might be larger."""
    monkeypatch.setattr("monocloud_mw.transports.deadline.MAX_WIRE_BYTES", 100_000)
    data = response(b"x" * 200_000)
    transport = RequestsTransport()
    with pytest.raises(HttpError, match="the response is too large"):
        transport(HttpRequest(url=serve(answer(data)).origin, timeout_seconds=30, max_body_bytes=1_000_000))
    transport.close()


def test_a_pool_without_a_timeout_has_no_deadline(serve: Serve) -> None:
    """The connections are ordinary ones to whoever sets no timeout."""

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(response(b"body", headers="Connection: close\r\n"))

    manager = urllib3.PoolManager()
    manager.pool_classes_by_scheme = POOL_CLASSES
    answered = manager.request("GET", serve(script).origin, timeout=urllib3.Timeout(connect=30, read=None))
    assert answered.data == b"body"
    manager.clear()


def test_a_deadline_that_has_passed_ends_reading_even_where_data_waits() -> None:
    """A server that always has more to say never lets a socket's own timeout run out."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"more")
        limited = _DeadlineSocket(ours)
        limited.settimeout(0.0)
        with limited.makefile("rb") as reader, pytest.raises(TimeoutError, match="the deadline has passed"):
            reader.read(1)


def test_a_deadline_that_passes_before_the_handshake_closes_the_socket_once() -> None:
    """An error while TLS takes the socket over would leave two owners, and one closes what is not its own."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        limited: Any = _DeadlineSocket(ours)
        limited.settimeout(0.0)
        with pytest.raises(TimeoutError):
            ssl.create_default_context().wrap_socket(limited, server_hostname="tenant.example.test")
        assert ours.fileno() == -1
