"""Servers that cause failures: a port without responses, proxies, and a TLS server with another name."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import trustme
from werkzeug import Request, Response

from monocloud_mw.testing._tenant.server import LoopbackServer

__all__ = ["blocked_port", "proxy", "relay_to", "tls_server"]


@contextlib.contextmanager
def blocked_port() -> Iterator[int]:
    """Listen with a full queue: further connections get no response, as with a firewall."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


Handler = Callable[[socket.socket, bytes], None]


@contextlib.contextmanager
def proxy(handle: bytes | Handler) -> Iterator[int]:
    """Run a proxy that answers each request with the given bytes, or with a function."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(4096)
                if not piece:
                    return
                head += piece
            if isinstance(handle, bytes):
                connection.sendall(handle)
            else:
                handle(connection, head)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(10)
                thread = threading.Thread(target=serve, args=(connection,), daemon=True)
                threads.append(thread)
                thread.start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for thread in threads:
            thread.join()


def relay_to(port: int) -> Handler:
    """Return a function that tunnels every connection to a port of this machine."""

    def relay(connection: socket.socket, _head: bytes) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as target:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(target, connection), daemon=True)
            back.start()
            _copy(connection, target)
            back.join()

    return relay


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def tls_server(
    authority: trustme.CA, name: str, documents: dict[str, Any], not_after: datetime | None = None
) -> Iterator[int]:
    """Serve JSON documents by their paths, with a certificate for a host name."""

    @Request.application
    def application(request: Request) -> Response:
        if request.path not in documents:
            return Response(status=404)
        return Response(json.dumps(documents[request.path]), content_type="application/json")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=not_after).configure_cert(context)
    server = LoopbackServer(0, context)
    server.start(application)
    try:
        yield server.port
    finally:
        server.stop()
