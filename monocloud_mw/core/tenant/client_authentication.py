"""How we prove to the tenant's introspection endpoint who we are: one row per method.

RFC 6749 section 2.3.1 (secrets), RFC 7521 section 4.2 and RFC 7523 section 3 (signed assertions),
RFC 8705 section 2 (certificates), draft-ietf-oauth-spiffe-client-auth (SPIFFE identities). What each
method needs is checked when :class:`~monocloud_mw.options.Options` is made.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote_plus

import attrs

from ...errors import ConfigurationError, Problem
from ...jose import SigningKey, sign_compact
from ...options import Options
from ..effects import Failure, Flow, Instant, call

__all__ = ["METHODS", "ClientCredentials", "authenticate_client"]

ASSERTION_LIFETIME_SECONDS: Final = 60
JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_SPIFFE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"


@attrs.frozen
class ClientCredentials:
    """What a request carries to authenticate its client: form fields, and headers."""

    fields: Mapping[str, str] = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(default=MappingProxyType({}), repr=False)


@attrs.frozen
class _Context:
    client_id: str
    secret: Any = attrs.field(repr=False)
    audience: str
    issued_at: int


@attrs.frozen
class Method:
    """A way to authenticate; ``mutual_tls`` ones also present a certificate, at an endpoint of their own."""

    credentials: Callable[[_Context], ClientCredentials]
    mutual_tls: bool = False


def _basic(context: _Context) -> ClientCredentials:
    """Id and secret are form-encoded first: a colon in the id would end it, RFC 6749 section 2.3.1."""
    pair = f"{quote_plus(context.client_id)}:{quote_plus(context.secret)}"
    return ClientCredentials({}, {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()})


def _post(context: _Context) -> ClientCredentials:
    return ClientCredentials({"client_id": context.client_id, "client_secret": context.secret})


def _signed_assertion(context: _Context) -> ClientCredentials:
    key: SigningKey = context.secret
    claims = {
        "iss": context.client_id,
        "sub": context.client_id,
        "aud": context.audience,
        "jti": secrets.token_urlsafe(24),
        "iat": context.issued_at,
        "exp": context.issued_at + ASSERTION_LIFETIME_SECONDS,
    }
    return _assertion(context, JWT_BEARER, sign_compact(claims, key, {"typ": "JWT"}))


def _svid(context: _Context) -> ClientCredentials:
    return _assertion(context, JWT_SPIFFE, context.secret)


def _assertion(context: _Context, kind: str, assertion: str) -> ClientCredentials:
    return ClientCredentials(
        {"client_id": context.client_id, "client_assertion_type": kind, "client_assertion": assertion}
    )


def _certificate(context: _Context) -> ClientCredentials:
    return ClientCredentials({"client_id": context.client_id})


METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        "client_secret_basic": Method(_basic),
        "client_secret_post": Method(_post),
        "client_secret_jwt": Method(_signed_assertion),
        "private_key_jwt": Method(_signed_assertion),
        "tls_client_auth": Method(_certificate, mutual_tls=True),
        "self_signed_tls_client_auth": Method(_certificate, mutual_tls=True),
        "spiffe_jwt": Method(_svid),
        "spiffe_x509": Method(_certificate, mutual_tls=True),
    }
)


def authenticate_client(options: Options, issuer: str, now: Instant) -> Flow[ClientCredentials]:
    """Return the credentials of our client for one request; an assertion serves only once.

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
    context = _Context(
        client_id=options.client_id or "",
        secret=secret,
        audience=options.client_assertion_audience or issuer,
        issued_at=int(now.unix + options.clock_skew),
    )
    return METHODS[options.client_auth_method].credentials(context)
