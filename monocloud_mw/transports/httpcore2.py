"""The transport for event loops, on ``httpcore2``, the engine of ``httpx2``: no threads.

It keeps to the rules of :mod:`monocloud_mw.transports.requests`, and takes proxies and authorities from the
same places.

What ``httpx2`` adds to its engine (cookies, redirects, decompression, tidy URLs) would all have to be taken
off again. And the connections are kept here, since the pool of ``httpcore2`` looks at each of them whenever
one is taken or given back: with a hundred that costs several times what an exchange does.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from requests.utils import get_auth_from_url, get_environ_proxies, select_proxy

from ..errors import HttpError
from ..http import HttpRequest, HttpResponse
from ..lifecycle.event_loops import PerLoop
from .certificate_files import CertificateFiles, Contexts
from .failures import NO_SOCKS, check_encoding, check_size, failed_exchange
from .loopback import stays_here

try:
    import anyio._backends._asyncio  # noqa: F401  httpcore2 needs it, and would import it on the event loop
    import httpcore2
except ImportError as error:
    raise ImportError("This transport needs httpcore2: pip install 'monocloud-mw[async]'") from error

from .asyncio_network import AsyncioNetwork

__all__ = ["Httpcore2Transport"]

CONNECTIONS: Final = 32  # opening more at once takes the loop longer than they save
KEEP_IDLE_SECONDS: Final = 60.0  # gateways forget idle connections without a word; most keep them for longer

_FAILURES: Final = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    OSError,
    ValueError,
)


class Httpcore2Transport:
    """Performs HTTP exchanges; may be shared by event loops, and survives a fork.

    Each loop has connections of its own, at most :data:`CONNECTIONS` in use at once; they are closed when
    the loop ends.

    Args:
        ca_bundle: path of a PEM bundle that verifies servers; ``None`` is what ``requests`` trusts.
        client_certificate: paths of our own PEM certificate and key, for requests with ``mutual_tls``.

    Raises:
        ConfigurationError: a file is not what it should be.
    """

    def __init__(
        self, *, ca_bundle: str | None = None, client_certificate: tuple[str, str] | None = None
    ) -> None:
        self._contexts = CertificateFiles(ca_bundle, client_certificate, _as_they_are)
        self._connections = PerLoop(lambda: _Connections(self._contexts.current()), _Connections.aclose)

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Perform one exchange.

        Raises:
            HttpError: no whole response arrived in time, or its body is too large or compressed.
        """
        handled = sys.exception()
        try:
            async with asyncio.timeout(request.timeout_seconds):
                return await self._exchange(request)
        except _FAILURES as error:
            failure = failed_exchange(request, error, handled)
        raise failure

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next exchange opens new ones."""
        await self._connections.aclose()

    async def _exchange(self, request: HttpRequest) -> HttpResponse:
        route = _Route(_origin(request.url), request.mutual_tls)
        contexts = self._contexts.current()
        connections = await self._connections.get()
        if connections.contexts is not contexts:
            await self._connections.aclose()
            connections = await self._connections.get()
        async with connections.lend(route) as connection:
            response = await connection.handle_async_request(_message(request))
            try:
                headers = _headers(response)
                body = await _read_body(request, response, headers)
            finally:
                await response.aclose()
        return HttpResponse(status=response.status, headers=headers, body=body)


class _Route(NamedTuple):
    """Where a connection leads, and who we are there: what exchanges must have in common to share one."""

    origin: str
    mutual_tls: bool


class _Connections:
    """The connections of one event loop. A connection that an exchange did not end well with is closed."""

    def __init__(self, contexts: Contexts) -> None:
        self.contexts = contexts
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._idle: defaultdict[_Route, deque[Any]] = defaultdict(deque)
        self._closed = False

    @asynccontextmanager
    async def lend(self, route: _Route) -> AsyncIterator[httpcore2.AsyncConnectionInterface]:
        """Lend a connection for one exchange."""
        async with self._free:
            idle = self._idle[route]
            connection: Any = idle.pop() if idle else self._new_connection(route)
            while connection.is_idle() and connection.has_expired():
                await connection.aclose()
                connection = idle.pop() if idle else self._new_connection(route)
            try:
                yield connection
            except BaseException:
                await connection.aclose()
                raise
            if self._closed or not connection.is_idle() or _has_more_to_say(connection):
                await connection.aclose()
            else:
                idle.append(connection)
            while idle and idle[0].has_expired():  # the one that nobody needed for the longest time
                await idle.popleft().aclose()

    async def aclose(self) -> None:
        """Close what is idle now, and the others when they come back."""
        self._closed = True
        for connections in list(self._idle.values()):  # exchanges that began before may add to them
            while connections:
                await connections.pop().aclose()

    def _new_connection(self, route: _Route) -> httpcore2.AsyncConnectionInterface:
        """Return a connection that opens itself when it is first used; the pool only makes it."""
        plain, mutual = self.contexts
        pool = httpcore2.AsyncConnectionPool(
            ssl_context=mutual if route.mutual_tls else plain,
            proxy=_proxy_for(route.origin, plain),
            keepalive_expiry=KEEP_IDLE_SECONDS,
            network_backend=AsyncioNetwork(),
        )
        return pool.create_connection(_url(route.origin).origin)


def _has_more_to_say(connection: Any) -> bool:
    """Tell whether a server sent more than its answer: the next request would be answered with that."""
    while not isinstance(connection, httpcore2.AsyncHTTP11Connection):
        connection = connection._connection  # noqa: SLF001  through the layers for TLS and proxies
    return bool(connection._h11_state.trailing_data[0])  # noqa: SLF001  it has no public name


def _message(request: HttpRequest) -> httpcore2.Request:
    headers = {
        "host": urlsplit(request.url).netloc,
        "user-agent": "monocloud-mw",
        "accept-encoding": "identity",
        **request.headers,
    }
    if request.body is not None:
        headers["content-length"] = str(len(request.body))
    return httpcore2.Request(
        request.method,
        _url(request.url),
        headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        content=request.body,
        extensions={"timeout": {"connect": request.timeout_seconds}},
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _url(text: str) -> httpcore2.URL:
    """Take a URL apart without losing a byte of its target, as ``httpcore2`` itself would."""
    parts, target = urlsplit(text), text[len(_origin(text)) :]
    return httpcore2.URL(
        scheme=parts.scheme.encode(),
        host=(parts.hostname or "").encode("ascii"),
        port=parts.port,
        target=(target if target.startswith("/") else f"/{target}").encode("ascii"),
    )


def _proxy_for(origin: str, context: ssl.SSLContext) -> httpcore2.Proxy | None:
    """Return the proxy that the other transport would use. Finding it takes as long as an exchange."""
    proxy = None if stays_here(origin) else select_proxy(origin, get_environ_proxies(origin))
    if proxy is None:
        return None
    if proxy.lower().startswith("socks"):
        raise HttpError(NO_SOCKS)
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    user, password = (text.encode("latin-1") for text in get_auth_from_url(proxy))
    return httpcore2.Proxy(
        _url(proxy),
        auth=(user, password) if user else None,
        ssl_context=context if proxy.startswith("https:") else None,
    )


def _headers(response: httpcore2.Response) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _read_body(request: HttpRequest, response: httpcore2.Response, headers: Mapping[str, str]) -> bytes:
    check_encoding(request, response.status, headers.get("content-encoding", ""))
    body = b""
    async with aclosing(response.aiter_stream()) as pieces:
        async for piece in pieces:
            body += piece
            check_size(request, response.status, len(body))
    return body


def _as_they_are(contexts: Contexts) -> Contexts:
    return contexts
