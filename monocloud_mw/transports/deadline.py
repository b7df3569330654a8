"""Connections whose read timeout bounds a whole response, not the pause between two packets.

Socket timeouts start anew with every packet, so a server that sends one byte now and then holds its
client for ever. urllib3 sets the read timeout on the socket once per response, before it reads the status
line; here that moment sets a deadline, and every later read gets only what is left until then.
"""

from __future__ import annotations

import io
import socket
import time
from typing import Any, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

__all__ = ["POOL_CLASSES"]


class _DeadlineSocket:
    """A connected socket; ``settimeout`` sets the deadline for everything that is read from then on."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._deadline: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def settimeout(self, seconds: float | None) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._socket.settimeout(seconds)

    def makefile(self, *_args: Any, **_kwargs: Any) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self))

    def recv_into(self, buffer: Any) -> int:
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the response did not end in time")
            self._socket.settimeout(left)
        return self._socket.recv_into(buffer)


class _DeadlineReader(io.RawIOBase):
    """The read side of a :class:`_DeadlineSocket` as a file."""

    def __init__(self, connected: _DeadlineSocket) -> None:
        self._socket: _DeadlineSocket | None = connected

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._socket is None:
            raise ValueError("the connection is closed")
        return self._socket.recv_into(buffer)

    def close(self) -> None:
        self._socket = None
        super().close()


class _DeadlineHTTPConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = cast(socket.socket, _DeadlineSocket(self.sock))


class _DeadlineHTTPSConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = cast(Any, _DeadlineSocket(cast(socket.socket, self.sock)))


class _DeadlineHTTPConnectionPool(HTTPConnectionPool):
    ConnectionCls = _DeadlineHTTPConnection


class _DeadlineHTTPSConnectionPool(HTTPSConnectionPool):
    ConnectionCls = _DeadlineHTTPSConnection


POOL_CLASSES = {"http": _DeadlineHTTPConnectionPool, "https": _DeadlineHTTPSConnectionPool}
"""For ``PoolManager.pool_classes_by_scheme``."""
