"""Connections on which a timeout bounds everything, not the pause between two packets.

Socket timeouts start anew with every packet, so a server that sends one byte now and then holds its
client for ever, and urllib3 grants the connect timeout to every address of a host. Here:

- connecting is one deadline for all addresses, an HTTP proxy's answer and the TLS handshake;
- a response is one deadline: urllib3 sets the read timeout on the socket once per response, before it
  reads the status line, and every read gets only what is left until then;
- whatever the framing says, no response takes more than :data:`MAX_WIRE_BYTES`.

Only the name server's answer is outside: the system's resolver has a timeout of its own.
"""

from __future__ import annotations

import io
import socket
import time
from typing import Any, Final, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from .loopback import pick_addresses

__all__ = ["POOL_CLASSES"]

LEAST_SECONDS: Final = 0.001
MAX_WIRE_BYTES: Final = 16 * 1024 * 1024  # headers and framing included; bodies have a limit of their own


class _DeadlineSocket:
    """A connected socket; ``settimeout`` sets the deadline for everything that is read from then on."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self.settimeout(connected.gettimeout())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def settimeout(self, seconds: float | None) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._socket.settimeout(seconds)

    def gettimeout(self) -> float | None:
        """Return what is left, which is what a TLS handshake on this socket may take.

        Never raises, and never returns zero, which would mean not to block: ``ssl`` asks while it takes the
        socket over. An error then leaves the file descriptor with two owners, and the second to close it
        closes the connection of somebody else.
        """
        if self._deadline is None:
            return None
        return max(self._deadline - time.monotonic(), LEAST_SECONDS)

    def limit_next_read(self) -> None:
        """Let the socket itself wait no longer than until the deadline."""
        if self._deadline is not None and self._deadline <= time.monotonic():
            raise TimeoutError("the deadline has passed")
        self._socket.settimeout(self.gettimeout())

    def makefile(self, *_args: Any, **_kwargs: Any) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self, self._socket.makefile("rb", buffering=0)))


class _DeadlineReader(io.RawIOBase):
    """One response as a file; like any file of a socket it stays usable when the socket is closed."""

    def __init__(self, connected: _DeadlineSocket, raw: io.RawIOBase) -> None:
        self._connected = connected
        self._raw = raw
        self._bytes_left = MAX_WIRE_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._bytes_left <= 0:
            raise OSError("the response is too large")
        self._connected.limit_next_read()
        count = cast("int | None", self._raw.readinto(buffer))
        self._bytes_left -= count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineHTTPConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        """Try one address of the host after the other, each with its share of the time."""
        host, timeout = self._dns_host, self.timeout
        deadline = time.monotonic() + cast(float, timeout)
        found = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        addresses = pick_addresses(host, found)
        try:
            while True:
                self._dns_host = addresses.pop(0)
                self.timeout = max(0.0, deadline - time.monotonic()) / (len(addresses) + 1)
                try:
                    connected = super()._new_conn()
                    break
                except (ConnectTimeoutError, NewConnectionError):
                    if not addresses:
                        raise
        finally:
            self._dns_host, self.timeout = host, timeout
        connected.settimeout(max(0.0, deadline - time.monotonic()))
        return cast(socket.socket, _DeadlineSocket(connected))


class _DeadlineHTTPSConnection(_DeadlineHTTPConnection, HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = cast(Any, _DeadlineSocket(cast(socket.socket, self.sock)))


class _DeadlineHTTPConnectionPool(HTTPConnectionPool):
    ConnectionCls: type[Any] = _DeadlineHTTPConnection


class _DeadlineHTTPSConnectionPool(HTTPSConnectionPool):
    ConnectionCls: type[Any] = _DeadlineHTTPSConnection


POOL_CLASSES = {"http": _DeadlineHTTPConnectionPool, "https": _DeadlineHTTPSConnectionPool}
"""For ``PoolManager.pool_classes_by_scheme``."""
