"""The transport for threads, on ``requests``.

Rules: the timeout bounds the whole exchange; at most ``max_body_bytes`` are read; redirects are not
followed; compression is neither asked for nor undone, so that no bomb goes off; no cookies; the headers
go out as the flow made them, whatever a ``.netrc`` says; a connection that still owes an answer is never
used again. Proxies and ``REQUESTS_CA_BUNDLE`` of the environment are respected, but what is meant for
this machine never goes through a proxy.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ..errors import HttpError, quoted
from ..http import HttpRequest, HttpResponse
from .certificate_files import check_files
from .deadline import POOL_CLASSES
from .failures import NO_SOCKS, check_encoding, check_size, failed_exchange
from .loopback import stays_here

__all__ = ["RequestsTransport"]

CONNECTIONS: Final = 32


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
        check_files(ca_bundle, client_certificate)
        self._ca_bundle = ca_bundle
        self._client_certificate = client_certificate
        self._sessions: dict[int, requests.Session] = {}

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
        session = self._sessions.pop(os.getpid(), None)
        if session is not None:
            session.close()

    def _send(self, request: HttpRequest) -> requests.Response:
        session = self._connected()
        message = requests.Request(
            request.method,
            request.url,
            headers={"accept-encoding": "identity", **request.headers},
            data=request.body,
            auth=_as_it_is,
        )
        prepared = session.prepare_request(message)
        prepared.url = request.url  # byte for byte: requests would tidy it up
        settings = session.merge_environment_settings(
            request.url,
            {},
            stream=True,
            verify=self._ca_bundle,
            cert=self._client_certificate if request.mutual_tls else None,
        )
        if stays_here(request.url):
            settings["proxies"] = {}
        # Past the session's own send(), which keeps cookies and, even where it is told not to follow a
        # redirect, reads and unpacks the redirect's whole body.
        adapter: Any = session.get_adapter(request.url)
        answer: requests.Response = adapter.send(
            prepared, timeout=urllib3.Timeout(total=request.timeout_seconds), **settings
        )
        return answer

    def _connected(self) -> requests.Session:
        """Return the session of this process: after a fork, connections still belong to the parent."""
        process = os.getpid()
        # Without a lock, since a child could inherit it locked. Of two new sessions one stays unused.
        return self._sessions.get(process) or self._sessions.setdefault(process, _new_session())


class _DeadlineAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOL_CLASSES

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if proxy.lower().startswith("socks"):
            raise HttpError(NO_SOCKS)
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = POOL_CLASSES
        return manager


def _new_session() -> requests.Session:
    session = requests.Session()
    session.headers.clear()
    session.headers["user-agent"] = "monocloud-mw"
    adapter = _DeadlineAdapter(pool_maxsize=CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand in for authentication, or ``requests`` would put a ``.netrc`` entry over our header."""
    return request


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
