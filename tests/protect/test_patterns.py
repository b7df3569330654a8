"""Path patterns: strict and loose matching, Werkzeug's order, linear time."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map
from werkzeug.routing import Rule as WerkzeugRule

from monocloud_mw.protect.patterns import Pattern

UUID = "a8098c1a-f86e-11da-bd1a-00112444be1e"

# Rule, paths that match strictly, paths that match only loosely, paths that do not match.
TABLE: dict[str, tuple[str, list[str], list[str], list[str]]] = {
    "root": ("/", ["/", ""], [], ["//", "/x"]),
    "fixed": ("/orders", ["/orders", "/orders/"], [], ["/orders//", "/order", "/orders/x", "/Orders"]),
    "dot in a rule": ("/a.b", ["/a.b"], [], ["/axb"]),
    "string": ("/o/<x>", ["/o/7", "/o/a b/"], ["/o/", "/o//"], ["/o", "/o/7/8", "/o/7//"]),
    "string in the middle": ("/o/<x>/i", ["/o/7/i"], ["/o//i"], ["/o/i", "/o/7/8/i", "/o/7/i/8"]),
    "string between": ("/v<x>", ["/v1"], [], ["/v", "/v/1"]),
    "short string": ("/<string(length=2):x>", ["/en", "/en/"], ["/e", "/eng", "/"], ["/e/n"]),
    "bounded string": ("/<string(minlength=2, maxlength=3):x>", ["/en", "/eng"], ["/e", "/engl"], ["/e/n"]),
    "int": (
        "/o/<int:x>",
        ["/o/7", "/o/007/"],
        ["/o/+7", "/o/-7", "/o/ 7", "/o/7_0", "/o/7.0", "/o/\u0667", "/o/x"],
        ["/o/", "/o", "/o/7/8"],
    ),
    "int in range": ("/o/<int(max=9):x>", ["/o/9"], ["/o/10"], ["/o/1/0"]),
    "signed int": ("/o/<int(signed=True):x>", ["/o/7", "/o/-7"], ["/o/+7"], ["/o/"]),
    "fixed digits": ("/o/<int(fixed_digits=2):x>", ["/o/07"], ["/o/7", "/o/007"], ["/o/"]),
    "float": ("/o/<float:x>", ["/o/1.5"], ["/o/1", "/o/.5", "/o/1e3", "/o/nan", "/o/inf"], ["/o/1/5"]),
    "uuid": ("/o/<uuid:x>", [f"/o/{UUID}", f"/o/{UUID.upper()}"], [f"/o/{{{UUID}}}", "/o/0"], ["/o/0/0"]),
    "any": ("/<any(a, ab):x>/", ["/a", "/ab/"], ["/A", "/c", "/a "], ["/", "/a/b"]),
    "any of texts": ('/<any("a.b", "c:d"):x>', ["/a.b", "/c:d"], ["/axb"], ["/"]),
    "two in a segment": ("/<a>-<b>", ["/a-b", "/a-b-c", "/--b"], [], ["/a", "/a-/b", "/a-b/c"]),
    "typed in a segment": ("/v<int:a>.<int:b>", ["/v1.2"], ["/v1.x", "/va.b.c"], ["/v1", "/v1./2"]),
    "extension": ("/<a>.<any(png,jpg):e>", ["/a.png", "/a.b.png"], ["/a.gif", "/a.png2"], ["/a", "/.png"]),
    "path": ("/f/<path:x>", ["/f/a", "/f/a/b/", "/f/a//"], ["/f", "/f/", "/f//a"], ["/fa", "/"]),
    "path of all": ("/<path:x>", ["/a", "/a/b"], ["/", "", "//"], []),
    "path in the middle": (
        "/f/<path:x>/e",
        ["/f/a/e", "/f/a/b/e/"],
        ["/f//e", "/f///e"],
        ["/f/e", "/f/a/ee"],
    ),
    "path with an extension": ("/<path:x>.js", ["/a.js", "/a/b.js.js"], ["/.js", "//.js"], ["/a.jsx"]),
    "two paths": ("/<path:a>/x/<path:b>", ["/a/x/b", "/a/b/x/x/c"], ["/a/x", "//x/"], ["/a/xy/b", "/x"]),
    "two paths and an end": (
        "/<path:a>/x/<b>/y/<path:c>/z",
        ["/a/x/b/y/c/z", "/a/x/x/b/y/c/z/z", "/a/x/b/y/y/z"],
        ["/a/x//y/c/z"],
        ["/a/x/b/c/y/d/z", "/a/x/b/y/z", "/a/x/b/y/c/zz"],
    ),
}


@pytest.mark.parametrize(("rule", "own", "possible", "others"), TABLE.values(), ids=TABLE)
def test_strict_and_loose_matching(rule: str, own: list[str], possible: list[str], others: list[str]) -> None:
    """Each path matches both ways, only loosely, or not at all, as the table says."""
    pattern = Pattern.parse(rule)
    assert own == [path for path in own + possible + others if pattern.matches(path)]
    assert own + possible == [path for path in own + possible + others if pattern.may_match(path)]


RULES = [
    *("/", "/a", "/a/b", "/<x>", "/<x>/a", "/a/<x>", "/<int:x>", "/<int:x>/a", "/<float:x>", "/<any(a,b):x>"),
    *("/<string(length=1):x>/b", "/<x>-<y>", "/a<x>", "/<x>a", "/a-<int:x>", "/<path:x>", "/a/<path:x>"),
    *("/<path:x>/a", "/<path:x>-a", "/<path:x>/a/<path:y>", "/<x>/<path:y>", "/<path:x>/<y>/a"),
    *("/<path:x>/a/<path:y>/b", "/<x>-<any(a,b):y>", "/<path:x>/a-<y>/<path:z>/<q>"),
]
PATHS = st.text(alphabet="aab1-./", max_size=12).map(lambda text: f"/{text.lstrip('/')}")


def _find(rules: list[str], path: str) -> str | None:
    routing = Map([WerkzeugRule(rule, endpoint=rule) for rule in rules], merge_slashes=False)
    try:
        return str(routing.bind("").match(path.removesuffix("/") or "/")[0])
    except HTTPException:
        return None


@given(st.sampled_from(RULES), PATHS)
@example("/<x>-<any(a,b):y>", "/1-1-a")
@example("/<path:x>/a/<path:y>/b", "/1/a/a/b/b")
def test_a_pattern_matches_what_werkzeug_matches(rule: str, path: str) -> None:
    """A strict pattern matches no more than Werkzeug, a loose one no less."""
    pattern = Pattern.parse(rule)
    found = _find([rule], path) is not None
    assert pattern.matches(path) <= found <= pattern.may_match(path)
    if rule.count("<path") < 2:
        assert pattern.matches(path) == found


@given(st.sampled_from(list(itertools.combinations(RULES, 2))), PATHS)
@example(("/<x>/<path:y>", "/<path:x>/a"), "/1/a")
def test_the_order_of_patterns_is_that_of_werkzeug(rules: tuple[str, str], path: str) -> None:
    """Of two rules that match a path, the one that Werkzeug finds comes first, or the two are unordered."""
    first, second = map(Pattern.parse, rules)
    if not (first.matches(path) and second.matches(path)):
        return
    found = _find([*rules], path)
    if first.precedes(second):
        assert found == rules[0]
    if second.precedes(first):
        assert found == rules[1]
    assert not (first.precedes(second) and second.precedes(first))


@pytest.mark.parametrize(
    ("rule", "other"),
    [
        ("/<any(a,b):x>", "/<x>"),
        ("/<uuid:x>/a", "/<x>/<y>"),
        ("/<string(length=2):x>/a", "/<x>/<y>"),
        ("/<x>", "/<y>"),
        ("/a", "/a"),
    ],
)
def test_patterns_of_equal_weight_are_unordered(rule: str, other: str) -> None:
    """Patterns with the same weight in Werkzeug are unordered."""
    assert not Pattern.parse(rule).precedes(Pattern.parse(other))
    assert not Pattern.parse(other).precedes(Pattern.parse(rule))


@pytest.mark.parametrize(
    ("path", "name", "fixed", "first"),
    [
        ("/", "/", "", ""),
        ("/a/b/", "/a/b", "/a/b", "a"),
        ("/a/<x>", "/a/<default>", None, "a"),
        ("/<int(max=9):x>/a", "/<int(max=9)>/a", None, None),
        ("/a<path:x>/b", "/a<path>/b", None, None),
    ],
)
def test_name_and_first_segment_of_a_pattern(
    path: str, name: str, fixed: str | None, first: str | None
) -> None:
    """The name leaves out the names of variables; the first segment is used to look up rules."""
    pattern = Pattern.parse(path)
    assert (name, fixed, first) == (pattern.name, pattern.fixed, pattern.first)


UNITS = ["/", "/a", "/a/", "-", "a-", "1", ".1", "/a/b", "/a-"]


@pytest.mark.parametrize(
    "rule",
    [
        *RULES,
        "/<a>-<b>-<c>-<d>x",
        "/v<int:a>.<int:b>.<int:c>x",
        "/<path:x>/a/<b>/<path:y>/b/<c>/d",
        "/<a>-<b>/<c>-<d>/<e>-<f>x/<path:g>x",
    ],
)
def test_matching_takes_linear_time(rule: str) -> None:
    """A path of maximum length is matched in under a millisecond; quadratic matching would take several."""
    pattern = Pattern.parse(rule)
    for unit, end in itertools.product(UNITS, ["", "x", "/", "-", "/b", "1"]):
        path = "/" + unit * (2048 // len(unit)) + end
        assert min(_seconds(pattern, path) for _ in range(5)) < 0.001, path[:20]


def _seconds(pattern: Pattern, path: str) -> float:
    start = time.thread_time()
    pattern.matches(path)
    pattern.may_match(path)
    return time.thread_time() - start
