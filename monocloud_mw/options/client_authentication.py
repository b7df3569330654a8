"""The client authentication methods for the introspection endpoint, one row per method.

RFC 6749 section 2.3.1 (secrets), RFC 7521 section 4.2 and RFC 7523 section 3 (signed assertions),
RFC 8705 section 2 (certificates), draft-ietf-oauth-spiffe-client-auth (SPIFFE identities). The type
:data:`~monocloud_mw.options.settings.ClientAuthMethod` repeats the names, because type checkers need
literals.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote_plus

import attrs

from ..jose import SigningKey, sign_compact
from .client_secret import (
    read_private_secret,
    read_svid_secret,
    read_symmetric_secret,
    read_text_secret,
)
from .settings import ClientSecret

__all__ = ["CLIENT_AUTH_METHODS", "ClientAuthentication", "ClientContext", "ClientCredentials"]

ASSERTION_LIFETIME_SECONDS: Final = 60
JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_SPIFFE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"


@attrs.frozen
class ClientCredentials:
    """The form fields and headers of a request that authenticate its client."""

    fields: Mapping[str, str] = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(default=MappingProxyType({}), repr=False)


@attrs.frozen(kw_only=True)
class ClientContext:
    """The client's ID, its secret as read by the method, the audience, and the time in Unix seconds."""

    client_id: str
    secret: Any = attrs.field(repr=False)
    audience: str
    issued_at: int


@attrs.frozen
class ClientAuthentication:
    """A client authentication method.

    ``credentials`` returns the form fields and headers of a request. ``read_secret`` converts the option
    ``client_secret``, or raises ``ValueError``. If it is ``None``, the client presents a TLS certificate
    instead, at a separate endpoint.
    """

    credentials: Callable[[ClientContext], ClientCredentials]
    read_secret: Callable[[ClientSecret], ClientSecret] | None

    @property
    def mutual_tls(self) -> bool:
        """Whether the client presents a certificate."""
        return self.read_secret is None


def _basic(context: ClientContext) -> ClientCredentials:
    """Form-encode ID and secret first, because a colon would end the ID (RFC 6749 section 2.3.1)."""
    pair = f"{quote_plus(context.client_id)}:{quote_plus(context.secret)}"
    return ClientCredentials({}, {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()})


def _post(context: ClientContext) -> ClientCredentials:
    return ClientCredentials({"client_id": context.client_id, "client_secret": context.secret})


def _signed_assertion(context: ClientContext) -> ClientCredentials:
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


def _svid(context: ClientContext) -> ClientCredentials:
    return _assertion(context, JWT_SPIFFE, context.secret)


def _assertion(context: ClientContext, kind: str, assertion: str) -> ClientCredentials:
    return ClientCredentials(
        {"client_id": context.client_id, "client_assertion_type": kind, "client_assertion": assertion}
    )


def _certificate(context: ClientContext) -> ClientCredentials:
    return ClientCredentials({"client_id": context.client_id})


CLIENT_AUTH_METHODS: Final[Mapping[str, ClientAuthentication]] = MappingProxyType(
    {
        "client_secret_basic": ClientAuthentication(_basic, read_text_secret),
        "client_secret_post": ClientAuthentication(_post, read_text_secret),
        "client_secret_jwt": ClientAuthentication(_signed_assertion, read_symmetric_secret),
        "private_key_jwt": ClientAuthentication(_signed_assertion, read_private_secret),
        "tls_client_auth": ClientAuthentication(_certificate, None),
        "self_signed_tls_client_auth": ClientAuthentication(_certificate, None),
        "spiffe_jwt": ClientAuthentication(_svid, read_svid_secret),
        "spiffe_x509": ClientAuthentication(_certificate, None),
    }
)
