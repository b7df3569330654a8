"""The name under which a token is remembered."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.core.token.cache_key import token_cache_key
from monocloud_mw.options import Options


def name_of(token: str = "token", kind: str = "kind", **settings: Any) -> bytes:
    """Return the name of a token."""
    defaults = {"tenant_domain": "https://acme.example", "audience": ("a", "b"), "client_id": "c"}
    secret = {"client_secret": "s"} if settings.get("client_id", "c") else {}
    return token_cache_key(kind, Options(**{**defaults, **secret, **settings}))(token)


def test_a_name_is_stable() -> None:
    """Machines that share a cache find each other's entries; the order of the audiences does not matter."""
    fields = (b"kind", b"https://acme.example", b"c", b"a", b"b")
    scope = b"".join(len(field).to_bytes(8, "big") + field for field in fields)
    assert name_of() == hashlib.sha256(hashlib.sha256(scope).digest() + b"token").digest()
    assert name_of(audience=["b", "a"]) == name_of(audience={"a", "b"}) == name_of()


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
def test_what_else_a_name_depends_on(other: dict[str, Any]) -> None:
    """What was found out for one API, tenant or client is not believed for another."""
    assert name_of(**other) != name_of()


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
def test_no_two_apis_share_a_name(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Whatever stands in a token or a setting, it cannot be taken for another field."""
    assert name_of(**one) != name_of(**other)


@given(st.text())
def test_any_token_has_a_name(token: str) -> None:
    """Half surrogate pairs, too; and the token is not in it."""
    name = name_of(token)
    assert len(name) == 32
    assert name == name_of(token)
