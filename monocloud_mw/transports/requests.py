"""The default transport, on ``requests``.

Rules: the timeout bounds the whole exchange; at most ``max_body_bytes`` are read; redirects are not
followed; compression is neither asked for nor undone, so that no bomb goes off; no cookies; the headers
go out as the flow made them, whatever a ``.netrc`` says. Proxies and ``REQUESTS_CA_BUNDLE`` of the
environment are respected.
"""

from __future__ import annotations

import os
import ssl
import sys
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ..errors import ConfigurationError, HttpError, Problem, quoted
from ..http import HttpRequest, HttpResponse
from ..options import VARIABLE_PREFIX
from .deadline import POOL_CLASSES

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
        _check_files(ca_bundle, client_certificate)
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
            cause = _innermost(error, handled)
            if isinstance(cause, (TimeoutError, urllib3.exceptions.TimeoutError)):
                message = f"gave no complete answer within {request.timeout_seconds:g} seconds"
            else:
                message = f"cannot be reached: {_described(cause)}"
        # Outside of the handler, so that no foreign exception hangs on to ours: its text may hold headers.
        raise HttpError(f"{quoted(request.url)} {message}")

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
            raise HttpError("the environment names a SOCKS proxy; only HTTP proxies are supported")
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
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise HttpError(f"{quoted(request.url)} sent a compressed body", status=response.status_code)
    response.raw.enforce_content_length = True  # or urllib3 before 2 takes half a body for a whole one
    body = b""
    while more := response.raw.read(request.max_body_bytes + 1 - len(body), decode_content=False):
        body += more
        if len(body) > request.max_body_bytes:
            raise HttpError(
                f"{quoted(request.url)} sent more than {request.max_body_bytes} bytes",
                status=response.status_code,
            )
    return body


def _innermost(error: BaseException, handled: BaseException | None) -> BaseException:
    """Return the first cause: what is wrapped around it helps nobody.

    ``handled`` is no cause of it, but what our caller was handling when it called; Python chains that too.
    """
    while True:
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None or cause is handled:
            return error
        error = cause


def _described(cause: BaseException) -> str:
    """Name an error, and quote it where the system wrote the text; other texts hold what was being sent."""
    name = type(cause).__name__
    is_of_the_system = isinstance(cause, OSError) and not isinstance(cause, requests.RequestException)
    return f"{name} {quoted(cause)}" if is_of_the_system else name


def _check_files(ca_bundle: str | None, client_certificate: tuple[str, str] | None) -> None:
    """Find unusable files now; OpenSSL is the judge, as it will be later."""
    problems: list[Problem] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_bundle is not None:
        try:
            context.load_verify_locations(ca_bundle)
        except (OSError, ssl.SSLError):
            problems.append(
                Problem(
                    "ca_bundle",
                    f"{VARIABLE_PREFIX}CA_BUNDLE",
                    "holds no PEM certificates that can be read",
                )
            )
    if client_certificate is not None:
        try:
            context.load_cert_chain(*client_certificate, password=_no_password)
        except (OSError, ssl.SSLError, ValueError):
            problems.append(
                Problem(
                    "mtls_certificate",
                    f"{VARIABLE_PREFIX}MTLS_CERTIFICATE and {VARIABLE_PREFIX}MTLS_CERTIFICATE_KEY",
                    "is no pair of a PEM certificate and its unencrypted key",
                )
            )
    if problems:
        raise ConfigurationError(problems)


def _no_password() -> str:
    """Answer for an encrypted key: without this OpenSSL would ask on the terminal, and wait."""
    raise ValueError("the key is encrypted")
