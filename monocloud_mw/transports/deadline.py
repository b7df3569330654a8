"""Connections for ``requests`` with a timeout for the whole exchange, not for the pause between two packets.

A socket timeout restarts with every packet, so a server that sends single bytes could block its client for
ever, and urllib3 applies the connect timeout to every address of a host separately. Here:

- one deadline covers connecting: the name look-up, all addresses, a proxy's response and the TLS handshake;
- one deadline covers the response: urllib3 sets the read timeout on the socket once per response, before it
  reads the status line, and each read may use only the remaining time;
- no response takes more than ``MAX_WIRE_BYTES``, whatever its framing;
- a kept connection that fails before any byte of a response raises :class:`DroppedConnectionError`.
"""

from __future__ import annotations

import io
import socket
import time
from typing import Any, Final, cast

from .happy_eyeballs import connect
from .idle_connections import IdleConnections
from .limits import MAX_WIRE_BYTES
from .name_lookup import look_up
from .response_head import FinalResponse
from .urllib3_of_requests import urllib3

__all__ = ["POOL_CLASSES", "DroppedConnectionError"]

LEAST_SECONDS: Final = 0.001


class DroppedConnectionError(ConnectionError):
    """A reused connection failed before any byte of a response (RFC 9112 section 9.3.1)."""


class _DeadlineSocket:
    """A connected socket; ``settimeout`` sets the deadline for all reads that follow."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self.responses = 0
        self.has_answered = False
        self.settimeout(connected.gettimeout())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def settimeout(self, seconds: float | None) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._socket.settimeout(seconds)

    def gettimeout(self) -> float | None:
        """Return the remaining seconds, which limit a TLS handshake on this socket.

        Never raises, and never returns zero, which would mean non-blocking. ``ssl`` calls this while it takes
        over the socket: an error would leave two owners of the file descriptor, and the second one to close
        it could close another connection.
        """
        if self._deadline is None:
            return None
        return max(self._deadline - time.monotonic(), LEAST_SECONDS)

    def limit_next_read(self) -> None:
        """Set the timeout of the socket itself to the remaining time."""
        if self._deadline is not None and self._deadline <= time.monotonic():
            raise TimeoutError("the deadline has passed")
        self._socket.settimeout(self.gettimeout())

    def makefile(self, *_args: Any, **_kwargs: Any) -> io.BufferedReader:
        self.responses += 1
        self.has_answered = False
        return io.BufferedReader(_DeadlineReader(self, self._socket.makefile("rb", buffering=0)))


class _DeadlineReader(io.RawIOBase):
    """One response as a file; like any socket file it stays usable after the socket is closed."""

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
        self._connected.has_answered = self._connected.has_answered or bool(count)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineHTTPConnection(urllib3.connection.HTTPConnection):
    response_class = FinalResponse

    def _new_conn(self) -> socket.socket:
        deadline = time.monotonic() + cast(float, self.timeout)
        found = look_up(self._dns_host).result(max(0.0, deadline - time.monotonic()))
        if isinstance(found, OSError):
            raise type(found)(*found.args)  # a copy, because other callers may raise the same error
        options = self.socket_options or ()
        connected = connect(found, self.port, deadline=deadline, options=options)
        connected.settimeout(max(0.0, deadline - time.monotonic()))
        return cast(socket.socket, _DeadlineSocket(connected))

    def request(self, *args: Any, **kwargs: Any) -> None:
        connected: Any = self.sock
        self._was_used = isinstance(connected, _DeadlineSocket) and connected.responses > 0
        try:
            super().request(*args, **kwargs)
        except ConnectionError:
            # A response may have arrived before; otherwise reading it fails as well.
            if not self._was_used:
                raise

    def getresponse(self, *args: Any, **kwargs: Any) -> Any:
        connected: Any = self.sock
        try:
            return super().getresponse(*args, **kwargs)
        except TimeoutError:
            raise
        except OSError as error:
            if self._was_used and not connected.has_answered:
                raise DroppedConnectionError("the connection was closed while it was idle") from error
            raise


class _DeadlineHTTPSConnection(_DeadlineHTTPConnection, urllib3.connection.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = cast(Any, _DeadlineSocket(cast(socket.socket, self.sock)))


class _DeadlineHTTPConnectionPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls: type[Any] = _DeadlineHTTPConnection
    QueueCls: Any = IdleConnections


class _DeadlineHTTPSConnectionPool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls: type[Any] = _DeadlineHTTPSConnection
    QueueCls: Any = IdleConnections


POOL_CLASSES = {"http": _DeadlineHTTPConnectionPool, "https": _DeadlineHTTPSConnectionPool}
"""For ``PoolManager.pool_classes_by_scheme``."""
