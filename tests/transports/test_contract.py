"""The contract of all transports, tested on real sockets."""

from __future__ import annotations

import functools
import gzip
import os
import re
import socket
import ssl
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import pytest
import trustme

from monocloud_mw.errors import ConfigurationError, HttpError, Problem
from monocloud_mw.http import HttpRequest
from monocloud_mw.transports.requests import RequestsTransport
from monocloud_mw.transports.urllib3_of_requests import URLLIB3_1

from .conftest import ELSEWHERE, Connect, Exchange, Serve, failure_of
from .scripted_server import Connection, Script, ScriptedServer, answer, response, trickle

MAX_BODY_BYTES = 100_000
SHORT_SECONDS = 0.3  # for timeouts that must expire
LONG_SECONDS = 30.0  # for timeouts that must not, even on a busy machine


def get(url: str, **changes: Any) -> HttpRequest:
    """Return a request."""
    defaults: dict[str, Any] = {"timeout_seconds": LONG_SECONDS, "max_body_bytes": MAX_BODY_BYTES}
    return HttpRequest(url=url, **defaults | changes)


# Requests


def test_a_request_is_sent_unchanged(serve: Serve, exchange: Exchange) -> None:
    """Method, target, headers and body are the request's; no header with a meaning for servers is added."""
    server = serve(answer())
    headers = {"accept": "application/json", "content-type": "text/x", "authorization": "Basic YTpi"}
    exchange(get(server.origin + "/a?b=c", method="POST", headers=headers, body=b"x=y"))
    (received,) = server.requests
    assert (received.method, received.target, received.body) == ("POST", "/a?b=c", b"x=y")
    assert received.headers == headers | {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "monocloud-mw",
        "accept-encoding": "identity",
        "content-length": "3",
    }


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/a//b",
        "/a/../b/./c",
        "/%7Euser/%2F",
        "/a;p=1,2/b:c@d",
        "/a?x=%41&y=a+b&&z",
        "/a?next=https://example.test/?q",
        "/a'(b)*!$&",
    ],
)
def test_the_target_is_sent_unchanged(serve: Serve, exchange: Exchange, target: str) -> None:
    """The URL is not normalised."""
    server = serve(answer())
    exchange(get(server.origin + target))
    assert server.requests[0].target == target


def test_a_netrc_entry_does_not_replace_the_header(
    serve: Serve, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A .netrc entry for the tenant's host does not replace the credentials of the client."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login any password one\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(answer())
    exchange(get(server.origin))
    exchange(get(server.origin, headers={"authorization": "Basic YTpi"}))
    assert [received.headers.get("authorization") for received in server.requests] == [None, "Basic YTpi"]


def test_cookies_are_not_kept(serve: Serve, exchange: Exchange) -> None:
    """A cookie of one response is not sent with the next request."""
    server = serve(answer(response(headers="Set-Cookie: session=1; Path=/\r\n")))
    exchange(get(server.origin))
    exchange(get(server.origin))
    assert [received.headers.get("cookie") for received in server.requests] == [None, None]


# Responses


@pytest.mark.parametrize("status", [200, 203, 204, 301, 302, 307, 401, 404, 429, 500, 503])
def test_every_status_is_returned(serve: Serve, exchange: Exchange, status: int) -> None:
    """Any status is returned to the flow; redirects are not followed."""
    body = b"" if status == 204 else b"body"
    server = serve(answer(response(body, status=f"{status} Some", headers="Location: /other\r\nX-A: 1\r\n")))
    received = exchange(get(server.origin))
    assert (received.status, received.body) == (status, body)
    assert (received.headers["location"], received.headers["x-a"]) == ("/other", "1")
    assert len(server.requests) == 1


BODY = bytes(range(256)) * 200  # much more than one packet


def _chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return response(headers="Transfer-Encoding: chunked\r\n", body=b"", length=False) + framed + end


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (response(BODY), BODY),
        (response(b""), b""),
        (_chunked(BODY, b"x", BODY), BODY + b"x" + BODY)[:2],
        (_chunked(b"a", end=b"0;x=y\r\nTrailer: 1\r\n\r\n"), b"a"),
        (_chunked(), b""),
        (response(BODY, headers="Connection: close\r\n"), BODY),
        (response(BODY, version="1.0", length=False), BODY),
        (response(BODY, headers="Connection: close\r\n", length=False), BODY),
        (response(b"x", headers="Content-Encoding: identity\r\n"), b"x"),
    ],
    ids=[
        "length", "length 0", "chunks", "trailers", "no chunks", "length, then close",
        "HTTP/1.0 until close", "until close", "identity",
    ],
)  # fmt: skip
def test_bodies_are_complete(serve: Serve, exchange: Exchange, data: bytes, expected: bytes) -> None:
    """Bodies are complete with any framing, whether or not the connection is kept."""

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(data)

    assert exchange(get(serve(script).origin, max_body_bytes=len(expected))).body == expected


def test_the_body_of_a_closed_connection_may_come_late(serve: Serve, exchange: Exchange) -> None:
    """A server that will close the connection may still take its time for the body."""

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\n")
        connection.pause(0.05)
        connection.send(b"late")

    assert exchange(get(serve(script).origin)).body == b"late"


TOO_LARGE = b"x" * (MAX_BODY_BYTES + 1)


@pytest.mark.parametrize(
    "data",
    [
        response(TOO_LARGE),
        response(b"", headers="Content-Length: 1000000000000\r\n", length=False) + TOO_LARGE,
        _chunked(TOO_LARGE),
        _chunked(*[b"xx"] * (MAX_BODY_BYTES // 2), b"x"),
        response(TOO_LARGE, version="1.0", length=False),
    ],
    ids=["declared", "absurd", "one chunk", "small chunks", "until close"],
)
def test_a_body_over_the_limit_is_an_error(serve: Serve, exchange: Exchange, data: bytes) -> None:
    """No more than the limit is read, declared or not, and the rest is not awaited."""

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(data)
        connection.pause()

    error = failure_of(lambda: exchange(get(serve(script).origin)))
    assert "sent more than 100000 bytes" in str(error)
    assert error.status == 200


def deflated(body: bytes, window_bits: int) -> bytes:
    """Return a body in one of the zlib formats."""
    compressor = zlib.compressobj(wbits=window_bits)
    return compressor.compress(body) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY)),
        ("identity, gzip", gzip.compress(BODY)),
        ("gzip", gzip.compress(BODY[:100]) + gzip.compress(BODY[100:])),
        ("gzip", gzip.compress(BODY) + bytes(512)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", deflated(BODY, -zlib.MAX_WBITS)),
        ("", BODY),
        ("none", BODY),
        ("None", BODY),
        ("identity", BODY),
        (" identity , identity", BODY),
    ],
    ids=[
        "gzip", "upper case", "x-gzip", "identity and gzip", "members", "padded", "deflate",
        "deflate without header", "empty", "none", "None", "identity", "identity twice",
    ],
)  # fmt: skip
def test_a_compressed_body_is_read_although_not_requested(
    serve: Serve, exchange: Exchange, encoding: str, data: bytes
) -> None:
    """Some gateways compress responses even if not requested."""
    server = serve(answer(response(data, headers=f"Content-Encoding: {encoding}\r\n")))
    for _ in range(2):
        assert exchange(get(server.origin, max_body_bytes=len(BODY))).body == BODY
    assert server.connections == 1


UNREADABLE = "sent an unsupported Content-Encoding: only gzip or deflate is supported"
DAMAGED = "sent an invalid compressed body"


@pytest.mark.parametrize(
    ("encoding", "data", "reason"),
    [
        ("br", b"x", UNREADABLE),
        ("zstd", b"x", UNREADABLE),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY)), UNREADABLE),
        ("gzip\r\nContent-Encoding: deflate", gzip.compress(BODY), UNREADABLE),
        ("gzip", b"\x1f\x8b", DAMAGED),
        ("gzip", gzip.compress(BODY)[:-1], DAMAGED),
        ("gzip", gzip.compress(BODY) + b"x", DAMAGED),
        ("gzip", zlib.compress(BODY), DAMAGED),
        ("deflate", gzip.compress(BODY), DAMAGED),
        ("deflate", b"{}", DAMAGED),
    ],
    ids=[
        "br", "zstd", "twice", "two fields", "half a header", "cut", "more behind", "gzip is deflate",
        "deflate is gzip", "not compressed",
    ],
)  # fmt: skip
def test_a_compressed_body_that_cannot_be_read_is_an_error(
    serve: Serve, exchange: Exchange, encoding: str, data: bytes, reason: str
) -> None:
    """The error lists the supported encodings and contains none of the body."""
    server = serve(answer(response(data, headers=f"Content-Encoding: {encoding}\r\n")))
    error = failure_of(lambda: exchange(get(server.origin)))
    assert str(error) == f"'{server.origin}' {reason}"
    assert error.status == 200


@functools.cache
def bomb(encoding: str) -> bytes:
    """Return a short body that is 20 MB long when decompressed."""
    return (gzip.compress if encoding == "gzip" else zlib.compress)(bytes(20_000_000))


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("status", [200, 302])
def test_a_decompression_bomb_is_refused(
    serve: Serve, exchange: Exchange, status: int, encoding: str
) -> None:
    """The limit applies before and after decompression, for redirects too."""
    assert len(bomb(encoding)) < MAX_BODY_BYTES
    headers = f"Content-Encoding: {encoding}\r\nLocation: http://[half\r\n"
    server = serve(answer(response(bomb(encoding), status=f"{status} Some", headers=headers)))
    tracemalloc.start()
    try:
        error = failure_of(lambda: exchange(get(server.origin)))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "sent more than 100000 bytes" in str(error)
    assert peak_bytes < 5_000_000


# Failures


def hang_up(connection: Connection) -> None:
    """Close without a response."""
    connection.receive()


def reset(connection: Connection) -> None:
    """Reset the connection."""
    connection.receive()
    connection.reset()


def say(data: bytes) -> Script:
    """Return a script that gives the same response to every request and closes the connection."""

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(data)

    return script


def flood(start: bytes, piece: bytes) -> Script:
    """Return a script that never stops sending."""

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(start)
        while True:
            connection.send(piece)

    return script


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "script",
    [
        hang_up,
        reset,
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
        say(CHUNKED + b"ff\r\nhalf"),
        say(CHUNKED + b"4\r\nhalf\r\n"),
        say(CHUNKED + b"zz\r\nhalf\r\n0\r\n\r\n"),
        say(b"HTTP/1.1 2"),
        say(b"SSH-2.0-OpenSSH_9\r\n"),
        say(b"HTTP/1.1 two OK\r\n\r\n"),
        say(b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 20_000 + b"\r\n"),
        flood(b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 65536),
        flood(CHUNKED, b"1" * 65536),
        flood(CHUNKED + b"-1\r\n", b"x" * 65536),
        flood(CHUNKED + b"0\r\n", b"X-A: 1\r\n" * 8192),
    ],
    ids=[
        "closes", "resets", "half a body", "half a chunk", "no last chunk", "odd chunk", "half a status line",
        "no HTTP", "no status", "too many headers", "endless header", "endless chunk size",
        "negative chunk size", "endless trailers",
    ],
)  # fmt: skip
def test_a_broken_answer_is_an_http_error(serve: Serve, exchange: Exchange, script: Script) -> None:
    """A malformed response is an HttpError without a status."""
    error = failure_of(lambda: exchange(get(serve(script).origin)))
    assert "cannot be reached" in str(error)
    assert error.status is None


def test_a_closed_port_is_an_http_error(exchange: Exchange) -> None:
    """The error names the URL and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        origin = f"http://127.0.0.1:{taken.getsockname()[1]}"
    error = failure_of(lambda: exchange(get(origin)))
    assert str(error).startswith(f"'{origin}' cannot be reached: ConnectionRefusedError ")
    assert error.status is None


def test_an_unknown_host_is_an_http_error(exchange: Exchange) -> None:
    """A name that does not resolve is an outage (RFC 2606: no such name exists)."""
    error = failure_of(lambda: exchange(get("http://tenant.invalid/")))
    assert "cannot be reached: " in str(error)
    assert error.status is None


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


@pytest.mark.parametrize(
    ("interim", "is_refused"),
    [
        (CONTINUE, False),
        (CONTINUE * 100, False),
        (SWITCHING, True),
        (b"HTTP/1.1 102 Processing\r\n\r\n", False),
        (EARLY_HINTS, False),
        (CONTINUE + EARLY_HINTS * 2 + CONTINUE, False),
        (b"HTTP/1.1 199 Some\r\nContent-Length: 5\r\n\r\n", False),
    ],
    ids=["100", "many 100", "101", "102", "103", "several", "199"],
)
@pytest.mark.parametrize("at_once", [True, False], ids=["with the answer", "before the answer"])
def test_an_interim_response_is_not_the_answer(
    serve: Serve, exchange: Exchange, interim: bytes, is_refused: bool, at_once: bool
) -> None:
    """The final response follows it (RFC 9110 section 15.2), for this request only, or there is none."""

    def script(connection: Connection) -> None:
        while (received := connection.receive()) is not None:
            real = response(received.target.encode())
            connection.send(interim + real if at_once else interim)
            if not at_once:
                connection.pause(0.02)
                connection.send(real)

    server = serve(script)
    for number in range(3):
        asked = get(f"{server.origin}/{number}")
        if is_refused:
            failure_of(partial(exchange, asked))
        else:
            assert exchange(asked).body == f"/{number}".encode()
    assert server.connections == (3 if is_refused else 1)


@pytest.mark.parametrize("interim", [CONTINUE, EARLY_HINTS], ids=["100", "103"])
@pytest.mark.parametrize("is_fast", [True, False], ids=["flood", "trickle"])
def test_endless_interim_responses_are_bounded(
    serve: Serve, exchange: Exchange, interim: bytes, is_fast: bool
) -> None:
    """They do not extend the timeout, and together they count towards one response's size limit."""
    server = serve(flood(b"", interim * 1000) if is_fast else trickle(interim, interim * 100))
    began = time.monotonic()
    error = failure_of(lambda: exchange(get(server.origin, timeout_seconds=SHORT_SECONDS)))
    assert time.monotonic() - began < 10 * SHORT_SECONDS
    assert re.search("no complete response within|is too large", str(error))


def test_interim_responses_count_on_the_wire(
    serve: Serve, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much time there is, their total size is limited."""
    for module in ("deadline", "asyncio_network"):
        monkeypatch.setattr(f"monocloud_mw.transports.{module}.MAX_WIRE_BYTES", 100_000)
    error = failure_of(lambda: exchange(get(serve(flood(b"", CONTINUE * 1000)).origin)))
    assert "the response is too large" in str(error)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize(
    "script",
    [
        Connection.pause,
        lambda connection: (connection.receive(), connection.pause()),
        trickle(b"", b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 90 + b"Content-Length: 0\r\n\r\n"),
        lambda connection: (connection.receive(), connection.send(HEAD), connection.pause()),
        trickle(HEAD, b"x" * 1000),
        trickle(CHUNKED, b"1\r\nx\r\n" * 200 + b"0\r\n\r\n"),
        trickle(CHUNKED, b"1" * 1000),
        trickle(b"HTTP/1.0 200 OK\r\n\r\n", b"x" * 1000),
    ],
    ids=[
        "hangs after accept", "hangs after the request", "trickles headers", "hangs after headers",
        "trickles a body", "trickles chunks", "trickles a chunk size", "trickles until close",
    ],
)  # fmt: skip
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
def test_the_timeout_bounds_the_whole_exchange(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, script: Script, encrypted: bool
) -> None:
    """Sending single bytes does not extend the timeout."""
    server = serve(script, tls if encrypted else None)
    exchange = connect(ca_bundle=ca_bundle)
    began = time.monotonic()
    error = failure_of(lambda: exchange(get(server.origin, timeout_seconds=SHORT_SECONDS)))
    assert time.monotonic() - began < 10 * SHORT_SECONDS
    assert str(error) == f"'{server.origin}' sent no complete response within 0.3 seconds"
    assert error.status is None


def test_a_tls_handshake_that_hangs_is_bounded(serve: Serve, connect: Connect, ca_bundle: str) -> None:
    """A server that accepts but does not answer the handshake is a timeout."""
    origin = serve(Connection.pause).origin.replace("http:", "https:")
    exchange = connect(ca_bundle=ca_bundle)
    began = time.monotonic()
    error = failure_of(lambda: exchange(get(origin, timeout_seconds=SHORT_SECONDS)))
    assert time.monotonic() - began < 10 * SHORT_SECONDS
    assert "no complete response within" in str(error)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
def test_every_exchange_on_a_kept_connection_has_its_own_deadline(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, encrypted: bool
) -> None:
    """Several exchanges may together take longer than one; a slow one is still cut off."""

    def script(connection: Connection) -> None:
        while (received := connection.receive()) is not None:
            if received.target == "/trickle":
                connection.send(HEAD)
                for _ in range(200):
                    connection.pause(0.05)
                    connection.send(b"x")
            else:
                connection.pause(0.3)
                connection.send(response())

    server = serve(script, tls if encrypted else None)
    exchange = connect(ca_bundle=ca_bundle)
    for _ in range(7):
        assert exchange(get(server.origin, timeout_seconds=2.0)).status == 200
    assert server.connections == 1
    error = failure_of(lambda: exchange(get(server.origin + "/trickle", timeout_seconds=SHORT_SECONDS)))
    assert "no complete response within" in str(error)
    assert server.connections == 1
    assert exchange(get(server.origin)).status == 200
    assert server.connections == 2


SECRET = "top-secret-value"


@pytest.mark.parametrize(
    "script",
    [
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + SECRET.encode()),
        say(SECRET.encode() + b"\r\n"),
        say(b"HTTP/1.1 " + SECRET.encode() + b" OK\r\n\r\n"),
        say(CHUNKED + SECRET.encode() + b"\r\n"),
        say(response(SECRET.encode(), headers=f"X-A: {SECRET}\r\nContent-Encoding: {SECRET}\r\n")),
        trickle(HEAD, SECRET.encode() * 100),
        hang_up,
    ],
)
@pytest.mark.parametrize("odd_header", ["", "\r\nx: y", "\u20ac", " "])
def test_errors_hold_nothing_that_was_sent_or_received(
    serve: Serve, exchange: Exchange, caplog: pytest.LogCaptureFixture, script: Script, odd_header: str
) -> None:
    """Neither the message nor chained exceptions contain a body or header, of request or response."""
    request = get(
        serve(script).origin,
        method="POST",
        headers={"authorization": odd_header + SECRET + odd_header},
        body=SECRET.encode(),
        timeout_seconds=SHORT_SECONDS,
    )
    error: BaseException | None = failure_of(lambda: exchange(request))
    while error is not None:
        assert SECRET not in f"{error}{error!r}"
        error = error.__cause__ or error.__context__
    assert SECRET not in caplog.text
    assert SECRET not in repr(request)


def test_the_exception_being_handled_is_not_chained(serve: Serve, exchange: Exchange) -> None:
    """Python chains the exception that the caller is handling; it is not part of this error."""
    origin = serve(hang_up).origin
    try:
        raise OSError(SECRET)
    except OSError:
        error = failure_of(lambda: exchange(get(origin)))
    assert re.search("RemoteDisconnected|RemoteProtocolError", str(error))
    assert SECRET not in str(error)


# Connections


def test_a_connection_is_used_again(serve: Serve, exchange: Exchange) -> None:
    """Ten successive exchanges, including errors of the tenant, use one connection."""
    server = serve(answer(_chunked(b"body")))
    for _ in range(10):
        assert exchange(get(server.origin)).body == b"body"
    assert (server.connections, len(server.requests)) == (1, 10)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
def test_an_idle_connection_that_the_server_closed_is_replaced(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, encrypted: bool
) -> None:
    """Servers close idle connections; the exchange uses a new one."""
    closed: list[Connection] = []

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(response())
        closed.append(connection)

    def is_closed(count: int) -> bool:
        return len(closed) == count and closed[-1].socket.fileno() == -1

    server = serve(script, tls if encrypted else None)
    exchange = connect(ca_bundle=ca_bundle)
    for count in range(1, 4):
        assert exchange(get(server.origin)).status == 200
        until(partial(is_closed, count))
    assert server.connections == 3


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + LONG_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


def test_an_oversized_response_does_not_affect_the_next_exchange(serve: Serve, exchange: Exchange) -> None:
    """A response that was not read completely is dropped with its connection."""
    server = serve(answer(response(TOO_LARGE * 2)))
    for _ in range(2):
        failure_of(lambda: exchange(get(server.origin)))
    assert server.connections == 2


def chunked(data: bytes) -> bytes:
    """Return a response whose body is sent in chunks, and all of which is ``data``."""
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data


@pytest.mark.parametrize(
    "data",
    [
        *(b"2\r\n{}\r\n0\r\n\r\n", b"2;a=b\r\n{}\r\n0;c\r\n\r\n", b"002\r\n{}\r\n000\r\n\r\n"),
        *(b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", b"2\r\n{}\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n"),
    ],
)
def test_a_body_in_chunks_is_read_to_its_end(serve: Serve, exchange: Exchange, data: bytes) -> None:
    """Extensions and trailers are skipped (RFC 9112 section 7.1), and the connection is kept."""
    server = serve(answer(chunked(data)))
    assert [exchange(get(server.origin)).body for _ in range(2)] == [b"{}", b"{}"]
    assert server.connections == 1


MALFORMED_CHUNKS = {
    "hexadecimal prefix": b"0x2\r\n{}\r\n0\r\n\r\n",
    "plus": b"+2\r\n{}\r\n0\r\n\r\n",
    "minus": b"-2\r\n{}\r\n0\r\n\r\n",
    "underscore": b"0_2\r\n{}\r\n0\r\n\r\n",
    "space in front": b" 2\r\n{}\r\n0\r\n\r\n",
    "no size": b"\r\n{}\r\n0\r\n\r\n",
    "long size": b"0" * 30 + b"2\r\n{}\r\n0\r\n\r\n",
    "no line end": b"2\r\n{}0\r\n\r\n\r\n",
    "another line end": b"2\r\n{}xx0\r\n\r\n",
    "no last chunk": b"2\r\n{}\r\n",
    "no last line": b"2\r\n{}\r\n0\r\n",
    "half a trailer": b"2\r\n{}\r\n0\r\nX-Sum: 1\r\n",
    "endless trailers": b"2\r\n{}\r\n0\r\n" + b"X: 1\r\n" * 50_000 + b"\r\n",
}


@pytest.mark.parametrize("data", MALFORMED_CHUNKS.values(), ids=MALFORMED_CHUNKS)
def test_a_malformed_chunk_is_an_error(serve: Serve, exchange: Exchange, data: bytes) -> None:
    """Who reads such a body in another way takes another part of the stream for the next answer."""
    server = serve(say(chunked(data)))
    error = failure_of(lambda: exchange(get(server.origin)))
    assert error.status is None
    assert "cannot be reached" in str(error)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("size", [5, 50_000])
def test_data_after_a_response_is_dropped(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, encrypted: bool, size: int
) -> None:
    """With request smuggling a server could otherwise answer for another token."""

    def script(connection: Connection) -> None:
        while (received := connection.receive()) is not None:
            connection.send(response(received.target.encode().ljust(size)) + response(b"forged"))

    exchange = connect(ca_bundle=ca_bundle)
    server = serve(script, tls if encrypted else None)
    for number in range(3):
        body = exchange(get(f"{server.origin}/{number}")).body
        assert body == f"/{number}".encode().ljust(size)


def test_threads_share_a_transport(serve: Serve, exchange: Exchange) -> None:
    """Twenty threads get their own responses, on at most one connection each."""

    def script(connection: Connection) -> None:
        while (received := connection.receive()) is not None:
            connection.send(response(received.target.encode()))

    server = serve(script)

    def work(number: int) -> None:
        for turn in range(10):
            target = f"/{number}/{turn}"
            assert exchange(get(server.origin + target)).body == target.encode()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(work, range(20)))
    assert len(server.requests) == 200
    assert server.connections <= 20


FORKING = """
import asyncio, inspect, logging, os, sys
from monocloud_mw.http import HttpRequest
from {module} import {name} as Transport

request = HttpRequest(url=sys.argv[1], timeout_seconds=30, max_body_bytes=100)
transport = Transport()
logging.getLogger("asyncio").setLevel("ERROR")  # which warns of slow steps: they say how busy the machine is
loops = {{}}

def run(function, *arguments):
    if not inspect.iscoroutinefunction(function):
        return function(*arguments)
    if os.getpid() not in loops:
        loops[os.getpid()] = asyncio.Runner(debug=False)  # which tells of every step that takes its time
    return loops[os.getpid()].run(function(*arguments))

is_async = inspect.iscoroutinefunction(Transport.__call__)
exchange, close = transport.__call__, transport.aclose if is_async else transport.close
assert run(exchange, request).status == 200
child = os.fork()
assert run(exchange, request).status == 200
assert run(exchange, request).status == 200
run(close)
assert run(exchange, request).status == 200
run(close)
if child:
    assert os.waitpid(child, 0)[1] == 0
    for runner in loops.values():
        runner.close()
else:
    os._exit(0)  # the parent's event loop cannot be closed here
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_connections_of_its_own(serve: Serve, transport_kind: type) -> None:
    """Parent and child never share a connection; closing in one does not affect the other."""
    server = serve(answer())
    script = FORKING.format(module=transport_kind.__module__, name=transport_kind.__name__)
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script, server.origin],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(server.requests) == 7
    assert server.connections == 4  # before and after close(), in the parent and in the child


# TLS


def test_a_server_of_an_unknown_authority_is_refused(
    serve: Serve, exchange: Exchange, tls: ssl.SSLContext
) -> None:
    """No request is sent to an unverified server."""
    server = serve(answer(), tls)
    error = failure_of(lambda: exchange(get(server.origin)))
    assert "SSLCertVerificationError" in str(error)
    assert server.requests == []


def test_the_ca_bundle_decides_which_servers_are_trusted(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, garbage: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The option applies even if the environment names another bundle."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", garbage)
    monkeypatch.setenv("CURL_CA_BUNDLE", garbage)
    assert connect(ca_bundle=ca_bundle)(get(serve(answer(), tls).origin)).status == 200


def test_the_ca_bundle_of_the_environment_is_the_default(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable serves networks whose proxy needs its own authority."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca_bundle)
    assert connect()(get(serve(answer(), tls).origin)).status == 200


def test_an_unusable_bundle_of_the_environment_is_refused(
    connect: Connect, garbage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the variable."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", garbage)
    with pytest.raises(ConfigurationError) as caught:
        connect()
    problem = Problem("ca_bundle", "REQUESTS_CA_BUNDLE", "must be a file or directory with PEM certificates")
    assert caught.value.problems == (problem,)


def test_a_directory_of_authorities_may_be_a_bundle(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in ``requests``, OpenSSL looks up authorities in the directory; this one is empty."""
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path))
    error = failure_of(lambda: connect()(get(serve(answer(), tls).origin)))
    assert "SSLCertVerificationError" in str(error)


def test_another_authority_than_the_bundles_is_refused(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, tmp_path: Path
) -> None:
    """A bundle replaces the default authorities."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    error = failure_of(lambda: connect(ca_bundle=str(other))(get(serve(answer(), tls).origin)))
    assert "SSLCertVerificationError" in str(error)


def test_a_certificate_for_another_host_is_refused(
    serve: Serve, connect: Connect, ca: trustme.CA, ca_bundle: str
) -> None:
    """The certificate must name the requested host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("tenant.example.test").configure_cert(context)
    server = serve(answer(), context)
    error = failure_of(lambda: connect(ca_bundle=ca_bundle)(get(server.origin)))
    assert re.search(r"SSLCertVerificationError|CertificateError", str(error))  # of OpenSSL, of urllib3 1.26
    assert server.requests == []


def test_the_common_name_of_a_certificate_is_ignored(
    serve: Serve, connect: Connect, ca: trustme.CA, ca_bundle: str, names: dict[str, list[str]],
    transport_kind: type,
) -> None:  # fmt: skip
    """The common name is free text that the authority need not have checked (RFC 9525 section 2)."""
    if transport_kind is RequestsTransport and URLLIB3_1:
        pytest.skip("urllib3 1.26 takes it where there is no alternative name")
    names[ELSEWHERE] = ["127.0.0.1"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", common_name=ELSEWHERE).configure_cert(context)
    server = serve(answer(), context)
    error = failure_of(lambda: connect(ca_bundle=ca_bundle)(get(elsewhere(server))))
    assert "SSLCertVerificationError" in str(error)
    assert server.requests == []


def test_the_client_certificate_is_presented_only_on_request(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, client_certificate: tuple[str, str]
) -> None:
    """Requests with and without the client certificate never share a connection."""
    presented: list[bool] = []

    def script(connection: Connection) -> None:
        while connection.receive() is not None:
            presented.append(connection.peer_certificate() is not None)
            connection.send(response())

    server = serve(script, tls)
    exchange = connect(ca_bundle=ca_bundle, client_certificate=client_certificate)
    order = [False, True, True, False, True, False]
    for mutual_tls in order:
        assert exchange(get(server.origin, mutual_tls=mutual_tls)).status == 200
    assert presented == order
    assert server.connections == 2


def test_a_server_may_request_the_certificate_later(
    serve: Serve, connect: Connect, ca: trustme.CA, ca_bundle: str, client_certificate: tuple[str, str]
) -> None:
    """Some servers do so for some paths only (RFC 8446 section 4.6.2)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode, context.post_handshake_auth = ssl.CERT_REQUIRED, True
    context.num_tickets = 0  # data after a response ends the connection
    presented: list[bool] = []

    def script(connection: Connection) -> None:
        while connection.receive() is not None:
            assert isinstance(connection.socket, ssl.SSLSocket)
            presented.append(connection.peer_certificate() is not None)
            if len(presented) == 1:
                connection.socket.verify_client_post_handshake()
            connection.send(response())

    exchange = connect(ca_bundle=ca_bundle, client_certificate=client_certificate)
    server = serve(script, context)
    for _ in range(2):
        assert exchange(get(server.origin, mutual_tls=True)).status == 200
    assert (presented, server.connections) == ([False, True], 1)


# TLS files that change


def test_new_connections_read_no_files(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, client_certificate: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Reading the authorities takes longer than several exchanges and would delay a burst of requests."""
    read: list[object] = []

    def spy(name: str) -> Any:
        load = getattr(ssl.SSLContext, name)

        def loading(self: ssl.SSLContext, *files: Any, **named: Any) -> None:
            read.append(files or named)
            load(self, *files, **named)

        return loading

    server = serve(say(response(headers="Connection: close\r\n")), tls)
    for name in ("load_verify_locations", "load_default_certs", "load_cert_chain"):
        monkeypatch.setattr(ssl.SSLContext, name, spy(name))
    exchange = connect(ca_bundle=ca_bundle, client_certificate=client_certificate)
    assert read
    read.clear()
    for mutual_tls in (False, True, False, True):
        assert exchange(get(server.origin, mutual_tls=mutual_tls)).status == 200
    assert server.connections == 4
    assert read == []


@pytest.fixture
def replaceable(client_certificate: tuple[str, str], ca_bundle: str, tmp_path: Path) -> tuple[Path, ...]:
    """Return paths of an authority, a client certificate and its key, in files that the test may change."""
    paths = tuple(tmp_path / name for name in ("ca.pem", "certificate.pem", "key.pem"))
    for path, original in zip(paths, (ca_bundle, *client_certificate), strict=True):
        path.write_bytes(Path(original).read_bytes())
    return paths


def test_a_renewed_client_certificate_is_used(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca: trustme.CA, replaceable: tuple[Path, ...]
) -> None:
    """Connections with the old certificate, which may be valid for an hour (SPIFFE), are not used again."""
    authorities, certificate, key = replaceable
    presented: list[bytes | None] = []

    def script(connection: Connection) -> None:
        while connection.receive() is not None:
            presented.append(connection.peer_certificate())
            connection.send(response())

    server = serve(script, tls)
    exchange = connect(ca_bundle=str(authorities), client_certificate=(str(certificate), str(key)))
    expected = []
    for number in range(3):
        renewed = ca.issue_cert(f"client-{number}@example.test")
        renewed.cert_chain_pems[0].write_to_path(str(certificate))
        assert "is invalid: mtls_certificate" in str(failure_of(lambda: exchange(get(server.origin))))
        renewed.private_key_pem.write_to_path(str(key))
        for _ in range(2):
            assert exchange(get(server.origin, mutual_tls=True)).status == 200
        expected += [ssl.PEM_cert_to_DER_cert(renewed.cert_chain_pems[0].bytes().decode())] * 2
    assert presented == expected
    assert server.connections == 3


def test_a_replaced_authority_is_distrusted_at_once(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, replaceable: tuple[Path, ...]
) -> None:
    """Open connections are not used either; while the file cannot be read, no server is trusted."""
    authorities, *_ = replaceable
    good = authorities.read_bytes()
    server = serve(answer(), tls)
    exchange = connect(ca_bundle=str(authorities))
    assert exchange(get(server.origin)).status == 200
    authorities.write_bytes(trustme.CA().cert_pem.bytes())
    assert "SSLCertVerificationError" in str(failure_of(lambda: exchange(get(server.origin))))
    message = (
        "a TLS file has changed and is invalid: ca_bundle (MONOCLOUD_BACKEND_CA_BUNDLE):"
        " must be a file or directory with PEM certificates"
    )
    authorities.write_text("no certificate")
    assert str(failure_of(lambda: exchange(get(server.origin)))) == message
    authorities.unlink()
    for _ in range(2):
        assert str(failure_of(lambda: exchange(get(server.origin)))) == message
    assert len(server.requests) == 1
    authorities.write_bytes(good)
    assert exchange(get(server.origin)).status == 200


def test_connections_of_old_files_are_closed(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, replaceable: tuple[Path, ...]
) -> None:
    """Idle connections are closed at once, others when their exchanges have ended."""
    authorities, *_ = replaceable
    asked, go_on, gone = Event(), Event(), Semaphore(0)

    def script(connection: Connection) -> None:
        with suppress(OSError):
            while (received := connection.receive()) is not None:
                if received.target == "/slow":
                    asked.set()
                    assert go_on.wait(LONG_SECONDS)
                connection.send(response())
        gone.release()

    server = serve(script, tls)
    exchange = connect(ca_bundle=str(authorities))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lambda: exchange(get(server.origin + "/slow")))
        assert asked.wait(LONG_SECONDS)
        assert exchange(get(server.origin)).status == 200
        authorities.write_bytes(authorities.read_bytes() * 2)
        assert exchange(get(server.origin)).status == 200
        go_on.set()
        assert slow.result().status == 200
    for _ in range(2):
        assert gone.acquire(timeout=LONG_SECONDS)
    assert server.connections == 3
    assert exchange(get(server.origin)).status == 200
    assert server.connections == 3


# Proxies of the environment


def tunnel(connection: Connection) -> None:
    """Act as a proxy for CONNECT that leads every host to one server of the test."""
    received = connection.receive()
    assert received is not None
    with socket.create_connection(("127.0.0.1", int(received.target.split(":")[1]))) as target:
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.relay(target)


def elsewhere(server: ScriptedServer) -> str:
    """Return the origin of a server as if it were on another machine."""
    return server.origin.replace("127.0.0.1", ELSEWHERE)


def test_a_tunnel_of_the_environment_is_used_for_https(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy learns only the host; the certificate is still the tenant's."""
    server, proxy = serve(answer(), tls), serve(tunnel)
    monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
    exchange = connect(ca_bundle=ca_bundle)
    for _ in range(2):
        assert exchange(get(elsewhere(server), headers={"authorization": SECRET})).status == 200
    (received,) = proxy.requests
    assert (received.method, received.target) == ("CONNECT", f"{ELSEWHERE}:{server.port}")
    assert SECRET not in str(received)
    assert len(server.requests) == 2


def test_a_proxy_of_the_environment_is_used_for_http(
    serve: Serve, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request goes to the proxy in absolute form (RFC 9112 section 3.2.2)."""
    proxy = serve(answer(response(b"proxy")))
    monkeypatch.setenv("HTTP_PROXY", proxy.origin)
    assert exchange(get(f"http://{ELSEWHERE}/a")).body == b"proxy"
    assert proxy.requests[0].target == f"http://{ELSEWHERE}/a"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "[::1]"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_loopback_requests_use_no_proxy(
    serve: Serve, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]],
    host: str, variable: str,
) -> None:  # fmt: skip
    """Plain ``http`` is allowed because only this machine can read it; a proxy would read it too."""
    server, proxy = serve(answer()), serve(answer(response(b"proxy")))
    names["localhost"] = names["::1"] = ["127.0.0.1"]  # where the server listens
    monkeypatch.setenv(variable, proxy.origin)
    url = f"http://{host}:{server.port}/a"
    assert exchange(get(url, headers={"authorization": SECRET})).body == b"{}"
    assert (server.connections, proxy.connections) == (1, 0)


def test_no_tunnel_leads_to_this_machine(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the proxy, "this machine" would be the proxy."""
    server, proxy = serve(answer(), tls), serve(tunnel)
    monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
    assert connect(ca_bundle=ca_bundle)(get(server.origin)).status == 200
    assert (server.connections, proxy.connections) == (1, 0)


def test_the_name_of_this_machine_leads_nowhere_else(exchange: Exchange, names: dict[str, list[str]]) -> None:
    """If no hosts file has ``localhost``, a name server could return any address."""
    names["localhost"] = ["192.0.2.1"]
    error = failure_of(lambda: exchange(get("http://localhost/", headers={"authorization": SECRET})))
    assert "localhost does not resolve to a loopback address" in str(error)


def test_no_proxy_of_the_environment_is_respected(
    serve: Serve, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]]
) -> None:
    """Hosts in NO_PROXY are contacted directly."""
    server, proxy = serve(answer()), serve(answer())
    names[ELSEWHERE] = ["127.0.0.1"]
    monkeypatch.setenv("HTTP_PROXY", proxy.origin)
    monkeypatch.setenv("NO_PROXY", ELSEWHERE)
    assert exchange(get(elsewhere(server))).status == 200
    assert (server.connections, proxy.connections) == (1, 0)


@pytest.mark.parametrize(
    "script",
    [
        Connection.pause,
        trickle(b"", b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 90 + b"\r\n"),
        trickle(b"HTTP/1.1 200 Connection established\r\n\r\n", b"x" * 200),
    ],
    ids=["hangs", "trickles its answer", "trickles nonsense into the handshake"],
)
def test_the_timeout_bounds_the_proxy_too(
    serve: Serve, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    """Waiting for a tunnel is part of the timeout."""
    monkeypatch.setenv("HTTPS_PROXY", serve(script).origin)
    began = time.monotonic()
    failure_of(lambda: exchange(get("https://tenant.example.test/", timeout_seconds=SHORT_SECONDS)))
    assert time.monotonic() - began < 10 * SHORT_SECONDS


def test_the_password_of_a_proxy_is_redacted(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid proxy URL is not shown, since it may contain a password."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@[half")
    error = failure_of(lambda: exchange(get("https://tenant.example.test/")))
    assert "cannot be reached" in str(error)
    assert SECRET not in str(error)


def test_socks_proxies_are_refused(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """SOCKS would need another package and does not keep the deadline."""
    monkeypatch.setenv("ALL_PROXY", f"SOCKS5h://user:{SECRET}@127.0.0.1:1")
    error = failure_of(lambda: exchange(get("https://tenant.example.test")))
    assert str(error) == "the proxy environment variables name a SOCKS proxy; only HTTP proxies are supported"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_gets_its_credentials(
    serve: Serve, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """User and password of the proxy URL are sent to the proxy, decoded (RFC 7617 section 2)."""
    proxy = serve(answer(response(status="407 Proxy Authentication Required")))
    monkeypatch.setenv(f"{scheme}_proxy", proxy.origin.replace("//", "//us%65r:p%40ss@"))
    with suppress(HttpError):
        exchange(get(f"{scheme}://tenant.example.test/"))
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


def test_plain_text_of_a_proxy_is_not_the_tenants_response(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data after the proxy's response came before TLS, so it is not the tenant's."""

    def script(connection: Connection) -> None:
        received = connection.receive()
        assert received is not None
        with socket.create_connection(("127.0.0.1", int(received.target.split(":")[1]))) as target:
            connection.send(head + response(b"forged"))
            connection.relay(target)

    # As long as one read, so that the rest is read later.
    head = b"HTTP/1.1 200 Connection established\r\nX-A: ".ljust(16 * 1024 - 4, b"x") + b"\r\n\r\n"

    monkeypatch.setenv("HTTPS_PROXY", serve(script).origin)
    with suppress(HttpError):
        assert connect(ca_bundle=ca_bundle)(get(elsewhere(serve(answer(), tls)))).body == b"{}"


@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "unknown"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_over_tls_is_verified_like_the_tenant(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, monkeypatch: pytest.MonkeyPatch,
    scheme: str, trusted: bool, transport_kind: type,
) -> None:  # fmt: skip
    """The proxy's certificate is verified with the same authorities; the tunnel is TLS within TLS."""
    server = serve(answer(), tls)
    proxy = serve(tunnel if scheme == "https" else answer(), tls)
    monkeypatch.setenv(f"{scheme}_proxy", proxy.origin)
    exchange = connect(ca_bundle=ca_bundle if trusted else None)
    url = elsewhere(server) if scheme == "https" else "http://tenant.example.test"
    if transport_kind is RequestsTransport and URLLIB3_1:
        assert "needs urllib3 2" in str(failure_of(lambda: exchange(get(url))))
    elif trusted:
        assert exchange(get(url)).status == 200
        assert len(proxy.requests) == 1
    else:
        assert re.search("SSLError|SSLCertVerificationError", str(failure_of(lambda: exchange(get(url)))))
        assert proxy.requests == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_does_not_get_the_client_certificate(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str, client_certificate: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch, scheme: str, transport_kind: type,
) -> None:  # fmt: skip
    """A proxy that requests a certificate gets none; the tenant at the end of the tunnel does."""
    if transport_kind is RequestsTransport and URLLIB3_1:
        return  # such proxies are refused
    seen: dict[str, bytes | None] = {}

    def noting(name: str, script: Script) -> Script:
        def note(connection: Connection) -> None:
            seen[name] = connection.peer_certificate()
            script(connection)

        return note

    server = serve(noting("tenant", answer()), tls)
    proxy = serve(noting("proxy", tunnel if scheme == "https" else answer()), tls)
    monkeypatch.setenv(f"{scheme}_proxy", proxy.origin)
    exchange = connect(ca_bundle=ca_bundle, client_certificate=client_certificate)
    url = elsewhere(server) if scheme == "https" else "http://tenant.example.test"
    assert exchange(get(url, mutual_tls=True)).status == 200
    assert seen["proxy"] is None
    assert scheme == "http" or seen["tenant"] is not None
