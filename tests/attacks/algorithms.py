"""Algorithm confusion: tokens that choose how they are checked (RFC 8725 sections 2.1 and 3.1)."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from monocloud_mw.errors import Reason
from monocloud_mw.jose import SigningKey

from .attack import CLAIMS, EC, ED, GOOD, JWKS, PLAIN, RSA, Attack, encode, seal, token

__all__ = ["ATTACKS"]

NONE: Final = ("none", "None", "NONE", "nOnE", "none ", "none\0", "")
OTHERS: Final = (
    *("rs256", "RS256 ", " RS256", "RS256\0", "RS", "\uff32\uff33256", "ES256K", "SHA256withRSA"),
    *("RSA-OAEP", "RSA1_5", "dir", "A128KW", "PBES2-HS256+A128KW", "ECDH-ES"),
)
NO_TEXT: Final[tuple[Any, ...]] = (None, True, 0, 256, 1.5, [], ["none"], ["EdDSA"], {}, {"alg": "EdDSA"})
DIGESTS: Final = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
SPKI, PKCS1 = PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1


def _public_forms(key: SigningKey) -> dict[str, bytes]:
    """Return all forms of a public key that a careless verifier might use as an HMAC secret."""
    public, jwk = key.key.public_key(), key.public_jwk()
    pem = public.public_bytes(Encoding.PEM, SPKI)
    forms = {
        "PEM": pem,
        "PEM without its last line feed": pem.rstrip(b"\n"),
        "PEM with CRLF": pem.replace(b"\n", b"\r\n"),
        "DER": public.public_bytes(Encoding.DER, SPKI),
        "JWK": json.dumps(jwk).encode(),
        "JWK, compact": json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode(),
        "JWK Set": json.dumps(JWKS).encode(),
        "first number in base64url": jwk.get("n", jwk.get("x", "")).encode(),
        "kid": (key.key_id or "").encode(),
        "nothing": b"",
    }
    if jwk["kty"] == "RSA":
        forms["PKCS #1 PEM"] = public.public_bytes(Encoding.PEM, PKCS1)
        forms["PKCS #1 DER"] = public.public_bytes(Encoding.DER, PKCS1)
    return forms


def _unsigned() -> Iterator[Attack]:
    for name in NONE:
        header = encode(json.dumps({"alg": name, "kid": "ed", "typ": "at+jwt"}))
        claims = encode(json.dumps({**CLAIMS, "sub": "admin"}))
        for kind, signature in (("no", ""), ("a stolen", GOOD.rpartition(".")[2])):
            label = f"alg {name!r} and {kind} signature"
            yield Attack(label, f"{header}.{claims}.{signature}", Reason.UNSUPPORTED_ALGORITHM, GOOD)


def _symmetric() -> Iterator[Attack]:
    for key in (RSA, EC, ED):
        for form, secret in _public_forms(key).items():
            for algorithm, digest in DIGESTS.items():
                header = {"alg": algorithm, "kid": key.key_id, "typ": "at+jwt"}
                signed = f"{encode(json.dumps(header))}.{encode(json.dumps(CLAIMS))}"
                forged = f"{signed}.{encode(hmac.digest(secret, signed.encode(), digest))}"
                label = f"{algorithm} with {key.algorithm} public key as secret: {form}"
                yield Attack(label, forged, Reason.UNSUPPORTED_ALGORITHM, token(key))


def _misnamed() -> Iterator[Attack]:
    for name in (*OTHERS, *NO_TEXT, ...):
        label = f"alg {'left out' if name is ... else repr(name)}"
        yield Attack(label, token(ED, {"alg": name}), Reason.UNSUPPORTED_ALGORITHM, GOOD)


def _mismatched() -> Iterator[Attack]:
    """Signatures of the right key with an algorithm that is not the key's."""
    for key, algorithm in ((RSA, "RS384"), (RSA, "RS512"), (RSA, "PS256"), (RSA, "PS512")):
        header = json.dumps({"alg": algorithm, "kid": key.key_id})
        forged = seal(header, json.dumps(CLAIMS), key, algorithm)
        yield Attack(f"{algorithm} by a key for RS256", forged, Reason.UNKNOWN_KEY, token(key))
    for key, algorithm in (
        *((EC, name) for name in ("ES384", "ES512", "RS256", "PS256", "EdDSA", "Ed25519", "Ed448")),
        *((ED, name) for name in ("Ed448", "ES256", "RS256", "PS384")),
        *((RSA, name) for name in ("ES256", "ES512", "EdDSA")),
        *((PLAIN, name) for name in ("ES256", "Ed25519")),
    ):
        forged = token(key, {"alg": algorithm})
        label = f"{algorithm} by the {key.key_id} key"
        yield Attack(label, forged, Reason.UNKNOWN_KEY, token(key))
    # A key without alg may be used with any RSA algorithm; each signature still has only one.
    for algorithm, other in (("RS256", "PS256"), ("PS256", "RS256"), ("RS256", "RS512")):
        header = json.dumps({"alg": other, "kid": PLAIN.key_id})
        forged = seal(header, json.dumps(CLAIMS), PLAIN, algorithm)
        control = seal(header, json.dumps(CLAIMS), PLAIN, other)
        yield Attack(f"{algorithm} signature called {other}", forged, Reason.BAD_SIGNATURE, control)


ATTACKS: Final = (*_unsigned(), *_symmetric(), *_misnamed(), *_mismatched())
