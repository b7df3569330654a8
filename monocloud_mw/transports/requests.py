"""The default transport, on ``requests``.

Rules: the timeout bounds the whole exchange; at most ``max_body_bytes`` are read; redirects are not
followed; compression is neither asked for nor undone, so that no bomb goes off; no cookies; the headers
go out as the flow made them, whatever a ``.netrc`` says. Proxies and ``REQUESTS_CA_BUNDLE`` of the
environment are respected.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ..errors import ConfigurationError, HttpError, Problem, quoted
from ..http import HttpRequest, HttpResponse
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
        self._session: requests.Session | None = None
        self._process = 0
        self._lock = threading.Lock()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Perform one exchange.

        Raises:
            HttpError: no whole response arrived in time, or its body is too large or compressed.
        """
        deadline = time.monotonic() + request.timeout_seconds
        try:
            with self._send(request) as response:
                return HttpResponse(
                    status=response.status_code,
                    headers=dict(response.headers),
                    body=_read_body(request, response, deadline),
                )
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise _too_late(request) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise HttpError(f"{quoted(request.url)} cannot be reached: {_innermost(error)}") from error

    def close(self) -> None:
        """Close all idle connections; the next exchange opens new ones."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None and self._process == os.getpid():
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
        certificate = self._client_certificate if request.mutual_tls else None
        return session.send(
            prepared,
            timeout=urllib3.Timeout(total=request.timeout_seconds),  # type: ignore[arg-type]
            allow_redirects=False,
            **session.merge_environment_settings(
                request.url, {}, stream=True, verify=self._ca_bundle, cert=certificate
            ),
        )

    def _connected(self) -> requests.Session:
        """Return the session of this process: after a fork, connections still belong to the parent."""
        with self._lock:
            if self._session is None or self._process != os.getpid():
                self._session, self._process = _new_session(), os.getpid()
            return self._session


class _DeadlineAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOL_CLASSES

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = POOL_CLASSES
        return manager


def _new_session() -> requests.Session:
    session = requests.Session()
    session.headers.clear()
    session.headers["user-agent"] = "monocloud-mw"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _DeadlineAdapter(pool_maxsize=CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand in for authentication, or ``requests`` would put a ``.netrc`` entry over our header."""
    return request


def _read_body(request: HttpRequest, response: requests.Response, deadline: float) -> bytes:
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise HttpError(f"{quoted(request.url)} sent a compressed body", status=response.status_code)
    chunks: list[bytes] = []
    left = request.max_body_bytes
    for chunk in response.raw.stream(65536, decode_content=False):
        chunks.append(chunk)
        left -= len(chunk)
        if left < 0:
            raise HttpError(
                f"{quoted(request.url)} sent more than {request.max_body_bytes} bytes",
                status=response.status_code,
            )
        if time.monotonic() > deadline:
            raise _too_late(request)
    return b"".join(chunks)


def _too_late(request: HttpRequest) -> HttpError:
    return HttpError(
        f"{quoted(request.url)} gave no complete answer within {request.timeout_seconds:g} seconds"
    )


def _innermost(error: BaseException) -> str:
    """Return the type and the text of the first cause: what urllib3 wraps around it helps nobody."""
    cause: BaseException = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    return f"{type(cause).__name__} {quoted(cause)}"


def _check_files(ca_bundle: str | None, client_certificate: tuple[str, str] | None) -> None:
    """Find unusable files now; OpenSSL is the judge, as it will be later."""
    problems: list[Problem] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_bundle is not None:
        try:
            context.load_verify_locations(ca_bundle)
        except (OSError, ssl.SSLError):
            problems.append(Problem("ca_bundle", None, "holds no PEM certificates that can be read"))
    if client_certificate is not None:
        try:
            context.load_cert_chain(*client_certificate, password=_no_password)
        except (OSError, ssl.SSLError, ValueError):
            problems.append(
                Problem("mtls_certificate", None, "is no pair of a PEM certificate and its unencrypted key")
            )
    if problems:
        raise ConfigurationError(problems)


def _no_password() -> str:
    """Answer for an encrypted key: without this OpenSSL would ask on the terminal, and wait."""
    raise ValueError("the key is encrypted")
