"""Which secret each client authentication method takes, and how it is read.

RFC 6749 section 2.3.1 (text), RFC 7523 (keys that sign), RFC 8705 section 2 (certificates, and no secret),
draft-ietf-oauth-spiffe-client-auth (SPIFFE identities). No message holds a part of a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ..errors import TokenError
from ..jose import SigningKey, parse_json_object
from .settings import ClientSecret

__all__ = ["SECRETS"]


def _text_secret(secret: Any) -> str:
    if not isinstance(secret, str):
        raise ValueError("it must be plain text")
    return secret


def _symmetric_secret(secret: Any) -> SigningKey:
    if isinstance(secret, str) and not secret.lstrip().startswith("{"):
        if secret.lstrip().startswith("-----BEGIN"):
            raise ValueError("it must be plain text or an oct JWK, not a PEM key")
        return SigningKey.from_secret(secret)
    key = _signing_key(secret)
    if not key.is_symmetric:
        raise ValueError("it must be plain text or an oct JWK, not a private key")
    return key


def _private_secret(secret: Any) -> SigningKey:
    if isinstance(secret, str) and not secret.lstrip().startswith(("{", "-----BEGIN")):
        raise ValueError("it must be a private JWK or a PEM private key, not plain text")
    key = _signing_key(secret)
    if key.is_symmetric:
        raise ValueError("it must be a private key, not a symmetric one")
    return key


def _signing_key(secret: Any) -> SigningKey:
    if isinstance(secret, SigningKey):
        return secret
    if callable(secret):
        raise ValueError("it must be a key, not a callable")
    if isinstance(secret, Mapping):
        return SigningKey.from_jwk(secret)
    if secret.lstrip().startswith("{"):
        try:
            members = parse_json_object(secret.encode())
        except TokenError:
            raise ValueError("it begins like a JWK and is not a JSON object") from None
        return SigningKey.from_jwk(members)
    return SigningKey.from_pem(secret.replace("\\n", "\n"))  # many ways to set a variable take only one line


def _svid_secret(secret: Any) -> Any:
    """A JWT-SVID lives for minutes, so besides text it may be a callable that returns the current one."""
    return secret if callable(secret) else _text_secret(secret)


SECRETS: Final[Mapping[str, Callable[[Any], ClientSecret] | None]] = MappingProxyType(
    {
        "client_secret_basic": _text_secret,
        "client_secret_post": _text_secret,
        "client_secret_jwt": _symmetric_secret,
        "private_key_jwt": _private_secret,
        "tls_client_auth": None,
        "self_signed_tls_client_auth": None,
        "spiffe_jwt": _svid_secret,
        "spiffe_x509": None,
    }
)
"""By method, what reads its ``client_secret``, or raises ``ValueError``; ``None``: it takes a certificate."""
