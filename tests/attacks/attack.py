"""One attack and the tenant whose tokens it imitates.

Tokens are assembled here byte for byte, since a JWT library would correct the flaws of an attack.
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
# A key without use and alg, with the exponent that once allowed forged signatures.
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
    """A token that must be refused, and a control token that is valid and otherwise identical.

    Args:
        name: the attack.
        token: the token presented.
        reason: the reason of the refusal.
        control: a valid token, which shows that the attack is not refused for another reason.
        certificate: the caller's TLS certificate, with either token.
    """

    name: str
    token: str
    reason: Reason
    control: str
    certificate: bytes | None = attrs.field(default=None, kw_only=True)


def options(**settings: Any) -> Options:
    """Return options of an API that has the tenant's documents and needs no network."""
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
    """Return a token with exactly this header and payload, signed with an algorithm."""
    signing_input = f"{encode(header)}.{encode(payload)}"
    row = SIGNATURE_ALGORITHMS[algorithm or key.algorithm]
    return f"{signing_input}.{encode(row.sign(key.key, signing_input.encode()))}"


def token(key: SigningKey, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None) -> str:
    """Return a token of the tenant with replaced parameters and claims; ``...`` removes one."""
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
    """Return the DigestInfo that PKCS #1 v1.5 signs."""
    return SHA256_PREFIX + hashlib.sha256(data).digest()
