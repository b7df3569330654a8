"""A DPoP proof (RFC 9449 section 4.2), with which a caller obtains a token bound to a key of its own."""

from __future__ import annotations

import secrets
import time

from joserfc import jwk, jwt

__all__ = ["sign_dpop_proof"]


def sign_dpop_proof(method: str, url: str) -> str:
    """Sign a proof for one request with a key made for it."""
    key = jwk.ECKey.generate_key("P-256")
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
    claims = {"jti": secrets.token_urlsafe(), "htm": method, "htu": url, "iat": int(time.time())}
    return jwt.encode(header, claims, key)
