"""Faults for a local tenant: one function for each way to fail.

A :class:`Fault` is called with the exchange and returns a response instead of the correct one, which it can
also request and modify. Activate it with :meth:`LocalTenant.fail` or :meth:`LocalTenant.failing`. A fault
that waits ends immediately if the client disconnects or the tenant stops.
"""

from __future__ import annotations

import functools
import gzip
import json
import selectors
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias

import attrs
from werkzeug import Request, Response

__all__ = ["FAULTS", "Exchange", "Fault"]

CHUNK_BYTES: Final = 64 * 1024

_UNEXPECTED: Final = {"unexpected": "document"}


@attrs.frozen
class Exchange:
    """One request and its correct response."""

    request: Request
    answer: Callable[[], Response]

    @property
    def connection(self) -> socket.socket:
        """The connection of the request."""
        connection: socket.socket = self.request.environ["werkzeug.socket"]
        return connection

    def wait(self, seconds: float | None = None) -> None:
        """Wait; ``None`` means forever.

        Raises:
            ConnectionAbortedError: the client disconnected, or the tenant stopped.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            if selector.select(seconds):  # the request has been read completely, so the connection has ended
                raise ConnectionAbortedError


Fault: TypeAlias = Callable[[Exchange], Response]
"""Returns a faulty response; a ``ConnectionError`` that it raises drops the connection."""


def status(code: int = 503, headers: Mapping[str, str] = MappingProxyType({})) -> Fault:
    """Respond with a status and an empty body."""
    return lambda _exchange: Response(status=code, headers=dict(headers))


def delay(seconds: float | None = 1.0, then: Fault | None = None) -> Fault:
    """Delay the correct response, or that of another fault; ``None`` means never respond."""

    def respond(exchange: Exchange) -> Response:
        exchange.wait(seconds)
        return exchange.answer() if then is None else then(exchange)

    return respond


def hang() -> Fault:
    """Accept the request and never respond."""
    return delay(None)


def stall() -> Fault:
    """Send the headers and half of the correct body, then nothing more."""
    return _with_altered_body(lambda exchange, body: _half(body, exchange.wait))


def half_body() -> Fault:
    """Send the headers and half of the correct body, then close the connection."""
    return _with_altered_body(lambda _exchange, body: _half(body, _drop))


def trickle(interval_seconds: float = 0.5) -> Fault:
    """Send the correct body one byte at a time."""

    def slowly(exchange: Exchange, body: bytes) -> Iterator[bytes]:
        for value in body:
            yield bytes([value])
            exchange.wait(interval_seconds)

    return _with_altered_body(slowly)


def close() -> Fault:
    """Close the connection without a response."""

    def respond(_exchange: Exchange) -> NoReturn:
        _drop()

    return respond


def reset() -> Fault:
    """Reset the connection (TCP RST) without a response."""

    def respond(exchange: Exchange) -> NoReturn:
        # SO_LINGER with zero seconds turns close() into RST; closed here, before TLS or Werkzeug can do it.
        exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        exchange.connection.close()
        _drop()

    return respond


def html(code: int = 200) -> Fault:
    """Respond with a web page, like a proxy or a maintenance page."""
    page = "<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>"
    return lambda _exchange: Response(page, status=code, content_type="text/html; charset=utf-8")


def garbage() -> Fault:
    """Respond with invalid JSON and the content type of JSON."""
    return lambda _exchange: Response(b"\xff\x00{]", content_type="application/json")


def document(value: Any = _UNEXPECTED) -> Fault:
    """Respond with another JSON value, such as an outdated document or an array."""
    body = json.dumps(value)
    return lambda _exchange: Response(body, content_type="application/json")


def empty_key_set() -> Fault:
    """Respond with an empty key set."""
    return document({"keys": []})


def content_type(value: str = "text/plain") -> Fault:
    """Send the correct response with the wrong content type."""

    def respond(exchange: Exchange) -> Response:
        answer = exchange.answer()
        answer.headers["Content-Type"] = value
        return answer

    return respond


def redirect(location: str | None = None, code: int = 302) -> Fault:
    """Redirect; default: to the same address, in an endless loop."""

    def respond(exchange: Exchange) -> Response:
        return Response(status=code, headers={"Location": location or exchange.request.url})

    return respond


def oversized(size_bytes: int = 64 * 1024 * 1024) -> Fault:
    """Send the correct response followed by this much white space."""

    def padded(_exchange: Exchange, body: bytes) -> Iterator[bytes]:
        yield body
        for _ in range(size_bytes // CHUNK_BYTES):
            yield b" " * CHUNK_BYTES

    return _with_altered_body(padded, keep_length=False)


def gzip_bomb(size_bytes: int = 64 * 1024 * 1024) -> Fault:
    """Respond with a small compressed body that decompresses to this size."""

    def respond(_exchange: Exchange) -> Response:
        return Response(
            _compressed_spaces(size_bytes),
            content_type="application/json",
            headers={"Content-Encoding": "gzip"},
        )

    return respond


FAULTS: Final[Mapping[str, Callable[..., Fault]]] = MappingProxyType(
    {
        make.__name__: make
        for make in (
            status,
            delay,
            hang,
            stall,
            half_body,
            trickle,
            close,
            reset,
            html,
            garbage,
            document,
            empty_key_set,
            content_type,
            redirect,
            oversized,
            gzip_bomb,
        )
    }
)
"""All faults by name; each can be created without arguments.

:meta hide-value:
"""


def _with_altered_body(
    alter: Callable[[Exchange, bytes], Iterator[bytes]], *, keep_length: bool = True
) -> Fault:
    """Send the correct response with its body modified by ``alter``."""

    def respond(exchange: Exchange) -> Response:
        answer = exchange.answer()
        answer.response = alter(exchange, answer.get_data())
        if not keep_length:
            del answer.headers["Content-Length"]
        return answer

    return respond


def _half(body: bytes, then: Callable[[], None]) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    then()


def _drop() -> NoReturn:
    raise ConnectionAbortedError


@functools.cache
def _compressed_spaces(size_bytes: int) -> bytes:
    """Return compressed spaces; cached, because compression is slow and the result is always the same."""
    return gzip.compress(b" " * size_bytes)
