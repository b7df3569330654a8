"""Authenticate this API's client at the tenant with the method configured in the options."""

from __future__ import annotations

from typing import Any

from ...errors import ConfigurationError, Problem
from ...options import Options
from ...options.client_authentication import CLIENT_AUTH_METHODS, ClientContext, ClientCredentials
from ..effects import Failure, Flow, Instant, call

__all__ = ["authenticate_client"]


def authenticate_client(options: Options, issuer: str, now: Instant) -> Flow[ClientCredentials]:
    """Return the client's credentials for one request; each request gets a new client assertion.

    Raises:
        ConfigurationError: a callable ``client_secret`` did not return a non-empty string.
        HttpError: a callable ``client_secret`` raised an exception.
    """
    secret: Any = options.client_secret
    if callable(secret):
        secret = yield from call(secret, "client_secret")
        if isinstance(secret, Failure):
            raise secret.copy()
        if not isinstance(secret, str) or not secret.strip():
            message = "the callable must return a non-empty string"
            raise ConfigurationError([Problem("client_secret", None, message)])
        secret = secret.strip()
    context = ClientContext(
        client_id=options.client_id or "",
        secret=secret,
        audience=options.client_assertion_audience or issuer,
        issued_at=int(now.unix + options.clock_skew),
    )
    return CLIENT_AUTH_METHODS[options.client_auth_method].credentials(context)
