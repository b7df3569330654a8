"""The cache key of a token."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.core.token.cache_key import token_cache_key
from monocloud_mw.options import Options


def key_of(token: str = "token", kind: str = "kind", **settings: Any) -> bytes:
    """Return the cache key of a token."""
    defaults = {"tenant_domain": "https://acme.example", "audience": ("a", "b"), "client_id": "c"}
    secret = {"client_secret": "s"} if settings.get("client_id", "c") else {}
    return token_cache_key(kind, Options(**{**defaults, **secret, **settings}))(token)


def test_a_key_is_stable() -> None:
    """Machines that share a cache compute the same key; the order of audiences does not matter."""
    fields = (b"kind", b"https://acme.example", b"c", b"a", b"b")
    scope = b"".join(len(field).to_bytes(8, "big") + field for field in fields)
    assert key_of() == hashlib.sha256(hashlib.sha256(scope).digest() + b"token").digest()
    assert key_of(audience=["b", "a"]) == key_of(audience={"a", "b"}) == key_of()


@pytest.mark.parametrize(
    "other",
    [
        {"token": "other"},
        {"token": "token "},
        {"kind": "other"},
        {"tenant_domain": "https://other.example"},
        {"audience": "a"},
        {"audience": ("a", "c")},
        {"client_id": "other"},
        {"client_id": None},
    ],
    ids=str,
)
def test_a_key_depends_on_the_api_tenant_and_client(other: dict[str, Any]) -> None:
    """The key depends on the API, the tenant and the client."""
    assert key_of(**other) != key_of()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"audience": "x", "token": "y\0T"}, {"audience": ("x", "y"), "token": "T"}),
        ({"audience": "x", "token": "\0" * 7 + "\1yT"}, {"audience": ("x", "y"), "token": "T"}),
        ({"audience": "ab"}, {"audience": ("a", "b")}),
        ({"client_id": "ca", "audience": "b"}, {"client_id": "c", "audience": ("a", "b")}),
        ({"client_id": None, "audience": ("a", "b")}, {"client_id": "a", "audience": "b"}),
    ],
    ids=["a separator", "a length", "one or two audiences", "client or audience", "no client"],
)
def test_no_two_apis_share_a_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    """No value in a token or an option can be mistaken for another field."""
    assert key_of(**one) != key_of(**other)


@given(st.text())
def test_any_token_has_a_key(token: str) -> None:
    """Any text has a key, even with unpaired surrogates, and the key does not contain the token."""
    key = key_of(token)
    assert len(key) == 32
    assert key == key_of(token)
