"""Signing keys of an issuer, created once."""

from __future__ import annotations

from typing import Any, Final

from monocloud_mw.jose import SigningKey

__all__ = ["ES256", "FIRST", "RS256", "SECOND", "jwks_of"]

RS256: Final = SigningKey.generate("RS256", "rsa")
ES256: Final = SigningKey.generate("ES256", "ec")
FIRST: Final = SigningKey.generate("EdDSA", "first")
SECOND: Final = SigningKey.generate("EdDSA", "second")


def jwks_of(*keys: SigningKey) -> dict[str, Any]:
    """Return the public keys as a JWK Set (RFC 7517 section 5)."""
    return {"keys": [key.public_jwk() for key in keys]}
