"""TCP and TLS connections on an event loop, as a network backend for ``httpcore2``.

The network backend of ``httpcore2`` leaks a socket if an exchange is cancelled during a TLS handshake. In
addition, this one ensures that

- no response takes more than ``MAX_WIRE_BYTES``, whatever its framing, and at most :data:`READ_BYTES` are
  parsed at once, so that other tasks can run;
- unsolicited data from a server is detected (``is_readable``): it could be taken for the response to the next
  request;
- data that a proxy sends before the TLS handshake is never taken for data received over TLS;
- names are looked up in threads of the transports, not in the event loop's default executor;
- callers know whether any byte of a response has arrived (``has_answered``).

The transport's deadline cancels pending operations.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

from .happy_eyeballs import async_connect
from .limits import MAX_WIRE_BYTES
from .name_lookup import look_up

try:
    import httpcore2
except ImportError as error:
    raise ImportError("This transport needs httpcore2: pip install 'monocloud-mw[async]'") from error

__all__ = ["AsyncioNetwork"]

READ_BYTES: Final = 16 * 1024


class AsyncioNetwork(httpcore2.AsyncNetworkBackend):
    """Opens one connection.

    Attributes:
        has_answered: whether any byte has been read since the last one was written.
    """

    def __init__(self) -> None:
        self.has_answered = False

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address of the host that accepts."""
        loop = asyncio.get_running_loop()
        found = await asyncio.wrap_future(look_up(host))
        if isinstance(found, OSError):
            raise type(found)(*found.args)  # a copy, because other callers may raise the same error

        async def connect_to(address: str) -> tuple[Any, _ReceiveBuffer]:
            return await loop.create_connection(_ReceiveBuffer, address, port)

        def close(connected: tuple[Any, _ReceiveBuffer]) -> None:
            connected[0].abort()

        return _Stream(self, *await async_connect(found, connect_to, close))


class _ReceiveBuffer(asyncio.Protocol):
    """Buffers the bytes that have arrived on a connection and have not been read."""

    def __init__(self) -> None:
        self.unread = bytearray()
        self.ended = False
        self.error: Exception | None = None
        self._transport: Any = None
        self._news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.unread += data
        self._news.set()
        if len(self.unread) > READ_BYTES and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self.ended = True
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self.eof_received()

    async def take(self, max_bytes: int) -> bytes:
        """Wait until data has arrived, and return it; empty if the connection was closed."""
        if self.unread or self.ended:
            await asyncio.sleep(0)  # let other tasks run while a fast server sends
        else:
            self._news.clear()
            await self._news.wait()
        taken = bytes(self.unread[:max_bytes])
        del self.unread[:max_bytes]
        if not taken and self.error is not None:
            raise self.error
        if len(self.unread) <= READ_BYTES and not self._transport.is_closing():
            self._transport.resume_reading()
        return taken


class _Stream(httpcore2.AsyncNetworkStream):
    def __init__(self, network: AsyncioNetwork, transport: Any, buffer: _ReceiveBuffer) -> None:
        self._network = network
        self._transport = transport
        self._buffer = buffer
        self._bytes_left = MAX_WIRE_BYTES

    async def read(self, max_bytes: int, *_: Any, **__: Any) -> bytes:
        if self._bytes_left <= 0:
            raise OSError("the response is too large")
        data = await self._buffer.take(min(max_bytes, READ_BYTES))
        self._bytes_left -= len(data)
        self._network.has_answered = self._network.has_answered or data != b""
        return data

    async def write(self, buffer: bytes, *_: Any, **__: Any) -> None:
        self._network.has_answered = False
        if self._transport.is_closing():  # some event loops raise other errors in this case
            raise ConnectionResetError("the connection is closed")
        self._bytes_left = MAX_WIRE_BYTES  # for the response to this
        self._transport.write(buffer)

    async def aclose(self) -> None:
        self._transport.abort()
        await asyncio.sleep(0)  # in which the event loop closes the socket

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        *_: Any,
        **__: Any,
    ) -> httpcore2.AsyncNetworkStream:
        buffer = _ReceiveBuffer()
        # If the handshake fails or is cancelled, the event loop closes the connection.
        encrypted: Any = await asyncio.get_running_loop().start_tls(
            self._transport, buffer, ssl_context, server_hostname=server_hostname
        )
        buffer.connection_made(encrypted)
        return _Stream(self._network, encrypted, buffer)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return bool(self._buffer.unread) or self._buffer.ended
        return self._transport.get_extra_info(info)
