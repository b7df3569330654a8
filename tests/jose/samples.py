"""Keys and messages for the tests of this layer, each created once."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from hypothesis import strategies as st

from monocloud_mw.errors import Reason, TokenError
from monocloud_mw.jose import SIGNATURE_ALGORITHMS, KeySet, SigningKey, base64url

VECTORS = Path(__file__).parent.parent / "vectors"
ALGORITHMS = tuple(SIGNATURE_ALGORITHMS)
PAYLOAD = b'{"sub":"Zo\xc3\xab","scope":"orders:read"}'

# Surrogates are left out, since UTF-8 cannot encode them.
_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(_TEXT, values, max_size=4),
    max_leaves=8,
)
JSON_OBJECTS = st.dictionaries(_TEXT, JSON_VALUES, max_size=6)


@functools.cache
def key(algorithm: str, key_id: str | None = "key") -> SigningKey:
    """Return the signing key for an algorithm; the RSA algorithms share one, since making it takes long."""
    if algorithm[:2] in ("RS", "PS") and (algorithm, key_id) != ("RS256", "key"):
        return attrs.evolve(key("RS256"), algorithm=algorithm, key_id=key_id)
    return SigningKey.generate(algorithm, key_id)


@functools.cache
def stranger(algorithm: str, key_id: str | None = "key") -> SigningKey:
    """Return another key for an algorithm, with the same ``kid``."""
    if algorithm[:2] in ("RS", "PS") and algorithm != "RS256":
        return attrs.evolve(stranger("RS256"), algorithm=algorithm, key_id=key_id)
    return SigningKey.generate(algorithm, key_id)


def key_set(*keys: SigningKey | Mapping[str, Any]) -> KeySet:
    """Return the key set that publishes keys."""
    return KeySet.from_dict(
        {"keys": [key.public_jwk() if isinstance(key, SigningKey) else key for key in keys]}
    )


def segment(header: Any) -> str:
    """Return a header as the first part of a compact JWS: JSON of a value, or bytes as they are."""
    return base64url.encode(header if isinstance(header, bytes) else json.dumps(header).encode())


def reason_of(function: Callable[..., Any], *arguments: Any) -> Reason | None:
    """Return the reason of a refusal, or ``None``; other errors are not caught."""
    try:
        function(*arguments)
    except TokenError as error:
        return error.reason
    return None


def vectors(kind: str) -> list[Any]:
    """Return the published examples of one kind from all files, each with its source."""
    found = []
    for path in sorted(VECTORS.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        source = document["source"].partition(",")[0]
        found += [{**vector, "name": f"{source} {vector['section']}"} for vector in document.get(kind, ())]
    return found


def encoded_number(value: int) -> str:
    """Return a Base64urlUInt (RFC 7518 section 2)."""
    return base64url.encode(value.to_bytes((value.bit_length() + 7) // 8 or 1, "big"))
