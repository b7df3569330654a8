"""Connections of an event loop, for ``httpcore2``, in place of its own.

Those would leave a socket behind where an exchange is cancelled during a TLS handshake. And here:

- whatever the framing says, no response takes more than :data:`MAX_WIRE_BYTES`, of which at most
  :data:`READ_BYTES` are taken apart in one go, so that other tasks get their turn;
- what a server sends unasked is seen (``is_readable``): it would pass for the answer to the next request;
- what arrives before TLS, from a proxy, never passes for what came through TLS.

The transport's deadline cancels what waits here.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any, Final, cast

from .deadline import MAX_WIRE_BYTES
from .loopback import pick_addresses

try:
    import httpcore2
except ImportError as error:
    raise ImportError("This transport needs httpcore2: pip install 'monocloud-mw[async]'") from error

__all__ = ["AsyncioNetwork"]

READ_BYTES: Final = 16 * 1024


class AsyncioNetwork(httpcore2.AsyncNetworkBackend):
    """Opens connections."""

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore2.AsyncNetworkStream:
        """Try one address of the host after the other, each with its share of the time.

        asyncio could try them side by side (RFC 8305), but not every event loop can.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + cast(float, timeout)
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = pick_addresses(host, found)
        while True:
            address = addresses.pop(0)
            try:
                async with asyncio.timeout((deadline - loop.time()) / (len(addresses) + 1)):
                    return _Stream(*await loop.create_connection(_Arrivals, address, port))
            except OSError:
                if not addresses:
                    raise


class _Arrivals(asyncio.Protocol):
    """What has arrived on a connection and was not read yet."""

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
        """Wait until something has arrived, and return it; nothing is the end."""
        if self.unread or self.ended:
            await asyncio.sleep(0)  # a server that is faster than we are must not keep the loop for itself
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
    def __init__(self, transport: Any, arrivals: _Arrivals) -> None:
        self._transport = transport
        self._arrivals = arrivals
        self._bytes_left = MAX_WIRE_BYTES

    async def read(self, max_bytes: int, *_: Any, **__: Any) -> bytes:
        if self._bytes_left <= 0:
            raise OSError("the response is too large")
        data = await self._arrivals.take(min(max_bytes, READ_BYTES))
        self._bytes_left -= len(data)
        return data

    async def write(self, buffer: bytes, *_: Any, **__: Any) -> None:
        if self._transport.is_closing():  # which some event loops tell by an error of their own
            raise ConnectionResetError("the connection is closed")
        self._bytes_left = MAX_WIRE_BYTES  # for the response to this
        self._transport.write(buffer)

    async def aclose(self) -> None:
        self._transport.abort()
        await asyncio.sleep(0)  # the loop closes the socket now

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        *_: Any,
        **__: Any,
    ) -> httpcore2.AsyncNetworkStream:
        arrivals = _Arrivals()
        # Where the handshake fails or is cancelled, the loop closes the connection.
        encrypted: Any = await asyncio.get_running_loop().start_tls(
            self._transport, arrivals, ssl_context, server_hostname=server_hostname
        )
        arrivals.connection_made(encrypted)
        return _Stream(encrypted, arrivals)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return bool(self._arrivals.unread) or self._arrivals.ended
        return self._transport.get_extra_info(info)
