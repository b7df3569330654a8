"""A loopback HTTP server that uses a free port and stops immediately.

It is based on Werkzeug's development server, with these differences:

- it listens on the loopback interface only, and a port in use raises ``OSError``;
- :meth:`LoopbackServer.stop` cuts open connections, as a crash does, and joins all threads, so that no
  thread, socket or warning remains;
- the TLS handshake runs in the connection's own thread, so a silent client does not block others;
- requests are logged to the logger ``monocloud_mw.testing`` at level ``INFO``.
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
POLL_SECONDS: Final = 0.02  # maximum time until the accept loop notices stop()
JOIN_SECONDS: Final = 10.0

_logger = logging.getLogger("monocloud_mw.testing")


class LoopbackServer:
    """Serves one WSGI application on one port, with a thread for each connection.

    The constructor opens the port, so clients can connect; they get responses after :meth:`start`.

    Args:
        port: the port; 0 selects a free one.
        tls: the TLS context; ``None`` for ``http``.

    Raises:
        OSError: the port is in use.
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
        """Cut all connections, close the port and wait for all threads to end."""
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
            pass  # the client disconnected, the TLS handshake failed, or stop() cut the connection
        finally:
            self.shutdown_request(connection)
            with self._lock:
                del self._connections[threading.current_thread()]

    def _wrap(self, connection: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        """Wrap a connection in TLS and register it before the handshake, which can block."""
        with self._lock:
            wrapped = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self._connections[threading.current_thread()] = wrapped
        return wrapped

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ARG002
        """Log an error of the application, the only messages that Werkzeug logs here."""
        _logger.error(message, *args)


class _RequestHandler(WSGIRequestHandler):
    def connection_dropped(self, error: BaseException, environ: WSGIEnvironment | None = None) -> None:  # noqa: ARG002
        """Close a connection that the application has dropped, instead of waiting for a further request."""
        self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        _logger.info("%a %s %s", self.requestline, code, size)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ARG002
        """Log an invalid request at ``INFO``, because it is an error of the client."""
        _logger.info(message, *args)


def _cut(connection: socket.socket) -> None:
    """Shut down a connection while another thread serves it, without a TLS close message."""
    with contextlib.suppress(OSError):  # already closed
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
