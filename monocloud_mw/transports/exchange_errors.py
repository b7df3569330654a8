"""The errors of exchanges: which address failed, why, and what to do.

No error contains data that was sent or received: no header, no body, no user info or query of a URL.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final

import requests

from ..errors import HttpError
from ..http import HttpRequest
from ..options import VARIABLE_PREFIX
from ..quoting import quoted
from .urllib3_of_requests import urllib3

__all__ = ["NO_SOCKS", "address_of", "busy", "check_size", "failed_exchange"]

NO_SOCKS: Final = "the proxy environment variables name a SOCKS proxy; only HTTP proxies are supported"

MAX_TLS_CHARACTERS: Final = 500

_UNKNOWN_AUTHORITY: Final = (
    f"set ca_bundle ({VARIABLE_PREFIX}CA_BUNDLE) to a PEM file with the CA that issued it"
)
_WRONG_NAME: Final = (
    f"check the host in tenant_domain ({VARIABLE_PREFIX}TENANT_DOMAIN), or have the certificate issued for it"
)
_ADVICE_BY_VERIFY_CODE: Final[Mapping[int, str]] = {  # X509_V_ERR_... of OpenSSL
    2: _UNKNOWN_AUTHORITY,  # unable to get issuer certificate
    9: "check the clock of this machine",  # not yet valid
    10: "renew the server's certificate, or check the clock of this machine",  # expired
    18: _UNKNOWN_AUTHORITY,  # self-signed
    19: _UNKNOWN_AUTHORITY,  # self-signed in the chain
    20: _UNKNOWN_AUTHORITY,  # unable to get local issuer certificate
    21: _UNKNOWN_AUTHORITY,  # unable to verify the first certificate
    62: _WRONG_NAME,
    64: _WRONG_NAME,  # an IP address
}
_ADVICE_BY_REASON: Final[Mapping[str, str]] = {
    "WRONG_VERSION_NUMBER": (
        f"the server does not use TLS on this port: check tenant_domain ({VARIABLE_PREFIX}TENANT_DOMAIN)"
        " and the proxy variables"
    ),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": (
        "the server requires a client certificate: set mtls_certificate"
        f" ({VARIABLE_PREFIX}MTLS_CERTIFICATE and {VARIABLE_PREFIX}MTLS_CERTIFICATE_KEY)"
    ),
}


def failed_exchange(request: HttpRequest, error: BaseException, handled: BaseException | None) -> HttpError:
    """Return the error for an exchange that ended without a complete response.

    Raise it outside the handler, so that no third-party exception is chained to it: its text may contain
    headers.

    Args:
        request: the request.
        error: the exception that the HTTP client raised.
        handled: the exception that the caller was handling at the time; Python chains it, but it is not a
            cause.
    """
    cause = _innermost(error, handled)
    if isinstance(cause, (TimeoutError, urllib3.exceptions.TimeoutError)):
        message = f"sent no complete response within {request.timeout_seconds:g} seconds"
    else:
        message = f"cannot be reached: {_described(cause)}"
    return HttpError(f"{address_of(request)} {message}")


def busy(request: HttpRequest) -> HttpError:
    """Return the error for an exchange that got no connection; it says nothing about the tenant."""
    return HttpError(
        f"no connection was free within {request.timeout_seconds:g} seconds for {address_of(request)}",
        local=True,
    )


def address_of(request: HttpRequest) -> str:
    """Quote the URL of a request without user info and query, which may contain credentials."""
    scheme, _, rest = request.url.partition("://")
    authority, slash, path = rest.partition("?")[0].partition("/")
    return quoted(f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}")


def check_size(request: HttpRequest, status: int, size_bytes: int) -> None:
    """Reject a body of more than ``max_body_bytes``.

    Raises:
        HttpError: it is larger.
    """
    if size_bytes > request.max_body_bytes:
        raise HttpError(f"{address_of(request)} sent more than {request.max_body_bytes} bytes", status=status)


def _innermost(error: BaseException, handled: BaseException | None) -> BaseException:
    """Return the first cause, which is more specific than the errors around it."""
    while not isinstance(error, TimeoutError):  # its cause is the operation that it interrupted
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None or cause is handled:
            break
        error = cause
    return error


def _described(cause: BaseException) -> str:
    """Return an error's name, and its text if the system wrote it: other texts may quote the request."""
    name = type(cause).__name__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _with_advice(
            f"{name}: the server's certificate was rejected: {_whole(cause.verify_message)}",
            _ADVICE_BY_VERIFY_CODE.get(cause.verify_code),
        )
    if isinstance(cause, ssl.SSLError):
        return _with_advice(f"{name} {_whole(cause)}", _ADVICE_BY_REASON.get(cause.reason or ""))
    is_of_the_system = isinstance(cause, OSError) and not isinstance(cause, requests.RequestException)
    if is_of_the_system:
        return f"{name} {quoted(cause)}"
    # urllib3 1.26 compares host names itself; its text may contain any part of the certificate.
    return _with_advice(name, _WRONG_NAME if name == "CertificateError" else None)


def _with_advice(text: str, advice: str | None) -> str:
    return text if advice is None else f"{text}; {advice}"


def _whole(text: object) -> str:
    """Quote a message of OpenSSL, which may be longer than other texts."""
    return ascii(str(text)[:MAX_TLS_CHARACTERS])
