"""Nearly all checks of the package in one function, for one key: shows the cost of its structure.

Not safe to use either: it has no reasons for rejections, one key, one issuer and one rule, and sends no
requests. It shows the limit for the same strictness without layers.
"""

from __future__ import annotations

import binascii
import hashlib
import time
from typing import Any, Final

from monocloud_mw import AccessTokenClaims
from monocloud_mw.jose import MAX_TOKEN_CHARACTERS, SIGNATURE_ALGORITHMS
from monocloud_mw.jose.base64url import _ENDINGS, _TO_BINASCII
from monocloud_mw.jose.strict_json import _DECODER, MAX_DEPTH

from .fairness import Validate
from .tokens import AUDIENCE, ISSUER, LEEWAY_SECONDS, SCOPE, Workload

__all__ = ["ONE_PIECE", "one_piece_validation"]

ONE_PIECE: Final = "the same in one function"
HALF: Final = 512


def one_piece_validation(workload: Workload) -> Validate:
    """Return a function as strict as the package that uses only its JSON parser and claims."""
    public_key = workload.key.key.public_key()
    verify = SIGNATURE_ALGORITHMS[workload.algorithm].verify
    known_header = workload.tokens[0].partition(".")[0].encode()
    scopes = frozenset({SCOPE})
    young: dict[bytes, Any] = {}
    old: dict[bytes, Any] = {}

    def validate(token: str) -> Any:
        nonlocal young, old
        if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
            raise ValueError
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        now, monotonic = time.time(), time.monotonic()
        verified = young.get(digest) or old.pop(digest, None)
        if verified is None:
            signing_input, _, signature = token.encode("ascii").rpartition(b".")
            header, dot, payload = signing_input.partition(b".")
            if not dot or b"." in payload or header != known_header:
                raise ValueError
            padding, last_characters = _ENDINGS[len(signature) % 4]
            if signature[-1] not in last_characters:
                raise ValueError
            proof = binascii.a2b_base64(signature.translate(_TO_BINASCII) + padding, strict_mode=True)
            padding, last_characters = _ENDINGS[len(payload) % 4]
            if payload[-1] not in last_characters:
                raise ValueError
            data = binascii.a2b_base64(payload.translate(_TO_BINASCII) + padding, strict_mode=True)
            verify(public_key, proof, signing_input)
            text = data.decode()
            if text.count("[") + text.count("{") > MAX_DEPTH:
                raise ValueError
            members, end = _DECODER.raw_decode(text)
            if end != len(text):
                raise ValueError
            claims = AccessTokenClaims(members)
            audience = claims.get("aud")
            if claims.get("iss") != ISSUER or not isinstance(claims.get("sub", ""), str):
                raise ValueError
            if AUDIENCE not in (audience if isinstance(audience, list) else (audience,)):
                raise ValueError
            expires_at, not_before = claims.get("exp"), claims.get("nbf", 0)
            if type(expires_at) is not int or type(not_before) is not int:
                raise ValueError
            verified = claims, not_before - LEEWAY_SECONDS, expires_at + LEEWAY_SECONDS, monotonic
            if len(young) >= HALF:
                young, old = {}, young
            young[digest] = verified
        claims, begins, ends, verified_at = verified
        # Comparing the time of the verification replaces the check that the key is still in the key set.
        if not begins <= now < ends or verified_at > monotonic or "cnf" in claims:
            raise ValueError
        if not scopes <= claims.scopes:
            raise ValueError
        return claims

    return validate
