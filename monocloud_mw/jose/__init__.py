"""The parts of JSON Object Signing and Encryption that access tokens need, based on ``cryptography``.

RFC 7515 (JWS), RFC 7517 (JWK), RFC 7518 and RFC 8037 (algorithms), RFC 7638 (thumbprints), RFC 8725 (best
current practices). No I/O and no clock. An invalid token raises :class:`~monocloud_mw.errors.TokenError`, an
invalid key in the configuration ``ValueError``.
"""

from __future__ import annotations

from .algorithms import SIGNATURE_ALGORITHMS, Algorithm
from .jwk import Jwk
from .jws import (
    MAX_TOKEN_CHARACTERS,
    CompactParts,
    JwsHeader,
    VerifiedJws,
    parse_header,
    split_compact,
    verify,
    verify_compact,
)
from .key_set import KeySet
from .lenient_json import DocumentError, parse_json_document
from .signing import SigningKey, sign_compact
from .strict_json import parse_json_object

__all__ = [
    "MAX_TOKEN_CHARACTERS",
    "SIGNATURE_ALGORITHMS",
    "Algorithm",
    "CompactParts",
    "DocumentError",
    "Jwk",
    "JwsHeader",
    "KeySet",
    "SigningKey",
    "VerifiedJws",
    "parse_header",
    "parse_json_document",
    "parse_json_object",
    "sign_compact",
    "split_compact",
    "verify",
    "verify_compact",
]
