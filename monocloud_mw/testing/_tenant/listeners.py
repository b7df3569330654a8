"""The listeners of one tenant: one for its domain and, with TLS, one for each trust store."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .endpoints import Addresses, Listener
from .server import LoopbackServer
from .tls import TlsSetup

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["Listeners"]

DOMAIN = Listener()


class Listeners:
    """Opens and closes all listeners together; each keeps its port.

    Args:
        port: the port of the tenant domain; 0 selects a free one.
        path: the path of the tenant domain; empty for none.
        tls: certificates and trust; ``None`` for ``http``.
    """

    def __init__(self, port: int, path: str, tls: TlsSetup | None) -> None:
        self._path = path
        self._tls = tls
        self._servers: Mapping[Listener, LoopbackServer] = {}
        self._lock = threading.Lock()
        mutual = () if tls is None else tls.mutual
        self._ports = {DOMAIN: port} | {Listener(mutual_tls=True, trust_store=name): 0 for name in mutual}

    def open(self, application: Callable[[Addresses], Callable[[Listener], WSGIApplication]]) -> None:
        """Open the ports and serve.

        Args:
            application: called with the addresses; returns a function that returns each listener's
                application.

        Raises:
            OSError: a port is in use; then no port is opened.
            RuntimeError: the listeners are already open.
        """
        with self._lock, contextlib.ExitStack() as undo:
            if self._servers:
                raise RuntimeError("the local tenant is running already")
            servers: dict[Listener, LoopbackServer] = {}
            for listener, port in self._ports.items():
                servers[listener] = LoopbackServer(port, self._context(listener))
                undo.callback(servers[listener].stop)
            serve = application(self._addresses(servers))
            for listener, server in servers.items():
                server.start(serve(listener))
            undo.pop_all()
            self._ports = {listener: server.port for listener, server in servers.items()}
            self._servers = servers

    def close(self) -> None:
        """Close the ports and all connections."""
        with self._lock:
            servers, self._servers = self._servers, {}
            for server in servers.values():
                server.stop()

    def _context(self, listener: Listener) -> ssl.SSLContext | None:
        if self._tls is None:
            return None
        return self._tls.mutual[listener.trust_store] if listener.mutual_tls else self._tls.server

    def _addresses(self, servers: Mapping[Listener, LoopbackServer]) -> Addresses:
        places = {listener: server.origin + self._path for listener, server in servers.items()}
        return Addresses(
            issuer=places[DOMAIN],
            mutual_tls=places.get(Listener(mutual_tls=True)),
            trust_stores={
                listener.trust_store: place for listener, place in places.items() if listener.trust_store
            },
        )
