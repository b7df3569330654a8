"""Path rules: requirements of a request, disguised paths, and mistakes found at start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.core.token.requirements import NO_REQUIREMENTS, Requirements
from monocloud_mw.errors import ConfigurationError
from monocloud_mw.protect.paths import MAX_PATH_CHARACTERS
from monocloud_mw.protect.policy import Policy
from monocloud_mw.protect.rules import Rule

from .test_paths import HIDDEN_ADMIN, UNREADABLE_PATHS


def _needs(scopes: str = "", *groups: str) -> Requirements:
    return Requirements(frozenset(scopes.split()), tuple(frozenset({group}) for group in groups))


API = Policy(
    [
        Rule("/healthz", public=True),
        Rule("/static/<path:file>", public=True),
        Rule("/static/private/<path:file>"),
        Rule("/orders", methods=["POST"], scopes=["orders:write"]),
        Rule("/orders/<int(max=9):number>", groups="staff"),
        Rule("/admin/<path:rest>", groups=["admin"]),
        Rule("/admin/reports", methods="get", scopes="reports:read"),
        Rule("/admin/login", public=True),
        Rule("/caf\u00e9", public=True),
        Rule("/files/<name>", groups=["files"]),
        Rule("/page/<int(max=9):number>", public=True),
    ],
    scopes="api",
)
EVERYTHING = _needs("api orders:write reports:read", "staff", "admin", "files")

LOOKUPS: dict[str, tuple[str, str, Requirements | None]] = {
    "unnamed": ("GET", "/unnamed", _needs("api")),
    "root": ("GET", "/", _needs("api")),
    "empty": ("GET", "", _needs("api")),
    "all of the server": ("OPTIONS", "*", _needs("api")),
    "public": ("GET", "/healthz", None),
    "public with a slash": ("GET", "/healthz/", None),
    "public by any method": ("DELETE", "/healthz", None),
    "public letters beyond ASCII": ("GET", "/caf\u00e9", None),
    "public in another case": ("GET", "/HEALTHZ", _needs("api")),
    "public and then something": ("GET", "/healthz/more", _needs("api")),
    "below a public directory": ("GET", "/static/css/main.css", None),
    "a public directory itself": ("GET", "/static/", _needs("api")),
    "parameters below a public directory": ("GET", "/static/main.css;v=1", None),
    "excepted below a public directory": ("GET", "/static/private/key", _needs("api")),
    "the bare directory of the exception": ("GET", "/static/private", _needs("api")),
    "a public value in range": ("GET", "/page/9", None),
    "a public value out of range": ("GET", "/page/10", _needs("api")),
    "the method of a rule": ("POST", "/orders", _needs("api orders:write")),
    "the method in another case": ("pOsT", "/orders", _needs("api orders:write")),
    "another method": ("GET", "/orders", _needs("api")),
    "an unknown method": ("BREW", "/orders", _needs("api")),
    "variable": ("GET", "/orders/7", _needs("api", "staff")),
    "variable out of range": ("GET", "/orders/70", _needs("api", "staff")),
    "another spelling of the variable": ("GET", "/orders/+7", _needs("api", "staff")),
    "not of the type of the variable": ("GET", "/orders/new", _needs("api", "staff")),
    "two segments for one variable": ("GET", "/orders/7/items", _needs("api")),
    "below a directory": ("GET", "/admin/users/1", _needs("api", "admin")),
    "the bare directory": ("GET", "/admin", _needs("api", "admin")),
    "the bare directory with a slash": ("GET", "/admin/", _needs("api", "admin")),
    "a name that begins the same": ("GET", "/administrator", _needs("api")),
    "two rules": ("GET", "/admin/reports", _needs("api reports:read", "admin")),
    "two rules, HEAD for GET": ("HEAD", "/admin/reports", _needs("api reports:read", "admin")),
    "two rules, one for another method": ("PUT", "/admin/reports", _needs("api", "admin")),
    "public below a directory that asks": ("GET", "/admin/login", None),
}


@pytest.mark.parametrize(("method", "path", "expected"), LOOKUPS.values(), ids=LOOKUPS)
def test_a_request_needs_the_defaults_and_all_matching_rules(
    method: str, path: str, expected: Requirements | None
) -> None:
    """All paths need the defaults, matching rules add to them, the most specific public rule exempts."""
    assert API.requirements_for(method, path) == expected


NOT_QUITE_PUBLIC = {
    "parent": "/static/../orders",
    "encoded parent": "/static/%2e%2e/orders",
    "twice encoded parent": "/static/%252e%252e/orders",
    "encoded slash": "/static/..%2forders",
    "backslash": "/static/..\\orders",
    "parameters": "/static/..;/orders",
    "public at the end": "/orders/../healthz/../unnamed",
    "query": "/healthz?/../orders",
    "encoded query": "/static/x%3f/../../orders",
    "fragment": "/healthz#",
    "authority": "//static/orders",
    "absolute form": "http://static/../healthz",
    "merged later": "/static//../orders",
    "slash in front": "//healthz",
    "two slashes behind": "/healthz//",
    "trailing dot": "/healthz/.",
    "trailing backslash": "/healthz\\",
    "parameters of a file that is public": "/healthz;.css",
    "NUL": "/healthz\x00",
    "line break": "/healthz\n",
    "NUL below a public directory": "/static/\x00",
    "not UTF-8 below a public directory": "/static/\ufffd",
    "deeply encoded": "/static/%" + "25" * 40 + "2e",
    "long": "/static/" + "x" * MAX_PATH_CHARACTERS,
}


@pytest.mark.parametrize("path", NOT_QUITE_PUBLIC.values(), ids=NOT_QUITE_PUBLIC)
def test_a_path_is_public_only_if_all_interpretations_are(path: str) -> None:
    """A path that some application might interpret as a protected one needs a token."""
    assert API.requirements_for("GET", path) is not None


@pytest.mark.parametrize("path", HIDDEN_ADMIN.values(), ids=HIDDEN_ADMIN)
def test_no_spelling_of_a_path_avoids_its_rule(path: str) -> None:
    """However /admin is written, its rule applies, be it for the path itself or for the directory."""
    for policy in (
        Policy([Rule("/admin", groups="admin")]),
        Policy([Rule("/admin/<path:x>", groups="admin")]),
    ):
        needed = policy.requirements_for("GET", path, prefix="/api")
        assert needed is not None
        assert frozenset({"admin"}) in needed.groups


@pytest.mark.parametrize("path", UNREADABLE_PATHS.values(), ids=UNREADABLE_PATHS)
def test_an_unreadable_path_must_meet_every_rule(path: str) -> None:
    """A path without an interpretation must meet all rules, whatever the method."""
    assert API.requirements_for("GET", path) == EVERYTHING


@pytest.mark.parametrize(
    "length", [MAX_PATH_CHARACTERS + 1, 60_000], ids=["one character too many", "enormous"]
)
def test_a_long_path_must_meet_every_rule_and_is_not_matched(length: int) -> None:
    """Beyond the length limit a path is not matched and must meet all rules."""
    assert API.requirements_for("GET", "/static/" + "x" * (length - 8)) == EVERYTHING


def test_a_path_of_maximum_length_is_matched() -> None:
    """A path of exactly the length limit is matched as usual."""
    assert API.requirements_for("GET", "/static/" + "x" * (MAX_PATH_CHARACTERS - 8)) is None


def test_without_rules_everything_needs_the_defaults() -> None:
    """Without rules, every path needs a valid token."""
    policy = Policy(scopes=["a", "b"], groups="staff")
    for path in ("/", "/healthz", "/\x00", "x" * 9999):
        assert policy.requirements_for("GET", path) == _needs("a b", "staff")
    assert Policy().requirements_for("GET", "/") == NO_REQUIREMENTS


def test_groups_of_several_rules_must_each_be_met() -> None:
    """The group sets of several rules must each be met; one group of one set is not enough."""
    policy = Policy(
        [Rule("/<path:all>", groups=["staff", "boss"]), Rule("/a/<x>", groups="a")], groups="user"
    )
    needed = policy.requirements_for("GET", "/a/1")
    assert needed is not None
    assert set(needed.groups) == {frozenset({"user"}), frozenset({"staff", "boss"}), frozenset({"a"})}


def test_any_scopes_of_several_rules_must_each_be_met() -> None:
    """The any_scopes of several rules must each be met, in addition to the scopes."""
    policy = Policy(
        [Rule("/a", scopes="s", any_scopes="b c"), Rule("/<x>", any_scopes=["d"])], any_scopes="e f"
    )
    needed = policy.requirements_for("GET", "/a")
    assert needed is not None
    assert needed.scopes == {"s"}
    assert set(needed.any_scopes) == {frozenset("bc"), frozenset("d"), frozenset("ef")}
    assert policy.requirements_for("GET", "/a/b") == Requirements.of(any_scopes="e f")
    assert Policy(any_scopes="e").fixed_requirements == Requirements.of(any_scopes="e")


def test_a_rule_for_everything_includes_the_root() -> None:
    """`/<path:all>` also covers `/` if the rule has requirements."""
    policy = Policy([Rule("/<path:all>", scopes="x")])
    for path in ("/", "", "/a", "/a/b/"):
        assert policy.requirements_for("GET", path) == _needs("x")


def test_the_root_can_be_public() -> None:
    """A public rule for `/` exempts only that path."""
    policy = Policy([Rule("/", public=True)])
    assert policy.requirements_for("GET", "/") is None
    assert policy.requirements_for("GET", "/x") == NO_REQUIREMENTS


def test_a_named_directory_keeps_its_own_rule() -> None:
    """A public rule for the bare directory outweighs a rule with requirements below it."""
    policy = Policy([Rule("/docs", public=True), Rule("/docs/<path:page>", scopes="docs")])
    assert policy.requirements_for("GET", "/docs") is None
    assert policy.requirements_for("GET", "/docs/page") == _needs("docs")


def test_of_equally_specific_rules_the_one_with_requirements_wins() -> None:
    """Of equally specific rules, the one with requirements wins, in either order."""
    public, asking = Rule("/<any(a,b):x>", public=True), Rule("/<string:x>", scopes="s")
    for rules in ([public, asking], [asking, public]):
        assert Policy(rules).requirements_for("GET", "/a") == _needs("s")


def test_a_public_method_leaves_the_others_alone() -> None:
    """A rule that is public for GET covers GET and HEAD only."""
    policy = Policy([Rule("/a", methods=["GET"], public=True), Rule("/a", methods=["POST"], scopes="w")])
    assert policy.requirements_for("GET", "/a") is None
    assert policy.requirements_for("head", "/a") is None
    assert policy.requirements_for("POST", "/a") == _needs("w")
    assert policy.requirements_for("DELETE", "/a") == NO_REQUIREMENTS


def test_rules_are_written_below_the_prefix() -> None:
    """Rules of a mounted application are written without the mount prefix."""
    assert API.requirements_for("GET", "/healthz", prefix="/api") is None
    assert API.requirements_for("GET", "/admin/x", prefix="/api/") == _needs("api", "admin")


def test_a_rule_written_with_the_prefix_applies() -> None:
    """A rule with requirements applies with and without the prefix; the path is then not public."""
    policy = Policy([Rule("/api/admin/<path:x>", groups="admin"), Rule("/admin/<path:x>", public=True)])
    assert policy.requirements_for("GET", "/admin/x") is None
    assert policy.requirements_for("GET", "/admin/x", prefix="/api") == _needs("", "admin")


def test_a_prefix_does_not_make_a_path_less_public() -> None:
    """A rule for everything that a public rule outweighs is not added again through the prefix."""
    policy = Policy([Rule("/<path:all>", scopes="s"), Rule("/healthz", public=True)])
    assert policy.requirements_for("GET", "/healthz", prefix="/api") is None


@pytest.mark.parametrize(
    ("path", "raw_path", "expected"),
    [
        ("/caf\u00e9", "/caf%C3%A9", None),
        ("/static/a b", "/static/a%20b", None),
        ("/static/a/b", "/static/a%2Fb", None),
        ("/static/x", "/static%2Fx", _needs("api")),
        ("/static/a/../b", "/static/a%2F..%2Fb", None),
        ("/static/../unnamed", "/static%2F..%2Funnamed", _needs("api")),
        ("/files/a/b", "/files/a%2Fb", _needs("api", "files")),
        ("/files/a/b", "/files/a%2fb", _needs("api", "files")),
    ],
)
def test_the_raw_path_is_an_interpretation(path: str, raw_path: str, expected: Requirements | None) -> None:
    """A path that is decoded only after routing is one more interpretation."""
    assert API.requirements_for("GET", path, raw_path=raw_path) == expected


@given(
    st.text(max_size=30) | st.text(alphabet="/.\\;%25aeF?#adminhelthz", max_size=40),
    st.text(max_size=8),
    st.sampled_from(["", "/", "/api", "//", "\x00", "%2f"]),
    st.text(max_size=20),
)
def test_no_path_or_method_raises(path: str, method: str, prefix: str, raw_path: str) -> None:
    """No path or method raises an error, and paths that are not public need at least the defaults."""
    needed = API.requirements_for(method, path, prefix=prefix, raw_path=raw_path)
    assert needed is None or needed.scopes >= {"api"}


def test_the_lookup_cache_is_bounded() -> None:
    """Attackers choose paths, so the cache of lookups is bounded."""
    policy = Policy([Rule("/healthz", public=True)])
    for number in range(3000):
        policy.requirements_for("GET", f"/{number}")
    assert policy._look_up.cache_info().currsize == 1024  # type: ignore[attr-defined]


def test_unknown_methods_are_not_cached() -> None:
    """Lookups with unknown methods are not cached: a method may be as long as a header."""
    policy = Policy([Rule("/healthz", public=True), Rule("/orders", methods="POST", scopes="w")])
    for number in range(3000):
        policy.requirements_for(f"M{number}", "/orders")
    assert policy._look_up.cache_info().currsize == 1  # type: ignore[attr-defined]
    assert policy.requirements_for("post", "/orders") == _needs("w")


def test_a_path_cut_by_the_framework_is_an_interpretation() -> None:
    """A path cut down by the framework is one more interpretation: it may add requirements or end an
    exemption.
    """
    policy = Policy([Rule("/files/<path:x>", public=True), Rule("/admin", scopes="a")])
    assert policy.requirements_for("GET", "/files/api/me") is None
    assert policy.requirements_for("GET", "/files/api/me", cut_paths=("/me",)) == NO_REQUIREMENTS
    assert policy.requirements_for("GET", "/files/api/admin", cut_paths=("/admin",)) == _needs("a")
    assert policy.requirements_for("GET", "/files/api/x", cut_paths=("//%61dmin",)) == _needs("a")


LOOSE: dict[str, tuple[str, str]] = {
    "int": ("/x/<int:a>", "/x/{}"),
    "int in range": ("/x/<int(min=1, max=9):a>", "/x/{}"),
    "int of some digits": ("/x/<int(fixed_digits=4):a>", "/x/{}"),
    "signed int": ("/x/<int(signed=True):a>", "/x/{}"),
    "float": ("/x/<float:a>", "/x/{}"),
    "uuid": ("/x/<uuid:a>", "/x/{}"),
    "any": ("/x/<any(on, off):a>", "/x/{}"),
    "string": ("/x/<a>", "/x/{}"),
    "short string": ("/x/<string(length=2):a>", "/x/{}"),
    "bounded string": ("/x/<string(minlength=2, maxlength=3):a>", "/x/{}"),
    "in the middle": ("/x/<int:a>/y", "/x/{}/y"),
    "in front": ("/<uuid:a>/y", "/{}/y"),
    "several": ("/<int:a>/<float:b>", "/{0}/{0}"),
    "beside text": ("/x/v<int:a>", "/x/v{}"),
}
VALUES = [
    "7",
    "+7",
    "-7",
    " 7 ",
    "7_0",
    "7.0",
    ".5",
    "7e0",
    "nan",
    "\u0667",
    "0x7",
    "on",
    "ON",
    "{0-0}",
    "a" * 99,
]


@pytest.mark.parametrize(("rule", "path"), LOOSE.values(), ids=LOOSE)
def test_a_variable_with_requirements_matches_any_segment(rule: str, path: str) -> None:
    """In a rule with requirements a variable matches any segment, so its type cannot be used to avoid the
    rule.
    """
    policy = Policy([Rule(rule, groups="admin")])
    for value in VALUES:
        assert policy.requirements_for("GET", path.format(value)) == _needs("", "admin"), value
        assert policy.requirements_for("GET", path.format(f"{value}/9")) == NO_REQUIREMENTS, value


@pytest.mark.parametrize("value", ["+7", "-7", " 7", "7_0", "7.0", "\u0667", "", "7/", "10", "%37"])
def test_a_public_variable_matches_only_its_type(value: str) -> None:
    """In a public rule a variable matches only values of its type; other values need a token."""
    policy = Policy([Rule("/x/<int(max=9):a>/y", public=True)])
    assert policy.requirements_for("GET", "/x/7/y") is None
    assert policy.requirements_for("GET", f"/x/{value}/y") == NO_REQUIREMENTS


@pytest.mark.parametrize(
    ("rules", "needs"),
    [
        (
            [Rule("/<int:x>", public=True), Rule("/<x>", scopes="s")],
            {"/7": None, "/+7": _needs("s"), "/new": _needs("s")},
        ),
        (
            [Rule("/<int:x>", scopes="s"), Rule("/<x>", public=True)],
            {"/7": _needs("s"), "/+7": _needs("s"), "/new": _needs("s"), "/a/b": NO_REQUIREMENTS},
        ),
        (
            [Rule("/<int:x>", scopes="s"), Rule("/new", public=True)],
            {"/7": _needs("s"), "/+7": _needs("s"), "/new": None},
        ),
        (
            [Rule("/<int:x>", scopes="s"), Rule("/<x>", groups="g")],
            {"/7": _needs("s", "g"), "/+7": _needs("s", "g"), "/new": _needs("s", "g")},
        ),
        (
            [Rule("/<int:x>/a", scopes="s"), Rule("/<uuid:x>/a", methods="POST", groups="g")],
            {"/7/a": _needs("s"), "/+7/a": _needs("s")},
        ),
        (
            [Rule("/<int:x>", public=True), Rule("/<float:x>", scopes="s")],
            {"/7": _needs("s"), "/7.5": _needs("s"), "/+7": _needs("s")},
        ),
        (
            [Rule("/a/<path:x>/b", scopes="s"), Rule("/a/<x>", public=True)],
            {"/a/x": None, "/a/x/b": _needs("s"), "/a//b": _needs("s"), "/a/b": None},
        ),
    ],
)
def test_loose_and_strict_rules_together(
    rules: Sequence[Rule], needs: dict[str, Requirements | None]
) -> None:
    """A public rule exempts only strict matches, and only if it is more specific than all rules with
    requirements.
    """
    for ordered in (rules, rules[::-1]):
        policy = Policy(ordered)
        assert needs == {path: policy.requirements_for("GET", path) for path in needs}


@pytest.mark.parametrize(
    ("more", "path", "expected"),
    [
        ([], "/orders/", _needs("", "admin")),
        ([], "/orders", NO_REQUIREMENTS),
        ([], "/orders//items", _needs("", "items", "admin")),
        ([Rule("/orders")], "/orders/", NO_REQUIREMENTS),
        ([Rule("/orders", scopes="list")], "/orders/", _needs("list")),
        ([Rule("/orders", public=True)], "/orders/", None),
        ([Rule("/orders", public=True)], "/orders", None),
    ],
)
def test_a_string_may_be_empty_unless_a_rule_names_the_directory(
    more: list[Rule], path: str, expected: Requirements | None
) -> None:
    """Falcon serves /orders/{name} for /orders/, so the rule covers it unless a rule names /orders itself."""
    rules = [Rule("/orders/<name>", groups="admin"), Rule("/orders/<name>/items", groups="items")]
    assert Policy(rules + more).requirements_for("GET", path) == expected


TAGS = Rule("/tags/<name>/posts", public=True)
FILES = Rule("/files/<path:rest>", public=True)


@pytest.mark.parametrize(
    ("path", "raw_path"),
    [
        ("/tags/C#/posts", "/tags/C%23/posts"),
        ("/tags/C#/posts", ""),
        ("/tags/C#/posts/", "/tags/C%23/posts/"),
        ("/tags/#c/posts", "/tags/%23c/posts"),
        ("/tags/why?/posts", "/tags/why%3F/posts"),
        ("/tags/C%23/posts", "/tags/C%2523/posts"),
        ("/tags/a;b/posts", "/tags/a%3Bb/posts"),
        ("/tags/100%/posts", "/tags/100%25/posts"),
        ("/tags/\u00e9#/posts", "/tags/%C3%A9%23/posts"),
        ("/tags/a&b=c+d@e!/posts", "/tags/a%26b=c+d%40e%21/posts"),
        ("/files/a#b/c?d", "/files/a%23b/c%3Fd"),
        ("/files/#b", "/files/%23b"),
    ],
)
def test_encoded_characters_in_a_public_variable_are_data(path: str, raw_path: str) -> None:
    """A tag may be called C#: in a public variable, an encoded fragment or query is part of the value."""
    assert Policy([TAGS, FILES]).requirements_for("GET", path, raw_path=raw_path) is None
    policy = Policy([TAGS, FILES])
    assert policy.requirements_for("GET", path, prefix="/api", raw_path=f"/api{raw_path}") is None


@pytest.mark.parametrize(
    "rule",
    [
        Rule("/tags/<name>", groups="admin"),
        Rule("/tags/<int:name>", groups="admin"),
        Rule("/tags/<path:rest>", groups="admin"),
        Rule("/tags/C", groups="admin"),
        Rule("/<path:all>", groups="admin"),
    ],
)
def test_encoded_characters_that_may_lead_to_a_rule_are_not_data(rule: Rule) -> None:
    """If a rule covers what is left without the fragment, its requirements apply."""
    policy = Policy([TAGS, rule])
    assert policy.requirements_for("GET", "/tags/b/posts") is None
    for path in ("/tags/C#/posts", "/tags/C?/posts", "/tags/C%23/posts", "/tags/C%3f/posts"):
        assert policy.requirements_for("GET", path) == _needs("", "admin")


@pytest.mark.parametrize(
    ("path", "raw_path"),
    [
        ("/tags/a/b/posts", "/tags/a%2Fb/posts"),
        ("/tags/a%2Fb/posts", "/tags/a%252Fb/posts"),
        ("/tags/a\\b/posts", "/tags/a%5Cb/posts"),
        ("/tags/../posts", "/tags/%2E%2E/posts"),
        ("/tags/..;/posts", "/tags/..%3B/posts"),
        ("/tags/;x/posts", "/tags/%3Bx/posts"),
        ("/tags/..#/posts", "/tags/..%23/posts"),
        ("/tags/.?/posts", "/tags/.%3F/posts"),
        ("/tags/C#/posts#", "/tags/C%23/posts%23"),
        ("/tags#/C/posts", "/tags%23/C/posts"),
        ("/tags/C#//posts", "/tags/C%23//posts"),
        ("/tags/C\x00/posts", "/tags/C%00/posts"),
        ("/files/..#/x", "/files/..%23/x"),
        ("/files/#/..", "/files/%23/.."),
        ("/files/#/../../tags", "/files/%23/../../tags"),
        ("/files/a#/../..", "/files/a%23/../.."),
        ("/files/..\\#", "/files/..%5C%23"),
        ("/files/%2e%2e#", "/files/%252e%252e%23"),
        ("/files/..%23/x", "/files/..%2523/x"),
    ],
)
def test_encoded_characters_do_not_hide_another_path(path: str, raw_path: str) -> None:
    """Slashes and dot segments keep their meaning, and so do encoded characters outside the variable."""
    for raw in (raw_path, ""):
        assert Policy([TAGS, FILES]).requirements_for("GET", path, raw_path=raw) == NO_REQUIREMENTS


PREFIXED = Policy(
    [
        Rule("/admin/<path:rest>", groups="admin"),
        Rule("/api/audit", groups="audit"),
        Rule("/healthz", public=True),
        Rule("/status", public=True),
        Rule("/api/status", public=True),
    ],
    prefixes=["/api", "/v1/app/"],
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/admin/users", _needs("", "admin")),
        ("/api/admin/users", _needs("", "admin")),
        ("/v1/app/admin/users", _needs("", "admin")),
        ("/v1/app/api/admin/users", _needs("", "admin")),
        ("//api//admin/users", _needs("", "admin")),
        ("/x/../api/./admin", _needs("", "admin")),
        ("/%61pi/admin/users", _needs("", "admin")),
        ("/api/", NO_REQUIREMENTS),
        ("/apiadmin/users", NO_REQUIREMENTS),
        ("/v1/admin/users", NO_REQUIREMENTS),
        ("/audit", _needs("", "audit")),
        ("/api/audit", _needs("", "audit")),
        ("/v1/app/audit", _needs("", "audit")),
        ("/healthz", None),
        ("/api/healthz", NO_REQUIREMENTS),
        ("/status", None),
        ("/api/status", None),
        ("/api/me", NO_REQUIREMENTS),
    ],
)
def test_a_prefix_that_the_application_strips_is_one_more_interpretation(
    path: str, expected: Requirements | None
) -> None:
    """A rule applies with and without the prefix; a path is public only if both forms are."""
    assert PREFIXED.requirements_for("GET", path) == expected


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/admin", "/api/admin"),
        ("/admin", "/admin"),
        ("/api/admin", "/admin"),
        ("/mount/admin", "/api/admin"),
        ("/mount/api/admin", "/admin"),
        ("/mount/api/admin", "/api/admin"),
        ("/admin", "/mount/api/admin"),
    ],
)
def test_prefixes_go_together_with_a_mount(rule: str, path: str) -> None:
    """A rule with requirements may be written with either prefix, both or none."""
    policy = Policy([Rule(rule, groups="admin")], prefixes="/api")
    assert policy.requirements_for("GET", path, prefix="/mount") == _needs("", "admin")


def test_a_rule_with_the_prefix_is_weighed_against_public_ones_with_the_prefix() -> None:
    """A path that is public with and without the prefix stays public beside a wider rule with the prefix."""
    public = [Rule("/healthz", public=True), Rule("/api/healthz", public=True)]
    policy = Policy([*public, Rule("/api/<path:rest>", groups="admin")])
    assert policy.requirements_for("GET", "/healthz", prefix="/api") is None
    assert policy.requirements_for("GET", "/x", prefix="/api") == _needs("", "admin")
    policy = Policy([public[0], Rule("/api/<path:rest>", groups="admin")])
    assert policy.requirements_for("GET", "/healthz", prefix="/api") == _needs("", "admin")


def test_known_prefixes_are_not_validated() -> None:
    """A prefix read from the framework's own object is used without validation."""
    policy = Policy([Rule("/admin", groups="admin")], known_prefixes=["/", "/a%20b/", "/api"])
    for path in ("/admin", "/a%20b/admin", "/api/admin"):
        assert policy.requirements_for("GET", path) == _needs("", "admin")


@pytest.mark.parametrize(
    ("prefixes", "message"),
    [
        (5, "prefixes: must be a list of strings, not 'int'"),
        ({"/api": 1}, "prefixes: must be a list of strings, not 'dict'"),
        (None, "prefixes: must be a list of strings, not 'NoneType'"),
        ([5], "prefixes: '5' must be a string that starts with a slash"),
        ([""], "prefixes: '' must be a string that starts with a slash"),
        ("api", "prefixes: 'api' must be a string that starts with a slash"),
        (["/a//b"], "prefixes: '/a//b' must be decoded, without "),
        (["/a/../b"], "prefixes: '/a/../b' must be decoded, without "),
        (["/a%20b"], "prefixes: '/a%20b' must be decoded, without "),
        (["/a?b"], "prefixes: '/a?b' must be decoded, without "),
        (["/a "], "prefixes: '/a ' must be decoded, without "),
        (["/<tenant>"], "prefixes: '/<tenant>' must not have variables"),
        (["/a", "/{tenant}"], "prefixes: '/{tenant}' must not have variables"),
        (["/a/*"], "prefixes: '/a/*' must not have variables"),
    ],
)
def test_a_prefix_that_no_path_could_have_is_refused(prefixes: Any, message: str) -> None:
    """Prefixes are validated like rules and have no variables."""
    with pytest.raises(ConfigurationError) as caught:
        Policy(prefixes=prefixes)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("path", ["/caf\u00e9", "/\u0645\u06cc\u200c\u062e\u0648\u0627", "/a b"])
def test_a_rule_may_have_any_letters(path: str) -> None:
    """Also the joiners that some languages are written with, and spaces."""
    policy = Policy([Rule(path, scopes="a")])
    assert policy.requirements_for("GET", path) == Requirements.of("a")


PLAINLY = (
    "path must be decoded, without dot segments, repeated slashes, a query, parameters, backslashes or "
    "control characters"
)
INVISIBLE = "path must not have invisible characters, such as U+200B; type it instead of pasting it"
MISTAKES: dict[str, tuple[Any, str]] = {
    "no slash": (Rule("healthz"), "rules[0] 'healthz': path must be a string that starts with a slash"),
    "no string": (Rule(5), "rules[0] '5': path must be a string that starts with a slash"),  # type: ignore[arg-type]
    "empty": (Rule(""), "rules[0] '': path must be a string that starts with a slash"),
    "variable not closed": (
        Rule("/<name"),
        "rules[0] '/<name': path has a variable that is not in the form <name> or <converter:name>",
    ),
    "variable not opened": (
        Rule("/name>"),
        "rules[0] '/name>': path has a variable that is not in the form <name> or <converter:name>",
    ),
    "unknown converter": (
        Rule("/<colour:x>"),
        "rules[0] '/<colour:x>': path is not in Werkzeug's routing syntax: "
        "\"the converter 'colour' does not exist\"",
    ),
    "encoded": (Rule("/a%20b"), f"rules[0] '/a%20b': {PLAINLY}"),
    "repeated slashes": (Rule("/a//b"), f"rules[0] '/a//b': {PLAINLY}"),
    "dot segment": (Rule("/a/./b"), f"rules[0] '/a/./b': {PLAINLY}"),
    "parent": (Rule("/a/.."), f"rules[0] '/a/..': {PLAINLY}"),
    "query": (Rule("/a?b"), f"rules[0] '/a?b': {PLAINLY}"),
    "fragment": (Rule("/a#b"), f"rules[0] '/a#b': {PLAINLY}"),
    "parameters": (Rule("/a;b"), f"rules[0] '/a;b': {PLAINLY}"),
    "backslash": (Rule("/a\\b"), f"rules[0] '/a\\\\b': {PLAINLY}"),
    "control character": (Rule("/a\n"), f"rules[0] '/a\\n': {PLAINLY}"),
    **{
        f"invisible {path!a}": (Rule(path), f"rules[0] {path!a}: {INVISIBLE}")
        for path in ("/a\u200b", "/\ufeffa", "/a\u00a0b", "/a\u00ad/b", "/\u202ea/<name>", "/a\u2060")
    },
    "no methods": (Rule("/a", methods=[]), "rules[0] '/a': methods must be a non-empty list of strings"),
    "methods of a wrong type": (
        Rule("/a", methods={"GET": 1}),
        "rules[0] '/a': methods must be a non-empty list of strings",
    ),
    "several methods in one string": (
        Rule("/a", methods="GET, POST"),
        "rules[0] '/a': methods must be names of HTTP methods, such as 'POST'",
    ),
    "a method that is not a string": (
        Rule("/a", methods=["GET", 1]),  # type: ignore[list-item]
        "rules[0] '/a': methods must be names of HTTP methods, such as 'POST'",
    ),
    "scopes of a wrong type": (
        Rule("/a", scopes=1),  # type: ignore[arg-type]
        "rules[0] '/a': scopes must be a string or a list of strings, not int",
    ),
    "groups of a wrong type": (
        Rule("/a", groups={"admin": True}),
        "rules[0] '/a': groups must be a string or a list of strings, not dict",
    ),
    "public as text": (
        Rule("/a", public="false"),  # type: ignore[arg-type]
        "rules[0] '/a': public must be True or False",
    ),
    "public as a number": (
        Rule("/a", public=1),  # type: ignore[arg-type]
        "rules[0] '/a': public must be True or False",
    ),
    "public with scopes": (
        Rule("/a", public=True, scopes="x"),
        "rules[0] '/a': is public, so it must not require scopes or groups",
    ),
    "public with groups": (
        Rule("/a", public=True, groups=["x"]),
        "rules[0] '/a': is public, so it must not require scopes or groups",
    ),
    "public with any scopes": (
        Rule("/a", public=True, any_scopes=["x"]),
        "rules[0] '/a': is public, so it must not require scopes or groups",
    ),
    "any scopes of a wrong type": (
        Rule("/a", any_scopes=1),  # type: ignore[arg-type]
        "rules[0] '/a': any_scopes must be a string or a list of strings, not int",
    ),
    "no rule": ("/a", "rules[0]: must be a Rule, not 'str'"),
    "white space behind": (Rule("/a "), "rules[0] '/a ': path must not start or end with white space"),
    "three paths": (
        Rule("/<path:a>/x/<path():b>/y/<path:c>"),
        "rules[0] '/<path:a>/x/<path():b>/y/<path:c>': path must not have more than 2 variables of type path",
    ),
    "a path beside another variable": (
        Rule("/<path:a>-<b>"),
        "rules[0] '/<path:a>-<b>': "
        "path must not have a variable of type path and another variable in the same segment",
    ),
    "a slash in a variable": (
        Rule('/<any("a/b"):x>'),
        "rules[0] '/<any(\"a/b\"):x>': path has a variable with a slash in it, which would never match",
    ),
    "the syntax of another framework": (
        Rule("/orders/{number:int}"),
        "rules[0] '/orders/{number:int}': path is not in Werkzeug's routing syntax: "
        "write '/orders/<int:number>'",
    ),
    "a star for all methods": (
        Rule("/a", methods="*"),
        "rules[0] '/a': methods must not contain '*': omit methods to match all",
    ),
    "a word for all methods": (
        Rule("/a", methods=["any"]),
        "rules[0] '/a': methods must not contain 'ANY': omit methods to match all",
    ),
    "a WebSocket for a method": (
        Rule("/a", methods=["GET", "websocket"]),
        "rules[0] '/a': methods must not contain 'WEBSOCKET': a WebSocket handshake is a GET",
    ),
}


@pytest.mark.parametrize(("rule", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_rule_without_effect_is_refused(rule: Any, message: str) -> None:
    """A rule that would be ignored or never match is refused when it is declared."""
    with pytest.raises(ConfigurationError) as caught:
        Policy([rule])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "rule",
    [
        *("/<a>/<a>", "/<int(:x>", "/<int(x=1):x>", "/<1a>", "/<a-b>", "/<>", "/<int(max=a):x>"),
        *("/<float(min='1'):x>", "/<string(minlength=3, maxlength=2):x>", f"/<string(length={10**10}):x>"),
    ],
)
def test_a_path_that_werkzeug_cannot_read_is_refused(rule: str) -> None:
    """A path that Werkzeug refuses is reported as a problem that names the rule."""
    with pytest.raises(
        ConfigurationError, match=r"^rules\[0\] .*: path is not in Werkzeug's routing syntax: "
    ):
        Policy([Rule(rule)])


@pytest.mark.parametrize("rules", [Rule("/a"), "rules", None, {"/a": Rule("/a")}])
def test_rules_are_a_list(rules: Any) -> None:
    """A single rule, a mapping or text in place of the list of rules is refused."""
    with pytest.raises(ConfigurationError, match=r"^rules: must be a list of Rule, not "):
        Policy(rules)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            [Rule("/a"), Rule("/a/")],
            "rules[1] '/a/': repeats rules[0] '/a': write one rule",
        ),
        (
            [Rule("/<int:a>", scopes="x"), Rule("/<int:b>", groups="y")],
            "rules[1] '/<int:b>': repeats rules[0] '/<int:a>': write one rule",
        ),
        (
            [Rule("/a", public=True), Rule("/a", methods="GET", public=True)],
            "rules[1] '/a': repeats rules[0] '/a': write one rule",
        ),
        (
            [Rule("/a", public=True), Rule("/a", methods="GET", scopes="x")],
            "rules[1] '/a': contradicts rules[0] '/a': only one of them is public",
        ),
        (
            [Rule("/a", methods=["POST", "GET"]), Rule("/a", methods="head", public=True)],
            "rules[1] '/a': contradicts rules[0] '/a': only one of them is public",
        ),
    ],
)
def test_duplicate_or_contradictory_rules_are_refused(rules: Sequence[Rule], message: str) -> None:
    """Two rules for the same paths and methods are a configuration error."""
    with pytest.raises(ConfigurationError) as caught:
        Policy(rules)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "rules",
    [
        [Rule("/a", groups="staff"), Rule("/a", methods="POST", scopes="w")],
        [Rule("/a", methods="GET", public=True), Rule("/a", methods="POST", scopes="w")],
        [Rule("/<int:x>", public=True), Rule("/<x>", scopes="x")],
    ],
)
def test_rules_that_add_to_each_other_are_fine(rules: Sequence[Rule]) -> None:
    """The same path may have one rule for all methods and another for some methods."""
    assert Policy(rules).requirements_for("GET", "/not/named") == NO_REQUIREMENTS


def test_all_problems_are_reported_together() -> None:
    """One error lists the problems of all rules and of the defaults."""
    with pytest.raises(ConfigurationError) as caught:
        Policy([Rule("a", methods=[]), Rule("/b", scopes=1), "c"], scopes=2, groups=[""])  # type: ignore[arg-type,list-item]
    assert [(problem.option, problem.message) for problem in caught.value.problems] == [
        ("scopes", "must be a string or a list of strings, not int"),
        ("groups", "every entry must be a non-empty string"),
        ("rules[0] 'a'", "path must be a string that starts with a slash"),
        ("rules[0] 'a'", "methods must be a non-empty list of strings"),
        ("rules[1] '/b'", "scopes must be a string or a list of strings, not int"),
        ("rules[2]", "must be a Rule, not 'str'"),
    ]


def test_changing_a_list_later_changes_no_rule() -> None:
    """A policy copies the rules, so later changes of a list have no effect."""
    scopes, methods = ["a"], ["GET"]
    policy = Policy([Rule("/a", methods=methods, scopes=scopes)])
    scopes.clear()
    methods.clear()
    assert policy.requirements_for("GET", "/a") == _needs("a")
