"""What a local tenant does wrong on request: one small function for each way to fail.

A :class:`Fault` gets the exchange and returns a response in place of the right answer, which it can ask
for and spoil. It is put on with :meth:`LocalTenant.fail` or :meth:`LocalTenant.failing`. Time passes
inside faults only, and ends at once where the client goes away or the tenant stops.
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
    """One request, and the right answer to it."""

    request: Request
    answer: Callable[[], Response]

    @property
    def connection(self) -> socket.socket:
        """The connection that the request came on."""
        connection: socket.socket = self.request.environ["werkzeug.socket"]
        return connection

    def wait(self, seconds: float | None = None) -> None:
        """Let time pass: ``None`` is for ever.

        Raises:
            ConnectionAbortedError: the client went away, or the tenant stopped.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            if selector.select(seconds):  # the request has been read whole, so this is its end
                raise ConnectionAbortedError


Fault: TypeAlias = Callable[[Exchange], Response]
"""Answers a request wrongly; a ``ConnectionError`` that it raises drops the connection."""


def status(code: int = 503, headers: Mapping[str, str] = MappingProxyType({})) -> Fault:
    """Answer with a status and an empty body."""
    return lambda _exchange: Response(status=code, headers=dict(headers))


def delay(seconds: float | None = 1.0, then: Fault | None = None) -> Fault:
    """Answer late: rightly, or with another fault; ``None`` is never."""

    def respond(exchange: Exchange) -> Response:
        exchange.wait(seconds)
        return exchange.answer() if then is None else then(exchange)

    return respond


def hang() -> Fault:
    """Accept the request and never answer."""
    return delay(None)


def stall() -> Fault:
    """Send the headers and half of the right body, and then nothing more."""
    return _spoiled(lambda exchange, body: _half(body, exchange.wait))


def half_body() -> Fault:
    """Send the headers and half of the right body, and close the connection."""
    return _spoiled(lambda _exchange, body: _half(body, _drop))


def trickle(interval_seconds: float = 0.5) -> Fault:
    """Send the right body, but one byte at a time."""

    def slowly(exchange: Exchange, body: bytes) -> Iterator[bytes]:
        for value in body:
            yield bytes([value])
            exchange.wait(interval_seconds)

    return _spoiled(slowly)


def close() -> Fault:
    """Close the connection without an answer."""

    def respond(_exchange: Exchange) -> NoReturn:
        _drop()

    return respond


def reset() -> Fault:
    """Reset the connection (TCP RST) without an answer."""

    def respond(exchange: Exchange) -> NoReturn:
        # Lingering for zero seconds turns the close into a reset; closed here, nobody says goodbye first.
        exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        exchange.connection.close()
        _drop()

    return respond


def html(code: int = 200) -> Fault:
    """Answer with a web page, as a proxy or a maintenance page would."""
    page = "<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>"
    return lambda _exchange: Response(page, status=code, content_type="text/html; charset=utf-8")


def garbage() -> Fault:
    """Answer with bytes that are no JSON, under the name of JSON."""
    return lambda _exchange: Response(b"\xff\x00{]", content_type="application/json")


def document(value: Any = _UNEXPECTED) -> Fault:
    """Answer with another JSON document: the wrong one, an array, an old one."""
    body = json.dumps(value)
    return lambda _exchange: Response(body, content_type="application/json")


def empty_key_set() -> Fault:
    """Answer with a key set without keys."""
    return document({"keys": []})


def content_type(value: str = "text/plain") -> Fault:
    """Answer rightly under the wrong content type."""

    def respond(exchange: Exchange) -> Response:
        answer = exchange.answer()
        answer.headers["Content-Type"] = value
        return answer

    return respond


def redirect(location: str | None = None, code: int = 302) -> Fault:
    """Redirect elsewhere; by default to the same address, for ever."""

    def respond(exchange: Exchange) -> Response:
        return Response(status=code, headers={"Location": location or exchange.request.url})

    return respond


def oversized(size_bytes: int = 64 * 1024 * 1024) -> Fault:
    """Answer rightly, with so much white space behind it."""

    def padded(_exchange: Exchange, body: bytes) -> Iterator[bytes]:
        yield body
        for _ in range(size_bytes // CHUNK_BYTES):
            yield b" " * CHUNK_BYTES

    return _spoiled(padded, keep_length=False)


def gzip_bomb(size_bytes: int = 64 * 1024 * 1024) -> Fault:
    """Answer with a small compressed body that is this large when it is undone."""

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
"""Every kind of fault by name; each can be made without arguments."""


def _spoiled(spoil: Callable[[Exchange, bytes], Iterator[bytes]], *, keep_length: bool = True) -> Fault:
    """Send the right answer with a body that ``spoil`` makes of the right one."""

    def respond(exchange: Exchange) -> Response:
        answer = exchange.answer()
        answer.response = spoil(exchange, answer.get_data())
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
    """Compress JSON's white space; kept, because it takes a while and is the same every time."""
    return gzip.compress(b" " * size_bytes)
