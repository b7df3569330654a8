"""One attack, and the tenant that it is aimed at.

Tokens are put together here by hand, byte for byte: nothing that builds them tidies up what an attacker
would leave untidy.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Final

import attrs
from cryptography.hazmat.primitives.asymmetric import rsa

from monocloud_mw.errors import Reason
from monocloud_mw.jose import SIGNATURE_ALGORITHMS, SigningKey
from monocloud_mw.options import Options

__all__ = [
    "AUDIENCE",
    "CLAIMS",
    "EC",
    "ED",
    "GOOD",
    "ISSUER",
    "JWKS",
    "NOW",
    "PLAIN",
    "RSA",
    "STRANGER",
    "SUBJECT",
    "Attack",
    "encode",
    "options",
    "seal",
    "sign",
    "token",
]

ISSUER: Final = "https://tenant.example.com"
AUDIENCE: Final = "https://api.example.com"
NOW: Final = 1_700_000_000.0
SUBJECT: Final = "subject-of-the-token-7f3a9c51"
CLAIMS: Final[dict[str, Any]] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": SUBJECT,
    "exp": NOW + 600,
    "nbf": NOW - 600,
    "scope": "api",
    "groups": ["staff"],
}

RSA: Final = SigningKey.generate("RS256", "rsa")
EC: Final = SigningKey.generate("ES256", "ec")
ED: Final = SigningKey.generate("EdDSA", "ed")
# A key that does not say what it is for, with the exponent for which signatures were once forged.
PLAIN: Final = SigningKey(algorithm="RS256", key_id="plain", key=rsa.generate_private_key(3, 2048))
STRANGER: Final = SigningKey.generate("ES256", "ec")

JWKS: Final[dict[str, Any]] = {
    "keys": [
        *(key.public_jwk() for key in (RSA, EC, ED)),
        {name: value for name, value in PLAIN.public_jwk().items() if name not in ("alg", "use")},
    ]
}


@attrs.frozen
class Attack:
    """A token that must be refused, beside one that passes and differs in nothing but the trick.

    Args:
        name: what is tried.
        token: what is presented.
        reason: why it must be refused.
        control: passes, so that the attack is not refused for another cause.
        certificate: what the caller presents in TLS, with either.
    """

    name: str
    token: str
    reason: Reason
    control: str
    certificate: bytes | None = attrs.field(default=None, kw_only=True)


def options(**settings: Any) -> Options:
    """Return the options of an API that knows the tenant's documents and asks nobody."""
    metadata = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}
    return Options(
        **{
            "tenant_domain": ISSUER,
            "audience": AUDIENCE,
            "metadata_resolver": lambda: metadata,
            "jwks_resolver": lambda: JWKS,
            "clock": lambda: NOW,
            **settings,
        }
    )


def encode(data: bytes | str) -> str:
    """Return base64url without padding."""
    octets = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def seal(header: bytes | str, payload: bytes | str, key: SigningKey, algorithm: str | None = None) -> str:
    """Return a token with this very header and payload, signed as an algorithm wants it."""
    signing_input = f"{encode(header)}.{encode(payload)}"
    row = SIGNATURE_ALGORITHMS[algorithm or key.algorithm]
    return f"{signing_input}.{encode(row.sign(key.key, signing_input.encode()))}"


def token(key: SigningKey, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None) -> str:
    """Return a token of the tenant, with some parameters and claims replaced; ``...`` leaves one out."""
    parameters = {"alg": key.algorithm, "kid": key.key_id, "typ": "at+jwt", **(header or {})}
    members = {**CLAIMS, **(claims or {})}
    return seal(_json(parameters), _json(members), key)


def sign(signed_by: str, signature: bytes) -> str:
    """Return a token with another signature."""
    return f"{signed_by.rpartition('.')[0]}.{encode(signature)}"


def _json(members: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in members.items() if value is not ...})


GOOD: Final = token(ED)
SHA256_PREFIX: Final = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017 section 9.2, note 1


def digest_info(data: bytes) -> bytes:
    """Return what PKCS #1 v1.5 signs of some bytes."""
    return SHA256_PREFIX + hashlib.sha256(data).digest()
