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
    assert name_of() == hashlib.sha256(b"kind\0https://acme.example\0c\0a\0b\0token").digest()
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


@given(st.text())
def test_any_token_has_a_name(token: str) -> None:
    """Half surrogate pairs, too; and the token is not in it."""
    name = name_of(token)
    assert len(name) == 32
    assert name == name_of(token)
