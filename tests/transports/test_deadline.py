"""The deadline: the parts of urllib3 that it uses, and cases that need no server."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest
import urllib3

from monocloud_mw.errors import HttpError
from monocloud_mw.http import HttpRequest
from monocloud_mw.transports.deadline import POOL_CLASSES, _DeadlineSocket
from monocloud_mw.transports.requests import RequestsTransport

from .conftest import Serve
from .scripted_server import Connection, answer, response


def test_no_framing_gets_past_the_limit_on_the_wire(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A response ends at the size limit, even if its framing allows a larger body."""
    monkeypatch.setattr("monocloud_mw.transports.deadline.MAX_WIRE_BYTES", 100_000)
    data = response(b"x" * 200_000)
    transport = RequestsTransport()
    with pytest.raises(HttpError, match="the response is too large"):
        transport(HttpRequest(url=serve(answer(data)).origin, timeout_seconds=30, max_body_bytes=1_000_000))
    transport.close()


def test_a_pool_without_a_timeout_has_no_deadline(serve: Serve) -> None:
    """Without a timeout, the connections are ordinary ones."""

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(response(b"body", headers="Connection: close\r\n"))

    manager = urllib3.PoolManager()
    manager.pool_classes_by_scheme = POOL_CLASSES
    answered = manager.request("GET", serve(script).origin, timeout=urllib3.Timeout(connect=30, read=None))
    assert answered.data == b"body"
    manager.clear()


def test_a_deadline_that_has_passed_ends_reading_even_where_data_waits() -> None:
    """A server that sends without pause never triggers a socket timeout."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"more")
        limited = _DeadlineSocket(ours)
        limited.settimeout(0.0)
        with limited.makefile("rb") as reader, pytest.raises(TimeoutError, match="the deadline has passed"):
            reader.read(1)


def test_a_deadline_that_passes_before_the_handshake_closes_the_socket_once() -> None:
    """An error while TLS takes over the socket must not close it twice."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        limited: Any = _DeadlineSocket(ours)
        limited.settimeout(0.0)
        with pytest.raises(TimeoutError):
            ssl.create_default_context().wrap_socket(limited, server_hostname="tenant.example.test")
        assert ours.fileno() == -1
