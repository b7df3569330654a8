"""Authenticating the client of this API at the tenant, by the method that the options name."""

from __future__ import annotations

from typing import Any

from ...errors import ConfigurationError, Problem
from ...options import Options
from ...options.client_authentication import CLIENT_AUTH_METHODS, ClientContext, ClientCredentials
from ..effects import Failure, Flow, Instant, call

__all__ = ["authenticate_client"]


def authenticate_client(options: Options, issuer: str, now: Instant) -> Flow[ClientCredentials]:
    """Return the credentials of the client for one request; an assertion serves only once.

    Raises:
        ConfigurationError: a callable ``client_secret`` returned no text.
        HttpError: it failed.
    """
    secret: Any = options.client_secret
    if callable(secret):
        secret = yield from call(secret, "client_secret")
        if isinstance(secret, Failure):
            raise secret.copy()
        if not isinstance(secret, str) or not secret.strip():
            raise ConfigurationError([Problem("client_secret", None, "the callable returned no text")])
        secret = secret.strip()
    context = ClientContext(
        client_id=options.client_id or "",
        secret=secret,
        audience=options.client_assertion_audience or issuer,
        issued_at=int(now.unix + options.clock_skew),
    )
    return CLIENT_AUTH_METHODS[options.client_auth_method].credentials(context)
