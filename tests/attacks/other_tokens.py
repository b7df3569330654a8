"""Genuine tokens for another purpose: another kind, another API, another holder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from monocloud_mw.errors import Reason
from monocloud_mw.jose import SigningKey

from ..core.certificates import make_certificate, thumbprint_of
from .attack import AUDIENCE, CLAIMS, EC, ED, GOOD, ISSUER, NOW, Attack, encode, seal, sign, token

__all__ = ["ATTACKS"]

MINE: Final = make_certificate("alice")
ANOTHERS: Final = make_certificate("mallory")

TYPES: Final = {
    "an ID token by its typ": "id+jwt",
    "a logout token": "logout+jwt",
    "a security event": "secevent+jwt",
    "a DPoP proof": "dpop+jwt",
    "a refresh token": "rt+jwt",
    "an authorization request": "oauth-authz-req+jwt",
    "an introspection response": "token-introspection+jwt",
    "a client assertion": "client-authentication+jwt",
    "an entity statement": "entity-statement+jwt",
    "a verifiable credential": "vc+sd-jwt",
    "typ: only a part": "at",
    "typ: a media type in full": "application/jwt",
    "typ: a space behind": "at+jwt ",
    "typ: a parameter": "at+jwt; charset=utf-8",
    "typ: full-width letters": "\uff21\uff34+\uff2a\uff37\uff34",
    "typ: empty": "",
}
ISSUERS: Final = {
    "another issuer": "https://evil.example",
    "a slash behind": f"{ISSUER}/",
    "another case": ISSUER.upper(),
    "plain http": ISSUER.replace("https", "http"),
    "the port written out": f"{ISSUER}:443",
    "a path behind": f"{ISSUER}/evil",
    "a longer host": f"{ISSUER}.evil.example",
    "as user info": f"{ISSUER}@evil.example",
    "a space behind": f"{ISSUER} ",
    "a zero byte behind": f"{ISSUER}\0",
    "a homoglyph": ISSUER.replace("a", "\u0430"),
    "nothing": "",
}
AUDIENCES: Final[dict[str, Any]] = {
    "another API": "https://other.example.com",
    "a slash behind": f"{AUDIENCE}/",
    "another case": AUDIENCE.upper(),
    "a prefix": AUDIENCE[:-1],
    "a longer one": f"{AUDIENCE}.evil.example",
    "several, none ours": ["https://other.example.com", "https://third.example.com"],
    "a pattern": "*",
    "a client": "6c2f0d9b1f7a4f7b",
}

CONFIRMATIONS: Final[dict[str, Any]] = {
    "nothing": {},
    "a key": {"jwk": EC.public_jwk()},
    "an encrypted key": {"jwe": "a.b.c.d.e"},
    "a key by its id": {"kid": "ec"},
    "a key by its address": {"jku": f"{ISSUER}/jwks", "kid": "ec"},
    "a certificate by its SHA-1": {"x5t": "AAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    "a certificate in another case": {"x5t#s256": thumbprint_of(MINE)},
    "something unknown": {"unknown": 1},
}


def _kinds() -> Iterator[Attack]:
    for name, kind in TYPES.items():
        yield Attack(name, token(ED, {"typ": kind}), Reason.WRONG_TYPE, GOOD)
    id_claims = {"aud": "6c2f0d9b1f7a4f7b", "nonce": "n", "at_hash": "h"}
    for typ in ("JWT", ...):
        label = f"an ID token {'without typ' if typ is ... else 'with typ JWT'}"
        control = token(ED, {"typ": typ}, {**id_claims, "aud": AUDIENCE})
        yield Attack(label, token(ED, {"typ": typ}, id_claims), Reason.WRONG_AUDIENCE, control)
    events = {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "exp": ...}
    yield Attack("a logout token without typ", token(ED, {"typ": ...}, events), Reason.INVALID_CLAIM, GOOD)
    proof = SigningKey.generate("ES256")
    header = {"typ": "dpop+jwt", "kid": ..., "jwk": proof.public_jwk()}
    claims = {"htm": "GET", "htu": f"{AUDIENCE}/me", "jti": "1", "iat": NOW}
    yield Attack("a DPoP proof with its own key", token(proof, header, claims), Reason.WRONG_TYPE, GOOD)
    client = SigningKey.generate("ES256", "client")
    assertion = {"iss": "client", "sub": "client", "aud": ISSUER}
    yield Attack("a client assertion without typ", token(client, claims=assertion), Reason.UNKNOWN_KEY, GOOD)
    jwe = json.dumps({"alg": "RSA-OAEP-256", "enc": "A256GCM", "typ": "at+jwt", "kid": "rsa"})
    five = ".".join(encode(part) for part in (jwe, b"k" * 256, b"i" * 12, b"c" * 64, b"t" * 16))
    yield Attack("a JWE with five parts", five, Reason.MALFORMED, GOOD)
    three = ".".join(encode(part) for part in (jwe, b"k" * 256, b"i" * 12))
    yield Attack("a JWE cut to three parts", three, Reason.UNSUPPORTED_ALGORITHM, GOOD)
    yield Attack("an opaque token", "opaque-refresh-token-0123456789", Reason.MALFORMED, GOOD)
    yield Attack("an opaque token with two dots", "v1.opaque.token", Reason.MALFORMED, GOOD)
    yield Attack("a PASETO", f"v4.public.{encode(json.dumps(CLAIMS))}", Reason.MALFORMED, GOOD)


def _addressees() -> Iterator[Attack]:
    for name, issuer in ISSUERS.items():
        yield Attack(f"iss: {name}", token(ED, claims={"iss": issuer}), Reason.WRONG_ISSUER, GOOD)
    for name, audience in AUDIENCES.items():
        control = token(ED, claims={"aud": ["x", AUDIENCE]})
        yield Attack(f"aud: {name}", token(ED, claims={"aud": audience}), Reason.WRONG_AUDIENCE, control)
    neighbour = SigningKey.generate("ES256", "ec")
    yield Attack("a neighbour's token", token(neighbour), Reason.BAD_SIGNATURE, token(EC))


def _holders() -> Iterator[Attack]:
    jkt = token(ED, claims={"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}})
    yield Attack("bound to a DPoP key", jkt, Reason.DPOP_REQUIRED, GOOD)
    both = token(ED, claims={"cnf": {"jkt": None, "x5t#S256": thumbprint_of(MINE)}})
    mine = token(ED, claims={"cnf": {"x5t#S256": thumbprint_of(MINE)}})
    yield Attack("bound to both", both, Reason.DPOP_REQUIRED, mine, certificate=MINE)
    for name, confirmation in CONFIRMATIONS.items():
        bound = token(ED, claims={"cnf": confirmation})
        yield Attack(f"bound to {name}", bound, Reason.UNSUPPORTED_CONFIRMATION, mine, certificate=MINE)
    null = token(ED, claims={"cnf": None})
    yield Attack("bound to null", null, Reason.INVALID_CLAIM, mine, certificate=MINE)
    anothers = token(ED, claims={"cnf": {"x5t#S256": thumbprint_of(ANOTHERS)}})
    yield Attack("another's certificate", anothers, Reason.CERTIFICATE_MISMATCH, mine, certificate=MINE)
    yield Attack("no certificate", mine, Reason.CERTIFICATE_MISSING, GOOD)
    for name, thumbprint in {
        "padded": f"{thumbprint_of(MINE)}=",
        "cut": thumbprint_of(MINE)[:-1],
        "another case": thumbprint_of(MINE).swapcase(),
        "empty": "",
        "beyond ASCII": "\u00e9" * 43,
    }.items():
        bound = token(ED, claims={"cnf": {"x5t#S256": thumbprint}})
        yield Attack(f"thumbprint: {name}", bound, Reason.CERTIFICATE_MISMATCH, mine, certificate=MINE)
    wrong: tuple[Any, ...] = (None, True, 5, [thumbprint_of(MINE)], {})
    for value in wrong:
        bound = token(ED, claims={"cnf": {"x5t#S256": value}})
        yield Attack(
            f"thumbprint of type {type(value).__name__}", bound, Reason.INVALID_CLAIM, mine, certificate=MINE
        )


def _times() -> Iterator[Attack]:
    control = token(ED, claims={"exp": NOW - 59, "nbf": NOW + 60})
    yield Attack("expired, to the second", token(ED, claims={"exp": NOW - 60}), Reason.EXPIRED, control)
    early = token(ED, claims={"nbf": NOW + 61})
    yield Attack("too early, to the second", early, Reason.NOT_YET_VALID, control)


def _sizes() -> Iterator[Attack]:
    """The limit is on characters, before decoding; a valid signature changes nothing."""
    header = '{"alg":"EdDSA","kid":"ed"}'
    room = (16 * 1024 - len(seal(header, "", ED))) * 3 // 4
    payload = json.dumps(CLAIMS)
    fitting, excessive = (payload + " " * (room - len(payload) + more) for more in (0, 1))
    control = seal(header, fitting, ED)
    yield Attack("a byte beyond the limit", seal(header, excessive, ED), Reason.MALFORMED, control)
    yield Attack("a megabyte", f"{GOOD}{'A' * 1_000_000}", Reason.MALFORMED, control)
    yield Attack("a megabyte of dots", "." * 1_000_000, Reason.MALFORMED, control)
    bare = len('{"alg":"EdDSA","kid":"ed","x":""}')
    limit = 4096 * 3 // 4 - bare
    wide, wider = (
        seal(f'{{"alg":"EdDSA","kid":"ed","x":"{"y" * length}"}}', payload, ED)
        for length in (limit, limit + 1)
    )
    yield Attack("a header beyond its limit", wider, Reason.MALFORMED, wide)
    yield Attack("a header of many objects", _with_objects(500), Reason.MALFORMED, wide)
    forged = sign(_with_objects(700), bytes(64))  # another header, since a valid one is cached
    yield Attack("a forged header of many objects", forged, Reason.MALFORMED, wide)


def _with_objects(count: int) -> str:
    objects = ",".join(["{}"] * count)
    return seal(f'{{"alg":"EdDSA","kid":"ed","x":[{objects}]}}', json.dumps(CLAIMS), ED)


ATTACKS: Final = (*_kinds(), *_addressees(), *_holders(), *_times(), *_sizes())
