"""Private keys as JWKs, one kind for each signature algorithm that the provider knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwk

__all__ = ["ALGORITHMS", "generate_jwk", "generate_key_set"]

# Key type, and size or curve, by the algorithm they serve.
_KINDS: Final[Mapping[str, tuple[Any, Any]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", 2048)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    **dict.fromkeys(("EdDSA", "Ed25519"), ("OKP", "Ed25519")),
}
ALGORITHMS: Final = tuple(_KINDS)


def generate_jwk(algorithm: str, **members: str) -> dict[str, Any]:
    """Generate a private key for an algorithm, with further members such as ``kid``."""
    key_type, size = _KINDS[algorithm]
    parameters: Any = members
    key: jwk.Key = jwk.generate_key(key_type, size, parameters)
    return dict(key.as_dict(private=True))


def generate_key_set(label: str) -> dict[str, Any]:
    """Generate private keys for all algorithms, their ``kid`` starting with ``label``.

    One RSA and one Edwards key serve several algorithms each, so they have no ``alg``.
    """
    algorithms = {kind: algorithm for algorithm, kind in _KINDS.items()}
    return {
        "keys": [
            generate_jwk(algorithm, kid=f"{label} {key_type} {size}")
            for (key_type, size), algorithm in algorithms.items()
        ]
    }
