"""One persistent connection on an event loop, based on ``httpcore2``, with limits for responses.

``httpx2`` is not used, because all that it adds (cookies, redirects, decompression, URL normalisation) would
have to be disabled.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from requests.utils import get_auth_from_url

from ..errors import ConfigurationError, HttpError
from ..http import HttpRequest, HttpResponse
from .certificate_files import Contexts
from .content_encoding import content_coding, decode
from .environment_proxies import proxy_for
from .exchange_errors import address_of, check_size
from .limits import KEEP_IDLE_SECONDS, MAX_HEAD_BYTES

try:
    import httpcore2
except ImportError as error:
    raise ImportError("This transport needs httpcore2: pip install 'monocloud-mw[async]'") from error

from .asyncio_network import AsyncioNetwork

__all__ = ["FAILURES", "Connection", "Route", "route_of"]

FAILURES: Final = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    OSError,
    ValueError,
)
"""The exceptions of a failed exchange."""


class Route(NamedTuple):
    """The properties that exchanges must have in common to share a connection: origin, proxy, TLS context."""

    origin: str
    mutual_tls: bool


def route_of(request: HttpRequest) -> Route:
    """Return the route of a request."""
    return Route(_origin(request.url), request.mutual_tls)


class Connection:
    """A connection that opens itself with the first exchange.

    Raises:
        HttpError: the environment variables name an unsupported proxy.
    """

    def __init__(self, route: Route, contexts: Contexts) -> None:
        plain, mutual = contexts
        self._network = AsyncioNetwork()
        self._exchanges = 0
        # The pool only creates the connection. It would check all of its connections whenever one is taken or
        # returned: with a hundred connections, that takes several times as long as an exchange.
        pool = httpcore2.AsyncConnectionPool(
            ssl_context=mutual if route.mutual_tls else plain,
            proxy=_proxy(route.origin, plain),
            keepalive_expiry=KEEP_IDLE_SECONDS,
            network_backend=self._network,
        )
        self._inner: Any = pool.create_connection(_url(route.origin).origin)

    @property
    def was_dropped(self) -> bool:
        """Whether it was reused and failed before any byte of a response (RFC 9112 section 9.3.1)."""
        return self._exchanges > 1 and not self._network.has_answered

    @property
    def is_reusable(self) -> bool:
        """Whether it can be reused: it was not idle for too long, and no unsolicited data has arrived."""
        return self._inner.is_idle() and not self._inner.has_expired() and not _has_trailing_data(self._inner)

    async def exchange(self, request: HttpRequest) -> HttpResponse:
        """Send a request and read the response to its end.

        Raises:
            HttpError: the response is too large or invalid.
        """
        self._exchanges += 1
        response = await self._inner.handle_async_request(_message(request))
        try:
            headers, body = await _read(request, response)
        finally:
            await response.aclose()
        return HttpResponse(status=response.status, headers=headers, body=body)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _has_trailing_data(connection: Any) -> bool:
    """Return whether the server sent more than its response: the next request would get that data."""
    while not isinstance(connection, httpcore2.AsyncHTTP11Connection):
        connection = connection._connection  # noqa: SLF001  through the layers for TLS and proxies
    return bool(connection._h11_state.trailing_data[0])  # noqa: SLF001  there is no public name


def check_private_names(module: Any) -> None:
    """Check that an ``httpcore2`` has the private names that :func:`_has_trailing_data` reads.

    Raises:
        ConfigurationError: a name is missing. An ``ImportError`` would mean that it is not installed.
    """
    origin = module.URL("http://127.0.0.1").origin
    try:
        proxies = [None, module.Proxy("http://127.0.0.1")]
        layers = [module.AsyncConnectionPool(proxy=proxy).create_connection(origin) for proxy in proxies]
        layers.append(
            module.AsyncConnectionPool(proxy=proxies[1]).create_connection(module.URL("https://a").origin)
        )
        for layer in layers:
            layer._connection  # noqa: B018, SLF001
        innermost = module.AsyncHTTP11Connection(origin=origin, stream=None)
        innermost._h11_state.trailing_data[0]  # noqa: SLF001
    except (AttributeError, TypeError, IndexError) as error:
        raise ConfigurationError(
            f"httpcore2 {module.__version__} is not compatible with this release of monocloud-mw ({error});"
            " install a version that it was tested with"
        ) from error


check_private_names(httpcore2)


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
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _url(text: str) -> httpcore2.URL:
    """Split a URL without changing any byte of its target, as ``httpcore2`` itself would."""
    parts, target = urlsplit(text), text[len(_origin(text)) :]
    return httpcore2.URL(
        scheme=parts.scheme.encode(),
        host=(parts.hostname or "").encode("ascii"),
        port=parts.port,
        target=(target if target.startswith("/") else f"/{target}").encode("ascii"),
    )


def _proxy(origin: str, context: ssl.SSLContext) -> httpcore2.Proxy | None:
    """Return the proxy for a URL, cached, because finding it takes as long as an exchange."""
    proxy = proxy_for(origin)
    if proxy is None:
        return None
    user, password = (text.encode("latin-1") for text in get_auth_from_url(proxy))
    return httpcore2.Proxy(
        _url(proxy),
        auth=(user, password) if user else None,
        ssl_context=context if proxy.lower().startswith("https:") else None,
    )


async def _read(request: HttpRequest, response: httpcore2.Response) -> tuple[Mapping[str, str], bytes]:
    status = response.status
    if status < 200:
        raise HttpError(f"{address_of(request)} sent an interim response", status=status)
    if not response.extensions["http_version"].startswith(b"HTTP/1."):
        raise OSError("the status line is malformed")
    headers = _headers(response)
    coding = content_coding(request, status, headers.get("content-encoding", ""))
    body = b""
    async with aclosing(response.aiter_stream()) as pieces:
        async for piece in pieces:
            body += piece
            check_size(request, status, len(body))
    return headers, decode(request, status, coding, body)


def _headers(response: httpcore2.Response) -> dict[str, str]:
    headers: dict[str, str] = {}
    bytes_left = MAX_HEAD_BYTES
    for raw_name, raw_value in response.headers:
        bytes_left -= len(raw_name) + len(raw_value) + len(": \r\n")
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if bytes_left < 0:  # h11's own limit depends on how the bytes arrive
        raise OSError(f"the header section is larger than {MAX_HEAD_BYTES} bytes")
    return headers
