"""The claims of a request: read-only, JSON, and without values in their repr."""

from __future__ import annotations

import copy
import dataclasses
import json
import operator
import pickle
import re
from collections.abc import Callable
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.frozen import FrozenDict, freeze

from .test_frozen import JSON, MUTATIONS

# The separators of str.split() besides U+0020; Unicode has none above U+FFFF.
OTHER_WHITE_SPACE = [chr(code) for code in range(0x10000) if chr(code).isspace() and code != 0x20]

CLAIMS: dict[str, Any] = {
    "iss": "https://acme.us.monocloud.com",
    "sub": "user-1",
    "aud": ["https://api.example.com"],
    "client_id": "client-1",
    "scope": "orders:read orders:write",
    "groups": ["admins", {"id": "g-2", "name": "Staff"}],
    "exp": 1_700_000_600,
    "nbf": 1_700_000_000.5,
    "iat": 1_700_000_000,
    "jti": "token-1",
}


def test_the_properties_return_the_registered_claims() -> None:
    """Each property returns the claim that its documentation names."""
    claims = AccessTokenClaims(CLAIMS)
    assert claims.issuer == "https://acme.us.monocloud.com"
    assert claims.subject == "user-1"
    assert claims.audience == ("https://api.example.com",)
    assert claims.client_id == "client-1"
    assert claims.scopes == {"orders:read", "orders:write"}
    assert claims.groups == ("admins", "g-2", "Staff")
    assert claims.expires_at == 1_700_000_600
    assert claims.not_before == 1_700_000_000.5
    assert claims.issued_at == 1_700_000_000
    assert claims.token_id == "token-1"


def test_arrays_are_lists() -> None:
    """Code that reads claims by name gets the types of a JSON parser."""
    claims = AccessTokenClaims(CLAIMS)
    assert claims == CLAIMS
    assert isinstance(claims["aud"], list)
    assert AccessTokenClaims({"groups": ["a"]})["groups"] == ["a"]


def test_absent_claims_are_none_or_empty() -> None:
    """The property of a missing claim is not an error."""
    claims = AccessTokenClaims({})
    single = (
        claims.issuer,
        claims.subject,
        claims.client_id,
        claims.expires_at,
        claims.not_before,
        claims.issued_at,
        claims.token_id,
    )
    assert single == (None,) * 7
    assert (claims.audience, claims.scopes, claims.groups) == ((), frozenset(), ())


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        ("api", ("api",)),
        (["api", "other"], ("api", "other")),
        (["api", 1, None], ("api",)),
        ([], ()),
        (None, ()),
        (5, ()),
        ({"api": 1}, ()),
    ],
)
def test_the_audience_is_always_a_tuple_of_strings(audience: Any, expected: tuple[str, ...]) -> None:
    """An invalid audience is an empty tuple."""
    assert AccessTokenClaims({"aud": audience}).audience == expected


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("a b", {"a", "b"}),
        ("  a   b ", {"a", "b"}),
        (" ", set()),
        *((f"x{character}admin", {f"x{character}admin"}) for character in OTHER_WHITE_SPACE),
        (["a b", "", "c"], {"a b", "c"}),
        ("A a", {"A", "a"}),
        ("", set()),
        (["a", "b"], {"a", "b"}),
        (["a", 1, None, {"b": 1}], {"a"}),
        (None, set()),
        (True, set()),
        ({"a": 1}, set()),
    ],
)
def test_scopes_come_as_text_or_as_an_array(scope: Any, expected: set[str]) -> None:
    """Only U+0020 separates scopes (RFC 6749 section 3.3); other types than text and arrays have no
    scopes.
    """
    assert AccessTokenClaims({"scope": scope}).scopes == expected


def test_scopes_and_groups_are_read_once() -> None:
    """The collections are parsed once, so that 400 groups cost a request nothing."""
    claims = AccessTokenClaims({"scope": "a b", "groups": ["a", {"id": "1", "name": "b"}]})
    assert claims.scopes is claims.scopes
    assert claims.groups is claims.groups
    assert claims.group_set is claims.group_set
    assert claims.group_set == {"a", "1", "b"}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["a", "b"], ("a", "b")),
        ("a b", ("a b",)),
        ([{"id": "1", "name": "a"}], ("1", "a")),
        ({"id": "1", "name": "a"}, ("1", "a")),
        ([{"name": "a"}, {"id": "1"}, {}], ("a", "1")),
        ([{"id": 1, "name": None}, 2, None, True, ["a"]], ()),
        (None, ()),
        (7, ()),
    ],
)
def test_groups_are_strings_or_objects(groups: Any, expected: tuple[str, ...]) -> None:
    """A group has a name and an ID; other values are not groups."""
    assert AccessTokenClaims({"groups": groups}).groups == expected


def test_the_claim_with_the_groups_has_a_name() -> None:
    """Only the configured claim is used."""
    claims = AccessTokenClaims({"groups": ["a"], "roles": ["b"]}, groups_claim="roles")
    assert claims.groups == ("b",)


@pytest.mark.parametrize(
    ("name", "claims", "expected"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, ("a",)),
        ("a.b.c", {"a": {"b": {"c": "x"}}}, ("x",)),
        ("a.b.c", {"a": {"b.c": "x"}}, ("x",)),
        ("a.b", {"a.b": "literal", "a": {"b": "path"}}, ("literal",)),
        ("a.b", {"a.b": None, "a": {"b": "path"}}, ()),
        ("a.b", {"a": ["b"]}, ()),
        ("a.b", {"a": "b"}, ()),
        ("a.b", {"a": None}, ()),
        ("a.b", {}, ()),
        ("a.b", {"b": "x"}, ()),
        ("a.", {"a": {"b": "x"}}, ()),
        (".a", {"a": "x"}, ()),
        ("https://x.example/groups", {"https://x.example/groups": ["a"]}, ("a",)),
        ("https://x.example/groups", {"https://x": {"example/groups": ["a"]}}, ()),
        ("cognito:groups", {"cognito:groups": ["a"]}, ("a",)),
        ("urn:a.b", {"urn:a": {"b": "x"}}, ()),
    ],
)
def test_a_claim_may_be_inside_objects(name: str, claims: dict[str, Any], expected: tuple[str, ...]) -> None:
    """A claim with exactly that name takes precedence over a path; names with a colon or slash are not
    paths.
    """
    found = AccessTokenClaims(claims, groups_claim=name, scopes_claim=name)
    assert found.groups == expected
    assert found.scopes == set(expected)


def test_the_claim_with_the_scopes_has_a_name() -> None:
    """Only the configured claim is used, also by copies."""
    claims = AccessTokenClaims({"scope": "a", "scp": ["b", "c"]}, scopes_claim="scp")
    assert claims.scopes == {"b", "c"}
    assert pickle.loads(pickle.dumps(claims)).scopes == {"b", "c"}


@pytest.mark.parametrize("mutate", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_claims_cannot_be_changed(mutate: Callable[[Any], object]) -> None:
    """Claims are shared by all requests with the same token."""
    claims = AccessTokenClaims({"a": 1})
    with pytest.raises((TypeError, AttributeError)):
        mutate(claims)
    assert claims == {"a": 1}


def test_claims_are_made_once() -> None:
    """Calling the constructor again changes nothing."""
    claims = AccessTokenClaims(CLAIMS)
    with pytest.raises(TypeError, match="AccessTokenClaims is read-only"):
        claims.__init__({"sub": "somebody else"}, groups_claim="roles")  # type: ignore[misc]
    assert claims == CLAIMS
    assert claims.groups == ("admins", "g-2", "Staff")
    with pytest.raises(TypeError, match="AccessTokenClaims is read-only"):
        AccessTokenClaims({}).__init__({"sub": "somebody"})  # type: ignore[misc]


@pytest.mark.parametrize(
    "mutate",
    [
        lambda claims: operator.setitem(claims["cnf"], "jkt", "x"),
        lambda claims: claims["aud"].append("x"),
        lambda claims: operator.setitem(claims["groups"][0], "name", "x"),
    ],
    ids=["object", "array", "object in an array"],
)
def test_nothing_inside_claims_can_be_changed(mutate: Callable[[Any], object]) -> None:
    """Nested values are read-only too."""
    original = {"cnf": {"x5t#S256": "y"}, "aud": ["a"], "groups": [{"name": "b"}]}
    claims = AccessTokenClaims(original)
    with pytest.raises((TypeError, AttributeError)):
        mutate(claims)
    assert json.dumps(claims) == json.dumps(original)


def test_the_properties_cannot_be_set() -> None:
    """A handler cannot change the scopes or groups."""
    claims = AccessTokenClaims(CLAIMS)
    for name in ("subject", "scopes", "groups", "group_set", "anything"):
        with pytest.raises(AttributeError):
            setattr(claims, name, "x")


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda claims: pickle.loads(pickle.dumps(claims))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_claims_copy_and_pickle(again: Callable[[Any], AccessTokenClaims]) -> None:
    """A worker process gets the same claims, read-only, with the same groups."""
    claims = AccessTokenClaims({"roles": ["b"], "cnf": {"jkt": "x"}}, groups_claim="roles")
    other = again(claims)
    assert type(other) is AccessTokenClaims
    assert other == claims
    assert other.groups == ("b",)
    with pytest.raises(TypeError):
        other["cnf"]["jkt"] = "y"


def test_libraries_can_rebuild_claims() -> None:
    """``dataclasses.asdict`` creates a container of the same type from the old one's values."""

    @dataclasses.dataclass
    class Holder:
        claims: AccessTokenClaims

    (again,) = dataclasses.asdict(Holder(AccessTokenClaims(CLAIMS))).values()
    assert again == CLAIMS
    with pytest.raises(TypeError):
        again["aud"].append("x")


def test_frozen_claims_are_taken_as_they_are() -> None:
    """Values frozen by strict parsing are not traversed again."""
    inner = freeze({"cnf": {"jkt": "x"}})
    assert isinstance(inner, FrozenDict)
    assert AccessTokenClaims(inner)["cnf"] is inner["cnf"]


def test_the_repr_holds_no_values() -> None:
    """Claims are personal data, and reprs may be logged."""
    claims = AccessTokenClaims({"sub": "Zo\u00eb", "e\nmail": "zoe@example.com"})
    assert repr(claims) == "AccessTokenClaims('sub', 'e\\nmail')"
    inner = AccessTokenClaims({"cnf": {"jkt": "x"}, "groups": ["Zo\u00eb"]})
    assert f"{inner['cnf']} {inner['groups']}" == "FrozenDict('jkt') FrozenList(1 value)"


def test_the_text_tells_callers_apart() -> None:
    """The text is the same for all tokens of a caller, differs between callers, and holds no values."""
    callers: list[dict[str, Any]] = [
        {"iss": "https://a.test", "sub": "Zo\u00eb"},
        {"iss": "https://a.test", "sub": "bob"},
        {"iss": "https://a.test", "client_id": "bob"},
        {"iss": "https://a.test", "client_id": "worker"},
        {"iss": "https://b.test", "sub": "bob"},
        {"iss": "https://a.test"},
        {"sub": "\ud800"},
        {"sub": 5},
    ]
    texts = [str(AccessTokenClaims(claims)) for claims in callers]
    assert len(set(texts)) == len(callers)
    assert all(re.fullmatch(r"AccessTokenClaims\(caller [0-9a-f]{32}\)", text) for text in texts)
    later = [{**claims, "exp": 5, "scope": "a"} for claims in callers]
    assert [str(AccessTokenClaims(claims)) for claims in later] == texts


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_claims_serialise_as_they_are(value: dict[str, Any]) -> None:
    """``json.dumps`` gives the same text as for plain claims, whatever their types."""
    assert json.dumps(AccessTokenClaims(value)) == json.dumps(value)


@pytest.mark.parametrize("value", [True, {}, [], "1", {"a": 1}], ids=repr)
@pytest.mark.parametrize(
    ("claim", "name"), [("exp", "expires_at"), ("nbf", "not_before"), ("iat", "issued_at")]
)
def test_a_date_is_a_number(claim: str, name: str, value: Any) -> None:
    """A date of another type is absent from the properties; the claim itself is unchanged."""
    claims = AccessTokenClaims({claim: value})
    assert (getattr(claims, name), claims[claim]) == (None, value)


@pytest.mark.parametrize("value", [5, True, {}, ["a"], None], ids=repr)
@pytest.mark.parametrize(
    ("claim", "name"),
    [("iss", "issuer"), ("sub", "subject"), ("client_id", "client_id"), ("jti", "token_id")],
)
def test_a_name_is_a_string(claim: str, name: str, value: Any) -> None:
    """A name of another type is absent from the properties; the claim itself is unchanged."""
    claims = AccessTokenClaims({claim: value})
    assert (getattr(claims, name), claims[claim]) == (None, value)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "roles"]), JSON))
def test_no_claim_breaks_a_property(value: dict[str, Any]) -> None:
    """With claims of any JSON type the properties are collections of strings."""
    claims = AccessTokenClaims(value)
    assert all(isinstance(name, str) for name in (*claims.audience, *claims.scopes, *claims.groups))
    texts = (claims.issuer, claims.subject, claims.client_id, claims.token_id)
    assert {type(text) for text in texts} <= {str, type(None)}
    dates = (claims.expires_at, claims.not_before, claims.issued_at)
    assert {type(date) for date in dates} <= {int, float, type(None)}
    assert repr(claims).isascii()


def test_pydantic_keeps_claims_and_creates_none() -> None:
    """A field of this type accepts validated claims and refuses input that looks like claims."""
    adapter = pydantic.TypeAdapter(AccessTokenClaims)
    claims = AccessTokenClaims({"sub": "alice"})
    assert adapter.validate_python(claims) is claims
    assert adapter.dump_python(claims) == {"sub": "alice"}
    assert adapter.json_schema() == {
        "type": "object",
        "title": "AccessTokenClaims",
        "additionalProperties": True,
    }
    with pytest.raises(pydantic.ValidationError):
        adapter.validate_python({"sub": "mallory"})
