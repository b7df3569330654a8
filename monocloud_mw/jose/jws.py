"""Signed messages in compact form (RFC 7515): from an untrusted string to bytes whose origin is proven.

In this order, cheap before expensive: the size, exactly three parts, strict base64url, a small and strict
JSON header, an accepted ``alg``, and nothing in the header that changes what the message means; only then a
key is looked for, and at last the signature is checked. ``jwk``, ``jku``, ``x5u`` and ``x5c`` in a header are
never looked at: a message does not bring its own key (RFC 8725 section 3.10 and RFC 7515 section 10.3).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, TypeAlias

import attrs
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from ..errors import Reason, TokenError, quoted
from ..frozen import FrozenDict
from . import base64url
from .algorithms import SIGNATURE_ALGORITHMS, Algorithm
from .jwk import Jwk
from .key_set import KeySet
from .strict_json import parse_json_object

__all__ = [
    "MAX_TOKEN_CHARACTERS",
    "CompactParts",
    "JwsHeader",
    "VerifiedJws",
    "parse_header",
    "split_compact",
    "verify",
    "verify_compact",
]

MAX_TOKEN_CHARACTERS: Final = 16 * 1024
"""Twice what common servers take as a header line; the largest real tokens have some four thousand."""

MAX_HEADER_CHARACTERS: Final = 4 * 1024
"""A header is parsed before anything is proven, so it is bounded more tightly; a certificate still fits."""

MAX_HEADER_VALUES: Final = 64
"""Bounds names, elements and nesting together: a header made of thousands of them would take a hundred
times as long to refuse as a good token takes to accept."""

REFUSED_PARAMETERS: Final = frozenset({"crit", "b64", "enc", "zip"})
"""What would change the meaning of a message: extensions that must be understood, of which none is (RFC 7515
section 4.1.11), a payload that is not base64url (RFC 7797 section 7: never in a JWT), and what only a JWE has
(RFC 7516 section 4.1)."""


CompactParts: TypeAlias = tuple[str, str, str, str]
"""Header, payload and signature, all three encoded, and what was signed: the first two and their dot."""


@attrs.frozen
class JwsHeader:
    """A header that may be acted upon.

    Args:
        parameters: all header parameters, read-only.
        algorithm: the row that ``alg`` names.
        key_id: ``kid``.
    """

    parameters: FrozenDict = attrs.field(repr=False)
    algorithm: Algorithm
    key_id: str | None = attrs.field(repr=False)


@attrs.frozen
class VerifiedJws:
    """A message that one of the keys has signed."""

    header: FrozenDict = attrs.field(repr=False)
    payload: bytes = attrs.field(repr=False)
    key: Jwk


def parse_header(segment: str, algorithms: Collection[str] = SIGNATURE_ALGORITHMS.keys()) -> JwsHeader:
    """Read the first part of a compact JWS (RFC 7515 section 4).

    Raises:
        TokenError: [malformed], or [unsupported_algorithm] where ``alg`` is not among ``algorithms``.
    """
    if len(segment) > MAX_HEADER_CHARACTERS:
        raise TokenError(Reason.MALFORMED, f"its header has more than {MAX_HEADER_CHARACTERS} characters")
    parameters = parse_json_object(base64url.decode(segment), max_values=MAX_HEADER_VALUES)
    key_id = parameters.get("kid")
    if not isinstance(key_id, str) and "kid" in parameters:
        raise TokenError(Reason.MALFORMED, "kid is not a string")
    name = parameters.get("alg")
    algorithm = SIGNATURE_ALGORITHMS.get(name) if isinstance(name, str) and name in algorithms else None
    if algorithm is None:
        found = f"alg is {quoted(name)}" if "alg" in parameters else "it has no alg"
        raise TokenError(
            Reason.UNSUPPORTED_ALGORITHM,
            f"{found}; accepted: {', '.join(algorithms)}",
            key_id=_quoted_key_id(key_id),
        )
    refused = parameters.keys() & REFUSED_PARAMETERS
    if refused:
        raise TokenError(Reason.MALFORMED, f"its header has {', '.join(sorted(refused))}")
    return JwsHeader(parameters, algorithm, key_id)


def split_compact(token: str) -> CompactParts | None:
    """Return the parts of a text, or ``None`` where there are not exactly three. Nothing else is checked."""
    signing_input, _, signature = token.rpartition(".")
    header, dot, payload = signing_input.partition(".")
    return (header, payload, signature, signing_input) if dot and "." not in payload else None


def verify(header: JwsHeader, signature: bytes, signing_input: bytes, key_set: KeySet) -> Jwk:
    """Return the key that signed a message.

    Raises:
        TokenError: no key fits its header [unknown_key], or none of those signed it [bad_signature].
    """
    algorithm = header.algorithm
    search = key_set.search(algorithm.name, header.key_id)
    tries = 0
    if search is not None:
        for tries, key in enumerate(search.start(), 1):
            try:
                algorithm.verify(key.public_key, signature, signing_input)
            except (InvalidSignature, ValueError, UnsupportedAlgorithm):
                continue
            search.found(key, tries)
            return key
        search.failed(tries)
    key_id = _quoted_key_id(header.key_id)
    wanted = f"alg {algorithm.name} and {'no kid' if key_id is None else f'kid {key_id}'}"
    if search is not None:
        raise TokenError(Reason.BAD_SIGNATURE, f"no key for {wanted} has made it", key_id=key_id)
    raise TokenError(
        Reason.UNKNOWN_KEY, f"none of the {len(key_set)} known keys is for {wanted}", key_id=key_id
    )


def _quoted_key_id(key_id: str | None) -> str | None:
    return None if key_id is None else quoted(key_id)


def verify_compact(
    token: str, key_set: KeySet, *, algorithms: Collection[str] = SIGNATURE_ALGORITHMS.keys()
) -> VerifiedJws:
    """Verify a compact JWS (RFC 7515 section 5.2).

    Args:
        token: three base64url parts, ASCII.
        key_set: the keys of the issuer.
        algorithms: what ``alg`` may be.

    Raises:
        TokenError: [malformed, unsupported_algorithm, unknown_key, bad_signature]
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARACTERS:
        raise TokenError(Reason.MALFORMED, f"it is not text of at most {MAX_TOKEN_CHARACTERS} characters")
    parts = split_compact(token)
    if parts is None:
        raise TokenError(Reason.MALFORMED, "it does not have three parts")
    encoded_header, encoded_payload, encoded_signature, signing_input = parts
    payload, signature = base64url.decode(encoded_payload), base64url.decode(encoded_signature)
    header = parse_header(encoded_header, algorithms)
    key = verify(header, signature, signing_input.encode(), key_set)
    return VerifiedJws(header.parameters, payload, key)
