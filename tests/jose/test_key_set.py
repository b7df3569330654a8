"""Key sets: parsing, skipped keys, and the keys tried for a signature."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.frozen import freeze
from monocloud_mw.jose import KeySet
from monocloud_mw.jose.key_set import MAX_KEYS, MAX_REASONS

from .samples import JSON_VALUES, key, key_set


@pytest.mark.parametrize(
    "document", [None, [], "{}", 1, {}, {"keys": None}, {"keys": {}}, {"keys": "x"}, {"Keys": []}]
)
def test_an_invalid_key_set(document: Any) -> None:
    """A document without an array of keys is not a key set, unlike one with an empty array."""
    with pytest.raises(ValueError, match="an object with an array named keys"):
        KeySet.from_dict(document)


def test_an_empty_key_set() -> None:
    """A set without a key that can be used is falsy, so that a caller can refuse it."""
    assert not key_set()
    assert not key_set({"kty": "oct", "k": "c2VjcmV0"})
    assert key_set(key("ES256"))


def test_keys_keep_their_order_and_the_rest_is_explained() -> None:
    """Usable keys come in the order of the document; each skipped one leaves its position and a reason."""
    first, second = key("ES256", "1"), key("RS256", "2")
    found = key_set({"kty": "oct", "k": "c2VjcmV0"}, first, {"kty": "EC"}, second)
    assert [jwk.key_id for jwk in found] == ["1", "2"]
    assert len(found) == 2
    assert found.skipped == (
        "key 0: its kty 'oct' does not verify signatures",
        "key 2: its crv is 'None', not one of P-256, P-384, P-521",
    )
    assert repr(found) == "KeySet(2 keys, 2 skipped)"


def test_skipped_keys_are_redacted() -> None:
    """The record of a skipped key has no part of the key."""
    private = {"kty": "OKP", "crv": "Ed25519", "x": "s3cr3t-x", "d": "s3cr3t-d", "k": "s3cr3t-k"}
    assert "s3cr3t" not in "".join(key_set(private, {"kty": "oct", "k": "s3cr3t-k"}).skipped)


def test_read_only_documents() -> None:
    """Frozen documents, as they come from strict JSON, and other mappings are read like dictionaries."""
    document = {"keys": [key("ES256").public_jwk()]}
    assert len(KeySet.from_dict(freeze(document))) == 1
    assert len(KeySet.from_dict(MappingProxyType(document))) == 1


def test_a_key_is_named_by_its_kid() -> None:
    """The log has the position and the escaped ``kid``."""
    found = KeySet.from_dict({"keys": [{"kid": "a\n"}, {"kid": 5}, {"kid": None}, 5, {"kid": "b" * 200}]})
    assert [reason.partition(": ")[0] for reason in found.skipped] == [
        "key 0 (kid 'a\\n')",
        "key 1 (kid '5')",
        "key 2",
        "key 3",
        f"key 4 (kid '{'b' * 79}...')",
    ]


def test_the_number_of_usable_keys_is_bounded() -> None:
    """Beyond the bound keys are only counted."""
    found = KeySet.from_dict({"keys": [1] * 2 + [key("ES256").public_jwk()] * 50_000})
    assert len(found) == MAX_KEYS
    assert found.skipped[2:] == ("49900 more: at most 100 usable keys",)


def test_keys_that_are_skipped_do_not_count() -> None:
    """A valid key is found after any number of unusable ones; the first of those are named, the others
    counted.
    """
    found = KeySet.from_dict(
        {"keys": [{"kty": "RSA", "use": "enc"}] * (MAX_REASONS + 1) + [key("ES256").public_jwk()] + [1] * 2}
    )
    assert len(found) == 1
    assert len(found.skipped) == MAX_REASONS + 1
    assert found.skipped[-1] == "3 more unusable keys"


@pytest.mark.parametrize(
    ("algorithm", "key_id", "expected"),
    [
        ("RS256", None, ["rsa", "any", "any"]),
        ("RS256", "rsa", ["rsa"]),
        ("RS256", "any", ["any", "any"]),
        ("PS256", None, ["any", "any"]),
        ("PS256", "rsa", []),
        ("ES256", None, ["ec", "any", None]),
        ("ES256", "any", ["any"]),
        ("ES384", None, []),
        ("RS256", "", []),
        ("RS256", "unknown", []),
        ("HS256", "rsa", []),
        ("none", None, []),
    ],
)
def test_select(algorithm: str, key_id: str | None, expected: list[str | None]) -> None:
    """A key is tried if it fits the algorithm and, where the header has a ``kid``, goes by it."""
    rsa_any = {name: value for name, value in key("RS256", "any").public_jwk().items() if name != "alg"}
    found = key_set(
        key("RS256", "rsa"), key("ES256", "ec"), rsa_any, rsa_any, key("ES256", "any"), key("ES256", None)
    )
    assert expected == [jwk.key_id for jwk in found.candidates(algorithm, key_id)]


def test_membership() -> None:
    """A key stays in a set that is read again, and leaves with a rotation."""
    (old,) = key_set(key("RS256", "1"))
    assert old in key_set(key("ES256"), key("RS256", "1"))
    assert old not in key_set(key("ES256", "1"))
    assert old not in key_set(key("RS256", "2"))
    assert "1" not in key_set(key("RS256", "1"))


@given(st.lists(JSON_VALUES))
def test_any_entries(entries: list[Any]) -> None:
    """With any entries, the set is parsed and every entry is used or skipped."""
    found = KeySet.from_dict({"keys": [*entries, key("ES256").public_jwk()]})
    assert len(found) == 1
    assert len(found.skipped) == len(entries)
