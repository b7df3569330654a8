"""A loopback HTTP server that starts on a free port and stops at once.

Werkzeug's development server does the HTTP; what differs from it here:

- it listens on the loopback interface only, and a port that is taken is an ``OSError``;
- :meth:`LoopbackServer.stop` cuts open connections, as a crash would, and joins every thread, so that no
  thread, socket or warning is left behind;
- TLS handshakes happen in the connection's own thread: a client that never speaks holds up nobody else;
- requests are logged to the logger ``monocloud_mw.testing`` at level ``INFO``, which is silent by default.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, Final

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

__all__ = ["HOST", "LoopbackServer"]

HOST: Final = "127.0.0.1"
BACKLOG: Final = 1024  # a test may open hundreds of connections at the same moment
POLL_SECONDS: Final = 0.02  # how long stop() waits at most for the accept loop to notice
JOIN_SECONDS: Final = 10.0

_logger = logging.getLogger("monocloud_mw.testing")


class LoopbackServer:
    """Serves one WSGI application on one port, each connection in a thread of its own.

    The port is taken at once, so that clients can already connect; they are answered after :meth:`start`.

    Args:
        port: 0 takes a free one.
        tls: wraps every connection.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._socket = socket.create_server((HOST, port), backlog=BACKLOG)
        self._tls = tls
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port: int = self._socket.getsockname()[1]

    @property
    def origin(self) -> str:
        """The scheme, host and port of its URLs."""
        return f"{'http' if self._tls is None else 'https'}://{HOST}:{self.port}"

    def start(self, application: WSGIApplication) -> None:
        """Answer requests from now on."""
        self._server = _Server(self._socket, application, self._tls)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(POLL_SECONDS,),
            name=f"monocloud_mw.testing:{self.port}",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Cut every connection, free the port and wait for all threads to end."""
        self._socket.close()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join(JOIN_SECONDS)
            self._server.cut_connections()


class _Server(ThreadedWSGIServer):
    def __init__(
        self, listening: socket.socket, application: WSGIApplication, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(HOST, 0, application, _RequestHandler, fd=listening.fileno())
        self.ssl_context = tls  # Werkzeug derives the URL scheme from it
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a new thread."""
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._lock:
            self._connections[thread] = request
        thread.start()

    def cut_connections(self) -> None:
        """End all connections, and wait for their threads."""
        with self._lock:
            threads = list(self._connections)
            for connection in self._connections.values():
                _cut(connection)
        for thread in threads:
            thread.join(JOIN_SECONDS)

    def _serve(self, connection: socket.socket, client_address: Any) -> None:
        try:
            if self.ssl_context is not None:
                connection = encrypted = self._wrap(connection, self.ssl_context)
                encrypted.do_handshake()
            self.finish_request(connection, client_address)
        except OSError:
            pass  # the client went away, spoke no TLS or was refused there, or stop() cut it off
        finally:
            self.shutdown_request(connection)
            with self._lock:
                del self._connections[threading.current_thread()]

    def _wrap(self, connection: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        """Put TLS around a connection, known to :meth:`cut_connections` before the handshake can block."""
        with self._lock:
            wrapped = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self._connections[threading.current_thread()] = wrapped
        return wrapped

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ARG002
        """Report a failure of the application: Werkzeug logs nothing else here."""
        _logger.error(message, *args)


class _RequestHandler(WSGIRequestHandler):
    def connection_dropped(self, error: BaseException, environ: WSGIEnvironment | None = None) -> None:  # noqa: ARG002
        """Close a connection that the application has given up, instead of waiting for a next request."""
        self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        _logger.info("%a %s %s", self.requestline, code, size)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ARG002
        """Note what is wrong with a request: the client's mistake, so it stays quiet as well."""
        _logger.info(message, *args)


def _cut(connection: socket.socket) -> None:
    """End a connection under the feet of the thread that serves it, without a word of TLS."""
    with contextlib.suppress(OSError):  # it may have ended already
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
