"""The asynchronous transport, based on ``httpcore2``, the HTTP engine of ``httpx2``.

It follows the rules of ``monocloud_mw.transports``, and uses the same proxies and CA certificates as the
synchronous transport. Only name look-ups and reading certificate files run in threads.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict, deque
from contextlib import suppress
from typing import ClassVar, Literal

try:
    import anyio
    import httpcore2  # noqa: F401  fails if the extra is not installed
except ImportError as error:
    raise ImportError("This transport needs httpcore2: pip install 'monocloud-mw[async]'") from error

from ..http import HttpRequest, HttpResponse
from ..lifecycle.event_loops import PerLoop
from .background import run_in_thread
from .certificate_files import CertificateFiles, Contexts
from .connection_shares import is_for_document
from .exchange_errors import busy, failed_exchange
from .httpcore2_connection import FAILURES, Connection, Route, route_of
from .limits import DOCUMENT_CONNECTIONS, INTROSPECTION_CONNECTIONS

with suppress(ImportError):
    import anyio._backends._asyncio  # noqa: F401  httpcore2 would import it on the event loop

__all__ = ["Httpcore2Transport"]


class Httpcore2Transport:
    """Performs HTTP exchanges; event loops may share it, and it can be used after a fork.

    Each event loop has its own connections, which are closed when it shuts down.

    Args:
        ca_bundle: path of a PEM bundle to verify servers; ``None`` means the bundle in the environment
            variables, or that of ``requests``.
        client_certificate: paths of the PEM client certificate and its key, for requests with ``mutual_tls``.

    Raises:
        ConfigurationError: a file is missing or invalid.
    """

    bounds_exchanges: ClassVar[Literal[True]] = True

    def __init__(
        self, *, ca_bundle: str | None = None, client_certificate: tuple[str, str] | None = None
    ) -> None:
        self._files = CertificateFiles(ca_bundle, client_certificate, _unchanged)
        self._connections = PerLoop(_Connections, _Connections.aclose)

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Perform one exchange.

        Raises:
            HttpError: no complete response arrived in time, or its body is too large or invalid; with
                ``local`` if no connection was free in time.
        """
        handled = sys.exception()
        connections: _Connections | None = None
        try:
            async with asyncio.timeout(request.timeout_seconds) as timer:
                connections = await self._connections_for(request)
                timer.reschedule(asyncio.get_running_loop().time() + request.timeout_seconds)
                return await connections.exchange(request)
        except FAILURES as error:
            failure = busy(request) if connections is None else failed_exchange(request, error, handled)
        finally:
            if connections is not None:
                connections.share_of(request).release()
        raise failure

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next exchange opens a new one."""
        await self._connections.aclose()

    async def _connections_for(self, request: HttpRequest) -> _Connections:
        """Return the connections of the running event loop, and acquire the semaphore for the request."""
        while True:
            connections = await self._up_to_date()
            share = connections.share_of(request)
            waits = share.locked()
            await share.acquire()
            if not waits or (not connections.closed and connections.contexts is self._files.unchanged()):
                return connections
            share.release()

    async def _up_to_date(self) -> _Connections:
        """Return the connections of the running event loop for the current TLS files."""
        while True:
            connections = await self._connections.get()
            contexts = self._files.unchanged()
            if contexts is None:
                async with connections.reading:
                    if self._files.unchanged() is None:
                        await asyncio.wrap_future(run_in_thread(self._files.current))
            elif connections.contexts in (None, contexts):
                connections.contexts = contexts
                return connections
            else:
                await self._connections.aclose()


class _Connections:
    """The connections of one event loop. A connection is closed if its exchange fails."""

    def __init__(self) -> None:
        self.contexts: Contexts | None = None
        self.reading = asyncio.Lock()
        self.closed = False
        self._documents = asyncio.Semaphore(DOCUMENT_CONNECTIONS)
        self._introspections = asyncio.Semaphore(INTROSPECTION_CONNECTIONS)
        self._idle: defaultdict[Route, deque[Connection]] = defaultdict(deque)

    def share_of(self, request: HttpRequest) -> asyncio.Semaphore:
        """Return the semaphore for a request."""
        return self._documents if is_for_document(request) else self._introspections

    async def exchange(self, request: HttpRequest) -> HttpResponse:
        """Perform an exchange on an idle connection or a new one."""
        route = route_of(request)
        connection = await self._take(route)
        try:
            return await self._use(connection, route, request)
        except FAILURES:
            if not connection.was_dropped:
                raise
        return await self._use(self._new(route), route, request)

    async def aclose(self) -> None:
        """Close the idle connections now, and the others when their exchanges end."""
        self.closed = True
        for connections in list(self._idle.values()):  # exchanges under way may add to them
            while connections:
                await connections.pop().aclose()

    async def _take(self, route: Route) -> Connection:
        idle = self._idle[route]
        while idle:
            connection = idle.pop()
            if connection.is_reusable:
                return connection
            await connection.aclose()
        return self._new(route)

    def _new(self, route: Route) -> Connection:
        assert self.contexts is not None
        return Connection(route, self.contexts)

    async def _use(self, connection: Connection, route: Route, request: HttpRequest) -> HttpResponse:
        try:
            response = await connection.exchange(request)
        except BaseException:
            await connection.aclose()
            raise
        idle = self._idle[route]
        if self.closed or not connection.is_reusable:
            await connection.aclose()
        else:
            idle.append(connection)
        while idle and not idle[0].is_reusable:  # the first has been idle for the longest time
            await idle.popleft().aclose()
        return response


def _unchanged(contexts: Contexts) -> Contexts:
    return contexts
