"""The table of algorithms: its rows agree with the RFCs, and unsafe algorithms are absent."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import asymmetric

from monocloud_mw.jose import SIGNATURE_ALGORITHMS, algorithms

from .samples import ALGORITHMS, PAYLOAD, key

CLASSICAL = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448"),
)
SIGNATURE_BYTES = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), 256),
    "ES256": 64,
    "ES384": 96,
    "ES512": 132,
    "EdDSA": 64,
    "Ed25519": 64,
    "Ed448": 114,
    "ML-DSA-44": 2420,
    "ML-DSA-65": 3309,
    "ML-DSA-87": 4627,
}


def test_the_table() -> None:
    """All algorithms are asymmetric; the post-quantum ones are there where ``cryptography`` has them."""
    post_quantum = () if algorithms.mldsa is None else ("ML-DSA-44", "ML-DSA-65", "ML-DSA-87")
    assert CLASSICAL + post_quantum == ALGORITHMS
    assert all(name == row.name for name, row in SIGNATURE_ALGORITHMS.items())
    assert not {row.key_type for row in SIGNATURE_ALGORITHMS.values()} - {"RSA", "EC", "OKP", "AKP"}


def test_the_table_is_read_only() -> None:
    """Running code cannot add ``none``."""
    with pytest.raises(TypeError):
        SIGNATURE_ALGORITHMS["none"] = SIGNATURE_ALGORITHMS["RS256"]  # type: ignore[index]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_signatures_have_their_length(algorithm: str) -> None:
    """Every signature has exactly the length in the table."""
    row = SIGNATURE_ALGORITHMS[algorithm]
    signatures = [row.sign(key(algorithm).key, PAYLOAD) for _ in range(20)]
    assert {SIGNATURE_BYTES[algorithm]} == set(map(len, signatures))
    for signature in signatures:
        row.verify(key(algorithm).key.public_key(), signature, PAYLOAD)


def test_without_post_quantum_algorithms(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a ``cryptography`` without ML-DSA the other algorithms are all there."""
    monkeypatch.delattr(asymmetric, "mldsa", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    spec = importlib.util.spec_from_file_location("old_algorithms", Path(algorithms.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "old_algorithms", module)  # attrs looks its classes up there
    spec.loader.exec_module(module)
    assert tuple(module.SIGNATURE_ALGORITHMS) == CLASSICAL
