"""What a path and a method need: rules, and the policy that a middleware makes of them.

- Everything that no rule names needs a valid token and the middleware's own scopes and groups.
- A rule *adds* to that, and rules add to each other: a request must meet every rule that matches it, so no
  rule can widen what another one, or the middleware, narrows.
- ``public=True`` is the one exemption, and an explicit one: a request passes without a token where the most
  specific rule that matches it, as Werkzeug weighs rules, is public.
- A rule holds for its methods only, and so does its place in that order: ``Rule("/orders",
  methods=["POST"], ...)`` changes nothing for GET. GET includes HEAD; a WebSocket handshake is a GET.
- A path is taken in every reading an application may have of it (:mod:`.paths`): a request must meet the
  rules of all readings, and is public only if all are. What is unreadable must meet every rule there is.
- ``/orders`` and ``/orders/`` are one path. A rule that asks for something and ends in ``/<path:name>`` also
  holds for the bare directory, which frameworks like to serve from the same handler; a public one does not.
- Rules are written below the prefix under which the application is mounted (``SCRIPT_NAME``,
  ``root_path``). A rule that asks for something is also honoured if it was written with the prefix.

Paths are case-sensitive. Whatever rewrites a path or a method (method overrides, say) belongs in front.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import attrs
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, MapAdapter
from werkzeug.routing import Rule as WerkzeugRule

from ..core.token.requirements import NO_REQUIREMENTS, Requirements
from ..errors import ConfigurationError, Problem, quoted
from .paths import MAX_PATH_CHARACTERS, list_interpretations, mask_raw_path

__all__ = ["Policy", "Rule"]

# Attackers choose paths, so the memory of them is bounded: at most 1024 entries of 2048 characters.
# Remembering takes a look-up from about 10 us down to 0.3 us.
_REMEMBERED_LOOKUPS: Final = 1024

# Werkzeug's matcher finds the most specific rule that allows a method, or else tells all methods that some
# matching rule allows. Each of our rules therefore allows two made-up methods: one of its own, and this.
_ANY_RULE: Final = "*"

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VARIABLE: Final = re.compile(r"<(?:([^:<>]*):)?[^<>]*>")
_DIRECTORY: Final = re.compile(r"/<path(?:\([^()]*\))?:[^<>]*>\Z")
_NEVER_IN_A_PLAIN_PATH: Final = re.compile(r"[\x00-\x1f\x7f\\;?#\ufffd]|//|/\.{1,2}(?:/|\Z)|%[0-9A-Fa-f]{2}")


@attrs.frozen
class Rule:
    """What requests to a path need beyond a valid token. Checked where a middleware takes it.

    Args:
        path: in Werkzeug's routing syntax, decoded: ``/orders/<int:id>``, ``/files/<path:rest>``.
        methods: the methods it holds for; all without it.
        scopes: scopes the token must have, all of them.
        groups: groups of which the user must be in one (in all with ``groups_match_all``).
        public: no token is needed.
    """

    path: str
    methods: str | Iterable[str] | None = attrs.field(default=None, kw_only=True)
    scopes: str | Iterable[str] = attrs.field(default=(), kw_only=True)
    groups: str | Iterable[str] = attrs.field(default=(), kw_only=True)
    public: bool = attrs.field(default=False, kw_only=True)


@attrs.frozen
class _CheckedRule:
    name: str
    path: str
    methods: frozenset[str] | None
    requirements: Requirements
    public: bool

    @property
    def shape(self) -> str:
        """The path without the names of its variables: what decides which requests it matches."""
        return _VARIABLE.sub(lambda found: f"<{found[1] or 'default'}>", self.path)

    def holds_for(self, method: str) -> bool:
        return self.methods is None or method in self.methods

    def overlaps(self, other: _CheckedRule) -> bool:
        return self.methods is None or other.methods is None or bool(self.methods & other.methods)


class Policy:
    """Tells what a request needs.

    Args:
        rules: in any order.
        scopes: what every request needs that is not public.
        groups: likewise.

    Raises:
        ConfigurationError: with every problem of every rule, each naming its rule.
    """

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        *,
        scopes: str | Iterable[str] = (),
        groups: str | Iterable[str] = (),
    ) -> None:
        problems: list[Problem] = []
        self._defaults = _read_requirements(scopes, groups, problems)
        checked = tuple(_read_rules(rules, problems))
        problems.extend(_list_contradictions(checked))
        if problems:
            raise ConfigurationError(problems)
        self._everything = self._defaults
        for rule in checked:
            self._everything = self._everything.merge(rule.requirements)
        self.for_all: Requirements | None = None if checked else self._defaults
        """What every request needs, where no rule tells them apart."""
        self._matchers = {
            method: _Matcher([rule for rule in checked if rule.holds_for(method)])
            for method in frozenset().union(*(rule.methods for rule in checked if rule.methods))
        }
        self._other_methods = _Matcher([rule for rule in checked if rule.methods is None])
        self._look_up: Callable[[str, str, str, str, str], Requirements | None] = lru_cache(
            _REMEMBERED_LOOKUPS
        )(self._decide)

    def requirements_for(
        self, method: str, path: str, *, prefix: str = "", raw_path: str = "", cut_path: str = ""
    ) -> Requirements | None:
        """Return what a request needs, or ``None`` where it needs no token.

        Args:
            method: as it arrived.
            path: decoded once, below ``prefix``.
            prefix: where the application is mounted.
            raw_path: as it stood in the request line, where the server tells; without the query.
            cut_path: what a framework may take for the path of one that is not below ``prefix``.
        """
        masked = mask_raw_path(raw_path) if "%" in raw_path else ""
        if len(path) + len(prefix) + len(masked) > MAX_PATH_CHARACTERS:
            return self._everything
        method = method.upper()
        if method not in self._matchers:
            method = ""  # a made-up one may be of any length, and is not to be remembered
        return self._look_up(method, path, prefix, masked, cut_path)

    def _decide(self, method: str, path: str, prefix: str, masked: str, cut_path: str) -> Requirements | None:
        readings = list_interpretations((path, *filter(None, (masked, cut_path))), prefix)
        if readings is None:
            return self._everything
        matcher = self._matchers.get(method, self._other_methods)
        mount = prefix.rstrip("/")
        needed, public = self._defaults, True
        for reading in readings:
            matching = matcher.list_asking(reading)
            asking = matcher.list_asking(mount + reading) - matching if mount else frozenset()
            if not matcher.is_public(reading):
                public = False
                asking |= matching
            for rule in asking:
                public = False
                needed = needed.merge(rule.requirements)
        return None if public else needed


class _Matcher:
    """The rules for one method, and which of them match a path."""

    def __init__(self, rules: Sequence[_CheckedRule]) -> None:
        asking = [rule for rule in rules if not rule.public]
        exempt = [rule for rule in rules if rule.public]
        directories = [
            (_DIRECTORY.sub("", rule.path), rule) for rule in asking if _DIRECTORY.search(rule.path)
        ]
        self._rules = {str(number): rule for number, rule in enumerate(asking)}
        numbers = {rule: number for number, rule in self._rules.items()}
        # Among equally specific rules Werkzeug prefers those that came first, so those that ask come first;
        # a bare directory comes last, since a rule that names it says more.
        routes = [(rule.path, rule) for rule in asking + exempt] + directories
        self._matcher = _bind(
            WerkzeugRule(_trim(path), endpoint=rule, methods=[_ANY_RULE, numbers.get(rule, _ANY_RULE)])
            for path, rule in routes
        )

    def list_asking(self, path: str) -> frozenset[_CheckedRule]:
        """Return all rules that match and are not public."""
        numbers = self._matcher.allowed_methods(_trim(path))
        return frozenset(self._rules[number] for number in numbers if number != _ANY_RULE)

    def is_public(self, path: str) -> bool:
        """Tell whether the most specific rule that matches is public."""
        try:
            rule, _variables = self._matcher.match(_trim(path), method=_ANY_RULE)
        except HTTPException:  # no rule matches
            return False
        return bool(rule.public)


def _trim(path: str) -> str:
    """Drop one trailing slash, from rules and paths alike; two are no way of writing none."""
    return path.removesuffix("/") or "/"


def _bind(routes: Iterable[WerkzeugRule]) -> MapAdapter:
    routing = Map(routes, strict_slashes=True, merge_slashes=False, redirect_defaults=False)
    routing.update()
    return routing.bind("")


def _read_requirements(scopes: Any, groups: Any, problems: list[Problem], rule: str = "") -> Requirements:
    try:
        return Requirements.of(scopes, groups)
    except ConfigurationError as error:
        problems.extend(
            Problem(rule, None, f"{problem.option} {problem.message}") if rule else problem
            for problem in error.problems
        )
        return NO_REQUIREMENTS


def _read_rules(rules: Any, problems: list[Problem]) -> Iterator[_CheckedRule]:
    if not isinstance(rules, (list, tuple)):
        problems.append(Problem("rules", None, f"must be a list of Rule, not {quoted(type(rules).__name__)}"))
        return
    for number, rule in enumerate(rules):
        if not isinstance(rule, Rule):
            kind = quoted(type(rule).__name__)
            problems.append(Problem(f"rules[{number}]", None, f"must be a Rule, not {kind}"))
            continue
        name = f"rules[{number}] {quoted(rule.path)}"
        found = [Problem(name, None, message) for message in _list_path_mistakes(rule.path)]
        methods = _read_methods(name, rule.methods, found)
        requirements = _read_requirements(rule.scopes, rule.groups, found, name)
        if rule.public not in (True, False):
            found.append(Problem(name, None, "public must be True or False"))
        elif rule.public and (rule.scopes or rule.groups):
            found.append(Problem(name, None, "is public, so it cannot ask for scopes or groups"))
        problems.extend(found)
        if not found:
            yield _CheckedRule(name, _trim(rule.path), methods, requirements, rule.public)


def _read_methods(name: str, methods: Any, problems: list[Problem]) -> frozenset[str] | None:
    if methods is None:
        return None
    methods = (methods,) if isinstance(methods, str) else methods
    if not isinstance(methods, (list, tuple, set, frozenset)) or not methods:
        problems.append(Problem(name, None, "methods must be a non-empty list of strings"))
        return None
    if not all(isinstance(method, str) and _TOKEN.fullmatch(method) for method in methods):
        problems.append(Problem(name, None, "methods must be names of HTTP methods, such as 'POST'"))
        return None
    named = frozenset(method.upper() for method in methods)
    return named | {"HEAD"} if "GET" in named else named


def _list_path_mistakes(path: Any) -> Iterator[str]:
    """Find what would make a rule invalid, or never match: a rule that is not honoured is a hole."""
    if not isinstance(path, str) or not path.startswith("/"):
        yield "path must be a string that starts with a slash"
        return
    literal = _VARIABLE.sub("x", path)
    if "<" in literal or ">" in literal:
        yield "path has a variable that is not written <name> or <converter:name>"
    elif _NEVER_IN_A_PLAIN_PATH.search(literal):
        yield (
            "path must be written plainly: decoded, without dot segments, repeated slashes, a query, "
            "parameters, backslashes or control characters"
        )
    else:
        try:
            _bind([WerkzeugRule(path)])
        except (LookupError, SyntaxError, TypeError, ValueError) as error:
            yield f"path is not in Werkzeug's routing syntax: {quoted(error)}"


def _list_contradictions(rules: Sequence[_CheckedRule]) -> Iterator[Problem]:
    for number, rule in enumerate(rules):
        for other in rules[:number]:
            if rule.shape != other.shape or not rule.overlaps(other):
                continue
            if rule.public != other.public:
                yield Problem(rule.name, None, f"contradicts {other.name}: only one of them is public")
            elif rule.methods == other.methods or rule.public:
                yield Problem(rule.name, None, f"repeats {other.name}: write one rule")
