"""A server that runs a script on each connection, including protocol errors."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeAlias

__all__ = ["Connection", "Received", "Script", "ScriptedServer", "answer", "response", "trickle"]

JOIN_SECONDS: Final = 10.0


class Received(NamedTuple):
    """One received request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class StoppedError(OSError):
    """The server stops, so the script should end."""


class Connection:
    """One connection on the server's side."""

    def __init__(self, server: ScriptedServer, connected: socket.socket) -> None:
        self._server = server
        self.socket = connected

    def receive(self) -> Received | None:
        """Read one request; return ``None`` if the client has closed the connection."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                return None
            head += byte
        request_line, *lines = head.decode("latin-1").rstrip().split("\r\n")
        method, target, _ = request_line.split(" ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = b""
        while len(body) < int(headers.get("content-length", "0")):
            body += self.socket.recv(65536)
        received = Received(method, target, headers, body)
        self._server.requests.append(received)
        return received

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        self.socket.sendall(data)

    def pause(self, seconds: float | None = None) -> None:
        """Wait for a time, or (``None``) until the server stops."""
        if self._server.stopping.wait(seconds):
            raise StoppedError

    def reset(self) -> None:
        """Reset the connection instead of closing it."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def peer_certificate(self) -> bytes | None:
        """Return the client's certificate (DER) if it presented one."""
        assert isinstance(self.socket, ssl.SSLSocket)
        return self.socket.getpeercert(binary_form=True)

    def relay(self, other: socket.socket) -> None:
        """Pass bytes between the client and another connection until one of them ends."""
        both = {self.socket: other, other: self.socket}
        while True:
            for readable in select.select(list(both), [], [])[0]:
                data = readable.recv(65536)
                if not data:
                    return
                both[readable].sendall(data)


Script: TypeAlias = Callable[[Connection], Any]


class ScriptedServer:
    """Listens on the loopback interface and runs a script for every connection, each in its own thread.

    Args:
        script: called with each connection; when it returns, the connection is closed.
        tls: wraps every connection.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._open: set[socket.socket] = set()
        self.stopping = threading.Event()
        self.port: int = self._listening.getsockname()[1]
        self.origin = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self.connections = 0
        self.requests: list[Received] = []

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stopping.set()
        for open_socket in (self._listening, *self._open):
            with suppress(OSError):
                socket.socket.shutdown(open_socket, socket.SHUT_RDWR)  # an SSLSocket may send close_notify
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
            assert not thread.is_alive()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listening socket was shut down
            while True:
                connected, _ = self._listening.accept()
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(connected,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connected: socket.socket) -> None:
        self._open.add(connected)
        try:
            if self._tls is not None:
                self._open.discard(connected)
                connected = self._tls.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
                self._open.add(connected)
                connected.do_handshake()
            self._script(Connection(self, connected))
        except OSError:
            pass  # the client has gone, or the server stops
        finally:
            self._open.discard(connected)
            connected.close()


def response(
    body: bytes = b"{}",
    *,
    status: str = "200 OK",
    version: str = "1.1",
    headers: str = "",
    length: bool = True,
) -> bytes:
    """Write a response; ``headers`` are whole lines with their ends."""
    framing = f"Content-Length: {len(body)}\r\n" if length else ""
    return f"HTTP/{version} {status}\r\n{headers}{framing}\r\n".encode() + body


def answer(data: bytes | None = None) -> Script:
    """Return a script that sends the same bytes in response to every request and keeps the connection."""

    def script(connection: Connection) -> None:
        while connection.receive() is not None:
            connection.send(response() if data is None else data)

    return script


def trickle(start: bytes, rest: bytes) -> Script:
    """Return a script that sends ``start`` at once and the ``rest`` slowly, byte by byte."""

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(start)
        for byte in rest:
            connection.pause(0.05)
            connection.send(bytes([byte]))

    return script
