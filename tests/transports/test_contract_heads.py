"""Response heads: large ones are accepted, ambiguous ones are refused."""

from __future__ import annotations

from functools import partial

import pytest

from monocloud_mw.errors import HttpError

from .conftest import Exchange, Serve, get
from .scripted_server import Connection, answer, response


@pytest.mark.parametrize(
    "headers",
    [
        "X-A: " + "x" * 70_000 + "\r\n",
        "".join(f"X-{number}: 1\r\n" for number in range(500)),
        "X-A:\r\nX-B:   \r\nX-C:1\r\n",
        "X-A: one\r\n two\r\n",
        "X-A: \xe9\r\n",
        "Content-Length: 4\r\n",
        "Content-Length: 4, 4\r\n",
        "CONTENT-TYPE: application/json\r\nServer: a(b)\r\n",
        "Keep-Alive: timeout=5\r\nConnection: keep-alive\r\n",
    ],
    ids=[
        "70 KB in a line", "500 fields", "empty values", "folded", "latin-1", "length twice",
        "length in a list", "odd case", "keep-alive",
    ],
)  # fmt: skip
def test_heads_that_are_read(serve: Serve, exchange: Exchange, headers: str) -> None:
    """The response is read and the connection kept."""
    data = response(b"body", headers=headers).replace(b"\xc3\xa9", b"\xe9")
    server = serve(answer(data))
    for _ in range(2):
        received = exchange(get(server.origin))
        assert (received.status, received.body) == (200, b"body")
    assert server.connections == 1
    name, _, value = headers.partition("\r\n")[0].partition(":")
    assert received.headers[name.lower()].startswith(value.strip()[:1])


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * 103_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 13_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4, 5\r\n\r\nbody!",
        b"HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4" + b"0" * 30 + b"\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nno field\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\n: 1\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nX-A: 1\x00\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\n X-A: 1\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 099 OK\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 20 OK\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1  200 OK\r\nContent-Length: 4\r\n\r\nbody",
        b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
    ],
    ids=[
        "103 KB in a line", "104 KB of fields", "two lengths", "two lengths in a list", "signed length",
        "negative length", "hexadecimal length", "absurd length", "gzip and chunked", "unknown coding",
        "chunked twice", "space before colon", "no colon", "no name", "NUL", "bare CR", "folded first",
        "no end", "cut field", "status 099", "status 20", "status 2000", "HTTP/2.0", "two spaces",
        "blank first",
    ],
)  # fmt: skip
def test_heads_that_are_refused(serve: Serve, exchange: Exchange, head: bytes) -> None:
    """A wrong guess could give one caller another caller's response."""

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(head)

    server = serve(script)
    for number in (1, 2):
        with pytest.raises(HttpError, match="cannot be reached: ") as caught:
            partial(exchange, get(server.origin))()
        assert caught.value.status is None
        assert server.connections == number
