"""Read each kind of ``client_secret``; an invalid one raises ``ValueError``.

RFC 6749 section 2.3.1 (text), RFC 7523 (keys that sign), draft-ietf-oauth-spiffe-client-auth (SPIFFE
identities). No message contains any part of a secret.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import TokenError
from ..jose import SigningKey, parse_json_object
from .settings import ClientSecret

__all__ = ["read_private_secret", "read_svid_secret", "read_symmetric_secret", "read_text_secret"]


def read_text_secret(secret: ClientSecret) -> str:
    """Return a secret that is used without conversion."""
    if not isinstance(secret, str):
        raise ValueError("it must be plain text")
    return secret


def read_symmetric_secret(secret: ClientSecret) -> SigningKey:
    """Return the key for a string, or for an ``oct`` JWK."""
    if isinstance(secret, str) and not secret.lstrip().startswith("{"):
        if secret.lstrip().startswith("-----BEGIN"):
            raise ValueError("it must be plain text or an oct JWK, not a PEM key")
        return SigningKey.from_secret(secret)
    key = _signing_key(secret)
    if not key.is_symmetric:
        raise ValueError("it must be plain text or an oct JWK, not a private key")
    return key


def read_private_secret(secret: ClientSecret) -> SigningKey:
    """Return the private key in a JWK or PEM."""
    if isinstance(secret, str) and not secret.lstrip().startswith(("{", "-----BEGIN")):
        raise ValueError("it must be a private JWK or a PEM private key, not plain text")
    key = _signing_key(secret)
    if key.is_symmetric:
        raise ValueError("it must be a private key, not a symmetric one")
    return key


def _signing_key(secret: ClientSecret) -> SigningKey:
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
            raise ValueError("it looks like a JWK but is not a valid JSON object") from None
        return SigningKey.from_jwk(members)
    return SigningKey.from_pem(
        secret.replace("\\n", "\n")
    )  # some environment files allow only one line per variable


def read_svid_secret(secret: ClientSecret) -> ClientSecret:
    """Return a JWT-SVID, or a callable that returns the current one, since it expires within minutes."""
    return secret if callable(secret) else read_text_secret(secret)
