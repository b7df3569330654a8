"""The requirements of a route: parsed once, never ignored, and compared exactly."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.core.token.requirements import NO_REQUIREMENTS, Requirements, check_groups, check_scopes
from monocloud_mw.errors import ConfigurationError, Problem, Reason, TokenError

BLANK_ENTRY = "every entry must be a non-empty string"


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ("a", {"a"}),
        ("a b", {"a", "b"}),
        (" a  b ", {"a", "b"}),
        (["a", "b"], {"a", "b"}),
        (("a",), {"a"}),
        ({"a"}, {"a"}),
        (frozenset({"a"}), {"a"}),
        ([], set()),
    ],
)
def test_scopes_are_one_string_or_several(scopes: Any, expected: set[str]) -> None:
    """One string lists scopes as in a token (RFC 6749 section 3.3)."""
    assert Requirements.of(scopes=scopes) == Requirements(frozenset(expected), ())


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("admin", ({"admin"},)),
        ("two words", ({"two words"},)),
        (["a", "b"], ({"a", "b"},)),
        (("a",), ({"a"},)),
        ({"a"}, ({"a"},)),
        ([], ()),
    ],
)
def test_groups_are_one_string_or_several(groups: Any, expected: tuple[set[str], ...]) -> None:
    """One string is one group; it is not split into letters."""
    assert Requirements.of(groups=groups) == Requirements(frozenset(), tuple(map(frozenset, expected)))


@pytest.mark.parametrize(
    ("any_scopes", "expected"),
    [("a", ({"a"},)), ("a  b", ({"a", "b"},)), (["a", "b"], ({"a", "b"},)), ({"a"}, ({"a"},)), ([], ())],
)
def test_any_scopes_are_one_string_or_several(any_scopes: Any, expected: tuple[set[str], ...]) -> None:
    """any_scopes are parsed like scopes, into one set of alternatives."""
    found = Requirements.of(any_scopes=any_scopes)
    assert found == Requirements(any_scopes=tuple(map(frozenset, expected)))


@pytest.mark.parametrize("nothing", [(), []])
def test_no_requirements(nothing: Any) -> None:
    """Without scopes and groups, any valid token is enough."""
    assert Requirements.of(nothing, nothing, nothing) == NO_REQUIREMENTS
    assert Requirements.of() == NO_REQUIREMENTS


@pytest.mark.parametrize("option", ["scopes", "groups", "any_scopes"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", BLANK_ENTRY),
        ("  \t", BLANK_ENTRY),
        ([""], BLANK_ENTRY),
        (["a", " "], BLANK_ENTRY),
        (["a", None], BLANK_ENTRY),
        ([5], BLANK_ENTRY),
        ([["a"]], BLANK_ENTRY),
        ([b"a"], BLANK_ENTRY),
        (None, "must be a string or a list of strings, not NoneType"),
        (False, "must be a string or a list of strings, not bool"),
        (5, "must be a string or a list of strings, not int"),
        (b"a", "must be a string or a list of strings, not bytes"),
        ({"a": True}, "must be a string or a list of strings, not dict"),
        (iter(["a"]), "must be a string or a list of strings, not list_iterator"),
    ],
)
def test_an_invalid_requirement_is_refused(option: str, value: Any, message: str) -> None:
    """A requirement that was ignored would open the route."""
    with pytest.raises(ConfigurationError) as caught:
        Requirements.of(**{option: value})
    assert caught.value.problems == (Problem(option, None, message),)


@pytest.mark.parametrize(
    "scopes",
    [
        *(["a b"], [" a"], ["a\n"], ["a", "b c"], ["a", "\0"]),
        *(
            f"read{other}admin"
            for other in "\t\n\r\f\v\0\x1b\x1c\x7f\x85\u00a0\u200b\u2003\u2028\u3000\ud800"
        ),
        *("read\n", "\tread"),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("option", ["scopes", "any_scopes"])
def test_only_spaces_separate_scopes(option: str, scopes: Any) -> None:
    """Only spaces separate scopes, and no scope contains other separators (RFC 6749 section 3.3)."""
    with pytest.raises(ConfigurationError) as caught:
        Requirements.of(**{option: scopes})
    message = "a scope must not contain white space or control characters; write ['a', 'b'] or 'a b'"
    assert caught.value.problems == (Problem(option, None, message),)


@pytest.mark.parametrize(
    "values",
    [("a", "x", "c d"), (["a"], ["x"], ["c", "d"]), ({"a"}, {"x"}, {"c", "d"})],
    ids=["strings", "lists", "sets"],
)
def test_equal_requirements_are_read_once(values: tuple[Any, Any, Any]) -> None:
    """Code that calls a client directly writes the same requirements for every token, often as lists."""
    again = copy.deepcopy(values)
    assert Requirements.of(*values) is Requirements.of(*again)


def test_a_list_that_changes_is_read_again() -> None:
    """The values count, not the list."""
    scopes = ["a"]
    first = Requirements.of(scopes)
    scopes.append("b")
    assert first.scopes == {"a"}
    assert Requirements.of(scopes).scopes == {"a", "b"}


def test_all_problems_are_reported_together() -> None:
    """One error names all problems."""
    with pytest.raises(ConfigurationError) as caught:
        Requirements.of(scopes=None, groups=[""])  # type: ignore[arg-type]
    assert [problem.option for problem in caught.value.problems] == ["scopes", "groups"]


def test_merged_requirements() -> None:
    """The scopes of both apply; each set of groups must be met on its own, and duplicates are dropped."""
    first = Requirements.of("a", "staff")
    second = Requirements.of("b", ["admins", "owners"])
    both = first.merge(second)
    assert both.scopes == {"a", "b"}
    assert both.groups == (frozenset({"staff"}), frozenset({"admins", "owners"}))
    assert both.merge(first) == both
    assert NO_REQUIREMENTS.merge(NO_REQUIREMENTS) == NO_REQUIREMENTS


def test_merged_alternatives() -> None:
    """Each set must be met on its own: a merged set would require less than either."""
    first = Requirements.of("x", any_scopes="a b")
    second = Requirements.of(any_scopes="b c")
    both = first.merge(second)
    assert both.any_scopes == (frozenset("ab"), frozenset("bc"))
    assert both.merge(second) == both
    assert NO_REQUIREMENTS.merge(first) == first == first.merge(NO_REQUIREMENTS)
    for granted in ("x b", "x a c"):
        check_scopes(AccessTokenClaims({"scope": granted}), both)
    for granted in ("x a", "x c", "a c", "x"):
        with pytest.raises(TokenError) as caught:
            check_scopes(AccessTokenClaims({"scope": granted}), both)
        assert caught.value.reason is Reason.INSUFFICIENT_SCOPE
        assert caught.value.scopes == ("a", "b", "c", "x")


@pytest.mark.parametrize("granted", ["a", "b x", ["b"], "a b"])
def test_any_scope_is_enough(granted: Any) -> None:
    """One of the scopes is enough."""
    check_scopes(AccessTokenClaims({"scope": granted}), Requirements.of(any_scopes="a b"))


@pytest.mark.parametrize("granted", [None, "", "A", "ab", "a\u00a0b", "c", {"a": True}])
def test_without_any_of_the_scopes_a_token_is_refused(granted: Any) -> None:
    """The log and the challenge name the alternatives."""
    with pytest.raises(TokenError) as caught:
        check_scopes(AccessTokenClaims({"scope": granted}), Requirements.of(any_scopes="b a"))
    error = caught.value
    assert (error.reason, error.detail) == (Reason.INSUFFICIENT_SCOPE, "none of \"['a', 'b']\"")
    assert error.scopes == ("a", "b")


@pytest.mark.parametrize(
    ("granted", "required"),
    [("a b c", "a b"), ("a", "a"), (["a", "b"], "b"), ("anything", ())],
)
def test_all_scopes_are_granted(granted: Any, required: Any) -> None:
    """Additional scopes do no harm."""
    check_scopes(AccessTokenClaims({"scope": granted}), Requirements.of(required))


@pytest.mark.parametrize(
    ("claims", "required"),
    [
        ({"scope": "a"}, "a b"),
        ({"scope": "A"}, "a"),
        ({"scope": "ab"}, "a"),
        ({"scope": ""}, "a"),
        *(({"scope": f"x{other}a"}, "a") for other in "\t\n\r\f\v\x1c\x85\u00a0\u2003\u2028\u3000"),
        ({}, "a"),
        ({"scope": None}, "a"),
        ({"scope": True}, "a"),
        ({"scope": {"a": True}}, "a"),
        ({"scopes": "a"}, "a"),
    ],
)
def test_a_missing_scope_is_refused(claims: Any, required: str) -> None:
    """The error lists all required scopes, as in ``WWW-Authenticate`` (RFC 6750 section 3)."""
    with pytest.raises(TokenError) as caught:
        check_scopes(AccessTokenClaims(claims), Requirements.of(required))
    assert caught.value.reason is Reason.INSUFFICIENT_SCOPE
    assert caught.value.code == "insufficient_scope"
    assert caught.value.scopes == tuple(sorted(required.split()))


@pytest.mark.parametrize(
    ("groups", "required", "match_all"),
    [
        (["a", "b"], ["b", "c"], False),
        (["a"], "a", True),
        (["a", "b"], ["a", "b"], True),
        ([{"id": "1", "name": "a"}], ["1", "a"], True),
        ([{"id": "1", "name": "a"}], "1", False),
        ([{"id": "1", "name": "a"}], "a", False),
        ("a", "a", False),
        (None, (), True),
    ],
)
def test_required_groups(groups: Any, required: Any, match_all: bool) -> None:
    """One group is enough, or all of them if so configured; by name or by ID."""
    check_groups(AccessTokenClaims({"groups": groups}), Requirements.of(groups=required), match_all=match_all)


@pytest.mark.parametrize(
    ("groups", "required", "match_all"),
    [
        (["a"], ["b", "c"], False),
        (["a"], ["a", "b"], True),
        (["A"], "a", False),
        (["admins"], "admin", False),
        ([], "a", False),
        (None, "a", False),
        ([True, 1, None], "a", False),
        ("a b", "a", False),
    ],
)
def test_a_missing_group_is_refused(groups: Any, required: Any, match_all: bool) -> None:
    """Names are compared exactly; the error also lists the required scopes."""
    with pytest.raises(TokenError) as caught:
        check_groups(
            AccessTokenClaims({"groups": groups}), Requirements.of("b a", required), match_all=match_all
        )
    assert caught.value.reason is Reason.INSUFFICIENT_GROUPS
    assert caught.value.code == "insufficient_groups"
    assert caught.value.scopes == ("a", "b")


def test_every_set_of_groups_must_be_met() -> None:
    """The groups of a rule are required in addition to those of the middleware."""
    both = Requirements.of(groups="staff").merge(Requirements.of(groups=["admins", "owners"]))
    check_groups(AccessTokenClaims({"groups": ["staff", "owners"]}), both, match_all=False)
    for groups in (["staff"], ["admins", "owners"]):
        with pytest.raises(TokenError):
            check_groups(AccessTokenClaims({"groups": groups}), both, match_all=False)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.text()


@given(SCALARS | st.lists(SCALARS) | st.frozensets(SCALARS) | st.dictionaries(st.text(), SCALARS))
def test_a_requirement_is_never_lost(value: Any) -> None:
    """Any value gives at least one requirement, is empty, or is refused."""
    for option in ("scopes", "groups", "any_scopes"):
        try:
            requirements = Requirements.of(**{option: value})
        except ConfigurationError as error:
            problems = error.problems
            assert problems
        else:
            assert requirements != NO_REQUIREMENTS or (not isinstance(value, str) and len(value) == 0)
