"""The synchronous transport, based on ``requests``.

It follows the rules of ``monocloud_mw.transports``. No ``.netrc`` entry replaces a header, and a
connection with an incomplete response is never reused. The environment variables for proxies and certificates
apply (:mod:`~monocloud_mw.transports.environment_proxies`,
:mod:`~monocloud_mw.transports.certificate_files`).
"""

from __future__ import annotations

import ssl
import sys
import time
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from ..errors import HttpError
from ..http import HttpRequest, HttpResponse
from .certificate_files import CertificateFiles, Contexts
from .connection_shares import ConnectionShares
from .content_encoding import content_coding, decode
from .deadline import POOL_CLASSES, DroppedConnectionError
from .environment_proxies import proxy_for
from .exchange_errors import address_of, busy, check_size, failed_exchange
from .idle_connections import new_connections_only
from .limits import DOCUMENT_CONNECTIONS, INTROSPECTION_CONNECTIONS
from .urllib3_of_requests import URLLIB3_1, urllib3

__all__ = ["RequestsTransport"]

CONNECTIONS: Final = DOCUMENT_CONNECTIONS + INTROSPECTION_CONNECTIONS


class RequestsTransport:
    """Performs HTTP exchanges; threads may share it, and it can be used after a fork.

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
        self._adapters = CertificateFiles(ca_bundle, client_certificate, _new_adapters)
        self._shares = ConnectionShares()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Perform one exchange.

        Raises:
            HttpError: no complete response arrived in time, or its body is too large or invalid; with
                ``local`` if no connection was free in time.
        """
        handled = sys.exception()
        share = self._shares.of(request)
        if not share.acquire(timeout=request.timeout_seconds):
            raise busy(request)
        try:
            return self._exchange(request)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = failed_exchange(request, error, handled)
        finally:
            share.release()
        raise failure

    def close(self) -> None:
        """Close all idle connections; the next exchange opens new ones."""
        for adapter in self._adapters.peek() or ():
            adapter.close()

    def _exchange(self, request: HttpRequest) -> HttpResponse:
        deadline = time.monotonic() + request.timeout_seconds
        try:
            response = self._send(request, deadline)
        except requests.ConnectionError as error:
            if not _is_dropped(error):
                raise
            response = None
        if response is None:
            with new_connections_only():
                response = self._send(request, deadline)
        with response:
            headers, body = _read(request, response)
            return HttpResponse(status=response.status_code, headers=headers, body=body)

    def _send(self, request: HttpRequest, deadline: float) -> requests.Response:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        plain, mutual = self._adapters.current()
        headers = {"user-agent": "monocloud-mw", "accept-encoding": "identity", **request.headers}
        # Prepared and sent without a session: that would replace the header by a ``.netrc`` entry, store
        # cookies and, even without following redirects, read and decompress a redirect's body.
        message = requests.Request(request.method, request.url, headers=headers, data=request.body).prepare()
        message.url = request.url  # unchanged: requests would normalise it
        adapter: Any = mutual if request.mutual_tls else plain
        proxy = proxy_for(request.url)
        answer: requests.Response = adapter.send(
            message,
            stream=True,
            timeout=urllib3.Timeout(total=seconds),
            verify=None,  # the adapter's context does; True means another context in some versions
            proxies={} if proxy is None else {urlsplit(request.url).scheme: proxy},
        )
        return answer


class _Adapter(HTTPAdapter):
    """Connections with a deadline and a fixed TLS context; ``proxy_context`` is for proxies over TLS."""

    def __init__(self, context: ssl.SSLContext, proxy_context: ssl.SSLContext) -> None:
        self._context = context
        self._proxy_context = proxy_context
        super().__init__(pool_maxsize=CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOL_CLASSES

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if URLLIB3_1 and proxy.lower().startswith("https:"):
            raise HttpError(
                "a proxy with an https:// URL needs urllib3 2; install urllib3 2 or use an http:// proxy"
            )
        manager = super().proxy_manager_for(
            proxy, ssl_context=self._context, proxy_ssl_context=self._proxy_context, **kwargs
        )
        manager.pool_classes_by_scheme = POOL_CLASSES
        return manager

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the TLS context verifies the server and presents the client certificate."""


def _new_adapters(contexts: Contexts) -> tuple[_Adapter, _Adapter]:
    plain, mutual = contexts
    plain.check_hostname = mutual.check_hostname = not URLLIB3_1
    return _Adapter(plain, plain), _Adapter(mutual, plain)


def _is_dropped(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, DroppedConnectionError):
        error = error.__cause__ or error.__context__
    return error is not None


def _read(request: HttpRequest, response: requests.Response) -> tuple[dict[str, str], bytes]:
    status = response.status_code
    if status < 200:
        # After 101 follows another protocol. A connection that is not read to its end is closed.
        raise HttpError(f"{address_of(request)} sent an interim response", status=status)
    headers = {name.lower(): value for name, value in response.headers.items()}
    coding = content_coding(request, status, headers.get("content-encoding", ""))
    response.raw.enforce_content_length = True  # before 2, urllib3 accepts incomplete bodies by default
    body = b""
    while more := response.raw.read(request.max_body_bytes + 1 - len(body), decode_content=False):
        body += more
        check_size(request, status, len(body))
    return headers, decode(request, status, coding, body)
