"""Verify signed messages in compact serialization (RFC 7515).

Checks in this order, cheap before expensive: size, exactly three parts, strict base64url, a small and strict
JSON header, an accepted ``alg``, and no header parameter that changes the meaning of the message. Only then
are keys looked up and the signature verified. ``jwk``, ``jku``, ``x5u`` and ``x5c`` in a header are ignored:
a message must not supply its own key (RFC 8725 section 3.10 and RFC 7515 section 10.3).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, TypeAlias

import attrs
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from ..errors import Reason, TokenError
from ..frozen import FrozenDict
from ..quoting import quoted, quoted_list
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
"""Twice the usual limit of servers for a header line; the largest real tokens have about four thousand."""

MAX_HEADER_CHARACTERS: Final = 4 * 1024
"""The header is parsed before the signature is verified, so its limit is lower; a certificate still fits."""

MAX_HEADER_VALUES: Final = 64
"""The limit for names, elements and nesting together: rejecting a header with thousands of them would take a
hundred times as long as accepting a valid token."""

REFUSED_PARAMETERS: Final = frozenset({"crit", "b64", "enc", "zip"})
"""Parameters that change the meaning of a message: critical extensions, of which none is supported (RFC 7515
section 4.1.11), an unencoded payload (forbidden in JWTs by RFC 7797 section 7), and those of a JWE (RFC 7516
section 4.1)."""


CompactParts: TypeAlias = tuple[str, str, str, str]
"""The encoded header, payload and signature, and the signing input: header and payload, joined by a dot."""


@attrs.frozen
class JwsHeader:
    """A header that has passed the checks of :func:`parse_header`.

    Args:
        parameters: all header parameters, read-only.
        algorithm: the algorithm of ``alg``.
        key_id: ``kid``.
    """

    parameters: FrozenDict = attrs.field(repr=False)
    algorithm: Algorithm
    key_id: str | None = attrs.field(repr=False)


@attrs.frozen
class VerifiedJws:
    """A message with a verified signature, and the key that made it."""

    header: FrozenDict = attrs.field(repr=False)
    payload: bytes = attrs.field(repr=False)
    key: Jwk


def parse_header(segment: str, algorithms: Collection[str] = SIGNATURE_ALGORITHMS.keys()) -> JwsHeader:
    """Parse the first part of a compact JWS (RFC 7515 section 4).

    Raises:
        TokenError: [malformed], or [unsupported_algorithm] if ``alg`` is not one of ``algorithms``.
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
            expected=f"alg {quoted_list(algorithms)}",
            found=found,
        )
    refused = parameters.keys() & REFUSED_PARAMETERS
    if refused:
        raise TokenError(Reason.MALFORMED, f"its header must not contain {', '.join(sorted(refused))}")
    return JwsHeader(parameters, algorithm, key_id)


def split_compact(token: str) -> CompactParts | None:
    """Return the parts of a token, or ``None`` if there are not exactly three; do not check anything else."""
    signing_input, _, signature = token.rpartition(".")
    header, dot, payload = signing_input.partition(".")
    return (header, payload, signature, signing_input) if dot and "." not in payload else None


def verify(header: JwsHeader, signature: bytes, signing_input: bytes, key_set: KeySet) -> Jwk:
    """Return the key that signed a message.

    Raises:
        TokenError: no key matches the header [unknown_key], or no matching key signed it [bad_signature].
    """
    algorithm = header.algorithm
    search = key_set.search(algorithm.name, header.key_id)
    failures = 0
    if search is not None:
        for key in search.start():
            try:
                algorithm.verify(key.public_key, signature, signing_input)
            except (InvalidSignature, ValueError, UnsupportedAlgorithm):
                failures += 1
                continue
            if failures:
                search.found(key, failures)
            return key
        search.failed(failures)
    key_id = _quoted_key_id(header.key_id)
    wanted = f"alg {algorithm.name} and {'no kid' if key_id is None else f'kid {key_id}'}"
    if search is not None:
        raise TokenError(
            Reason.BAD_SIGNATURE, f"it does not match any tenant key with {wanted}", key_id=key_id
        )
    raise TokenError(
        Reason.UNKNOWN_KEY, f"none of the tenant's {len(key_set)} keys has {wanted}", key_id=key_id
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
        algorithms: the accepted values of ``alg``.

    Raises:
        TokenError: [malformed, unsupported_algorithm, unknown_key, bad_signature]
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARACTERS:
        raise TokenError(Reason.MALFORMED, f"it is not a string of at most {MAX_TOKEN_CHARACTERS} characters")
    parts = split_compact(token)
    if parts is None:
        raise TokenError(Reason.MALFORMED, "it does not have three parts")
    encoded_header, encoded_payload, encoded_signature, signing_input = parts
    payload, signature = base64url.decode(encoded_payload), base64url.decode(encoded_signature)
    header = parse_header(encoded_header, algorithms)
    key = verify(header, signature, signing_input.encode(), key_set)
    return VerifiedJws(header.parameters, payload, key)
