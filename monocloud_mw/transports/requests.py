"""The transport for threads, on ``requests``.

Rules: the timeout bounds the whole exchange; at most ``max_body_bytes`` are read; redirects are not
followed; compression is neither asked for nor undone, so that no bomb goes off; no cookies; the headers
go out as the flow made them, whatever a ``.netrc`` says; a connection that still owes an answer is never
used again. Proxies and ``REQUESTS_CA_BUNDLE`` of the environment are respected, but what is meant for
this machine never goes through a proxy.
"""

from __future__ import annotations

import ssl
import sys
from typing import Any, Final, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from ..errors import HttpError, quoted
from ..http import HttpRequest, HttpResponse
from .certificate_files import CertificateFiles, Contexts
from .deadline import POOL_CLASSES
from .failures import NO_SOCKS, check_encoding, check_size, failed_exchange
from .loopback import stays_here

__all__ = ["RequestsTransport"]

CONNECTIONS: Final = 32

# urllib3 1.26 keeps addresses from OpenSSL, and compares host names itself, but not those of proxies.
COMPARES_NAMES: Final[bool] = cast(Any, urllib3).__version__.startswith("1.")


class RequestsTransport:
    """Performs HTTP exchanges; may be shared by threads, and survives a fork.

    Args:
        ca_bundle: path of a PEM bundle that verifies servers; ``None`` is what ``requests`` trusts.
        client_certificate: paths of our own PEM certificate and key, for requests with ``mutual_tls``.

    Raises:
        ConfigurationError: a file is not what it should be.
    """

    def __init__(
        self, *, ca_bundle: str | None = None, client_certificate: tuple[str, str] | None = None
    ) -> None:
        self._adapters = CertificateFiles(ca_bundle, client_certificate, _new_adapters)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Perform one exchange.

        Raises:
            HttpError: no whole response arrived in time, or its body is too large or compressed.
        """
        handled = sys.exception()
        try:
            with self._send(request) as response:
                return HttpResponse(
                    status=response.status_code,
                    headers=dict(response.headers),
                    body=_read_body(request, response),
                )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = failed_exchange(request, error, handled)
        raise failure

    def close(self) -> None:
        """Close all idle connections; the next exchange opens new ones."""
        for adapter in self._adapters.last() or ():
            adapter.close()

    def _send(self, request: HttpRequest) -> requests.Response:
        plain, mutual = self._adapters.current()
        headers = {"user-agent": "monocloud-mw", "accept-encoding": "identity", **request.headers}
        # Prepared without a session, and sent past one: it would put a ``.netrc`` entry over our header, keep
        # cookies and, even where it is told not to follow a redirect, read and unpack the redirect's body.
        message = requests.Request(request.method, request.url, headers=headers, data=request.body).prepare()
        message.url = request.url  # byte for byte: requests would tidy it up
        adapter: Any = mutual if request.mutual_tls else plain
        answer: requests.Response = adapter.send(
            message,
            stream=True,
            timeout=urllib3.Timeout(total=request.timeout_seconds),
            verify=None,  # the adapter's context does, and True would mean another in some versions
            proxies={} if stays_here(request.url) else get_environ_proxies(request.url),
        )
        return answer


class _Adapter(HTTPAdapter):
    """Connections with a deadline, all made with one context; ``proxy_context`` is for proxies over TLS."""

    def __init__(self, context: ssl.SSLContext, proxy_context: ssl.SSLContext) -> None:
        self._context = context
        self._proxy_context = proxy_context
        super().__init__(pool_maxsize=CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOL_CLASSES

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if proxy.lower().startswith("socks"):
            raise HttpError(NO_SOCKS)
        if COMPARES_NAMES and proxy.lower().startswith("https:"):
            raise HttpError("the environment names a proxy over TLS, for which urllib3 is too old")
        manager = super().proxy_manager_for(
            proxy, ssl_context=self._context, proxy_ssl_context=self._proxy_context, **kwargs
        )
        manager.pool_classes_by_scheme = POOL_CLASSES
        return manager

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the connections to their context, which verifies and presents what it should."""


def _new_adapters(contexts: Contexts) -> tuple[_Adapter, _Adapter]:
    plain, mutual = contexts
    plain.check_hostname = mutual.check_hostname = not COMPARES_NAMES
    return _Adapter(plain, plain), _Adapter(mutual, plain)


def _read_body(request: HttpRequest, response: requests.Response) -> bytes:
    if response.status_code < 200:
        # http.client knows of interim responses (RFC 9110 section 15.2) only 100, and takes any other for the
        # answer. The real one is still to come: on a connection that was used again, the next request would
        # get it, and one caller the claims of another. What is not read to its end is closed.
        raise HttpError(f"{quoted(request.url)} sent an interim response", status=response.status_code)
    check_encoding(request, response.status_code, response.headers.get("content-encoding", ""))
    response.raw.enforce_content_length = True  # or urllib3 before 2 takes half a body for a whole one
    body = b""
    while more := response.raw.read(request.max_body_bytes + 1 - len(body), decode_content=False):
        body += more
        check_size(request, response.status_code, len(body))
    return body
