"""Path rules, and the policy that a middleware builds from them.

- A path without a rule needs a valid token and the middleware's own scopes and groups.
- Rules *add* requirements: a request must meet every rule that matches it, so that no rule can loosen the
  requirements of another rule or of the middleware.
- ``public=True`` is the only exemption: a request passes without a token if the most specific matching rule,
  by Werkzeug's order, is public.
- A non-public rule matches generously, a public rule strictly (:mod:`.patterns`).
- With an optional token, a non-public rule still requires one.
- A rule applies only to its methods: ``Rule("/orders", methods=["POST"], ...)`` changes nothing for GET, not
  even which rule is the most specific. GET includes HEAD; a WebSocket handshake is a GET.
- Every interpretation of a path is checked (:mod:`.paths`): a request must meet the rules of all of them, and
  is public only if all are public. An unreadable path must meet every rule.
- ``/orders`` and ``/orders/`` are the same path. A non-public rule that ends in ``/<path:name>`` also
  applies to the directory itself, which frameworks often serve with the same handler; a public rule does not.
- Write rules without the prefix under which the application is mounted (``SCRIPT_NAME``, ``root_path``) or
  which it strips itself (``prefixes``). A non-public rule also applies if written with the prefix.

Paths are case-sensitive. Code that rewrites paths or methods (such as method overrides) must run before the
middleware.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import attrs

from ..core.token.requirements import NO_REQUIREMENTS, Requirements
from ..errors import ConfigurationError, Problem, quoted
from .foreign_syntax import explain_foreign_syntax
from .paths import MAX_PATH_CHARACTERS, list_whole, mask_raw_path, strip_prefix, trace_interpretations
from .patterns import MAX_PATH_VARIABLES, VARIABLE, Pattern

__all__ = ["Policy", "Rule"]

# Attackers choose paths, so the cache is bounded: at most 1024 entries of 2048 characters each.
# It reduces a look-up from about 10 us to 0.3 us.
_REMEMBERED_LOOKUPS: Final = 1024

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_NOT_METHODS: Final = {
    "*": "omit methods to match all",
    "ALL": "omit methods to match all",
    "ANY": "omit methods to match all",
    "WEBSOCKET": "a WebSocket handshake is a GET",
}
_PATH_VARIABLE: Final = re.compile(r"<path(?:\([^()]*\))?:")
_NEVER_IN_A_PLAIN_PATH: Final = re.compile(r"[\x00-\x1f\x7f\\;?#\ufffd]|//|/\.{1,2}(?:/|\Z)|%[0-9A-Fa-f]{2}")
_PLAINLY: Final = (
    "must be decoded, without dot segments, repeated slashes, a query, parameters, backslashes or control "
    "characters"
)


@attrs.frozen
class Rule:
    """The requirements for requests to a path; validated when a middleware is created with it.

    Args:
        path: in Werkzeug's routing syntax, decoded: ``/orders/<int:id>``, ``/files/<path:rest>``.
            In a non-public rule, a variable of any type matches any segment.
        methods: the methods that the rule applies to; default: all.
        scopes: the token must have all of them.
        groups: the caller must be in at least one, or in all with the option ``groups_match_all``.
        any_scopes: the token must have at least one.
        public: no token is needed.
    """

    path: str
    methods: str | Iterable[str] | None = attrs.field(default=None, kw_only=True)
    scopes: str | Iterable[str] = attrs.field(default=(), kw_only=True)
    groups: str | Iterable[str] = attrs.field(default=(), kw_only=True)
    any_scopes: str | Iterable[str] = attrs.field(default=(), kw_only=True)
    public: bool = attrs.field(default=False, kw_only=True)


@attrs.frozen(eq=False)
class _CheckedRule:
    name: str
    pattern: Pattern
    methods: frozenset[str] | None
    requirements: Requirements
    public: bool

    def holds_for(self, method: str) -> bool:
        return self.methods is None or method in self.methods

    def overlaps(self, other: _CheckedRule) -> bool:
        return self.methods is None or other.methods is None or bool(self.methods & other.methods)


class Policy:
    """Determines the requirements of a request from rules.

    Args:
        rules: in any order.
        scopes: required of every request that is not public.
        groups: the caller must be in at least one, for every request that is not public.
        any_scopes: the token must have at least one, for every request that is not public.
        prefixes: prefixes that the application itself strips from paths, such as ``"/api"``.
        known_prefixes: prefixes read from the application object; they are not validated.

    Raises:
        ConfigurationError: with every problem of every rule and prefix.
    """

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        *,
        scopes: str | Iterable[str] = (),
        groups: str | Iterable[str] = (),
        any_scopes: str | Iterable[str] = (),
        prefixes: str | Iterable[str] = (),
        known_prefixes: Iterable[str] = (),
    ) -> None:
        problems: list[Problem] = []
        self.defaults = _read_requirements(scopes, groups, any_scopes, problems)
        """The requirements of the middleware itself: returned as this object where no rule adds any."""
        checked = tuple(_read_rules(rules, problems))
        problems.extend(_list_contradictions(checked))
        self.rules = checked
        own = (*_read_prefixes(prefixes, problems), *known_prefixes)
        if problems:
            raise ConfigurationError(problems)
        self._prefixes = tuple(dict.fromkeys(filter(None, (prefix.rstrip("/") for prefix in own))))
        self._everything = self.defaults
        for rule in checked:
            self._everything = self._everything.merge(rule.requirements)
        self.fixed_requirements: Requirements | None = None if checked else self.defaults
        """The requirements of every request, if there are no rules; otherwise ``None``."""
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
        """Return the requirements of a request, or ``None`` if it needs no token.

        Args:
            method: the HTTP method, unmodified.
            path: decoded once, without ``prefix``.
            prefix: the path under which the application is mounted.
            raw_path: the path in the request line without the query, if the server provides it.
            cut_path: the result of :func:`.paths.cut_at_prefix`.
        """
        masked = strip_prefix(mask_raw_path(raw_path), prefix) if "%" in raw_path else ""
        if len(path) + len(prefix) + len(masked) > MAX_PATH_CHARACTERS:
            return self._everything
        method = method.upper()
        if method not in self._matchers:
            method = ""  # an unknown method may be of any length and must not fill the cache
        return self._look_up(method, path, prefix, masked, cut_path)

    def _decide(self, method: str, path: str, prefix: str, masked: str, cut_path: str) -> Requirements | None:
        spellings = (path, *filter(None, (masked, cut_path)))
        mount = prefix.rstrip("/")
        fronts = {mount, *self._prefixes, *(mount + own for own in self._prefixes)} - {""}
        traced = trace_interpretations(spellings, (prefix, *self._prefixes), times=1 + len(fronts))
        if traced is None:
            return self._everything
        matcher = self._matchers.get(method, self._other_methods)
        protecting: dict[_CheckedRule, None] = {}
        public: set[str] = set()
        for interpretation in traced:
            matching = matcher.list_protecting(interpretation)
            if matcher.is_public(interpretation, matching):
                public.add(interpretation)
            else:
                protecting |= dict.fromkeys(matching)
            for front in sorted(fronts):
                path = front + interpretation
                more = [rule for rule in matcher.list_protecting(path) if rule not in matching]
                if more and not matcher.is_public(path, more):
                    protecting |= dict.fromkeys(more)
        if not protecting and _is_public(traced, public, spellings):
            return None
        needed = self.defaults
        for rule in protecting:
            needed = needed.merge(rule.requirements)
        return needed


def _is_public(traced: Mapping[str, tuple[str, ...]], public: set[str], spellings: Sequence[str]) -> bool:
    """Return whether a path is public, given that no interpretation matches a non-public rule.

    ``/tags/C%23/posts`` is decoded to ``/tags/C#/posts``. Rules contain no ``#`` or ``?``, so in a public
    path these belong to a variable and are data. The interpretation ``/tags/C``, with the fragment dropped,
    need not be public then. All other interpretations must be.
    """
    if len(public) == len(traced):
        return True
    cut = {traced[path][0] for path in public} - public
    if not cut:
        return False
    whole = list_whole(traced, spellings, public)
    return all(path in public or (path in cut and path not in whole) for path in traced)


class _Matcher:
    """Matches a path against the rules for one method."""

    def __init__(self, rules: Sequence[_CheckedRule]) -> None:
        self._fixed = frozenset(rule.pattern.fixed for rule in rules)
        self._protecting = _group([rule for rule in rules if not rule.public])
        self._public = _group([rule for rule in rules if rule.public])

    def list_protecting(self, path: str) -> list[_CheckedRule]:
        """Return all matching non-public rules."""
        bare = path.removesuffix("/")
        if bare in self._fixed:  # a rule names it, so the last segment is not an empty variable
            path = bare
        return [rule for rule in _candidates(self._protecting, path) if rule.pattern.may_match(path)]

    def is_public(self, path: str, protecting: Sequence[_CheckedRule]) -> bool:
        """Return whether a public rule matches that is more specific than the given matching rules."""
        return any(
            rule.pattern.matches(path) and all(rule.pattern.precedes(other.pattern) for other in protecting)
            for rule in _candidates(self._public, path)
        )


def _group(rules: Sequence[_CheckedRule]) -> dict[str | None, list[_CheckedRule]]:
    """Group rules by first segment; rules whose first segment has a variable are in every group."""
    firsts = {None, *(rule.pattern.first for rule in rules)}
    return {first: [rule for rule in rules if rule.pattern.first in (first, None)] for first in firsts}


def _candidates(groups: Mapping[str | None, list[_CheckedRule]], path: str) -> list[_CheckedRule]:
    return groups.get(path[1:].partition("/")[0]) or groups[None]


def _read_requirements(
    scopes: Any, groups: Any, any_scopes: Any, problems: list[Problem], rule: str = ""
) -> Requirements:
    try:
        return Requirements.of(scopes, groups, any_scopes)
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
        requirements = _read_requirements(rule.scopes, rule.groups, rule.any_scopes, found, name)
        if rule.public not in (True, False):
            found.append(Problem(name, None, "public must be True or False"))
        elif rule.public and (rule.scopes or rule.groups or rule.any_scopes):
            found.append(Problem(name, None, "is public, so it must not require scopes or groups"))
        problems.extend(found)
        if not found:
            yield _CheckedRule(name, Pattern.parse(rule.path), methods, requirements, rule.public)


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
    for method in sorted(named & _NOT_METHODS.keys()):
        message = f"methods must not contain {quoted(method)}: {_NOT_METHODS[method]}"
        problems.append(Problem(name, None, message))
    return named | {"HEAD"} if "GET" in named else named


def _list_path_mistakes(path: Any) -> Iterator[str]:
    """Yield what makes a path invalid or unable to match; a rule that never matches would protect nothing."""
    if not isinstance(path, str):
        yield "path must be a string that starts with a slash"
        return
    foreign = explain_foreign_syntax(path)
    literal = VARIABLE.sub("x", path)
    if foreign:
        yield f"path is not in Werkzeug's routing syntax: {foreign}"
    elif not path.startswith("/"):
        yield "path must be a string that starts with a slash"
    elif "<" in literal or ">" in literal:
        yield "path has a variable that is not in the form <name> or <converter:name>"
    elif _NEVER_IN_A_PLAIN_PATH.search(literal):
        yield f"path {_PLAINLY}"
    elif path != path.strip():
        yield "path must not start or end with white space"
    elif any("/" in variable[0] for variable in VARIABLE.finditer(path)):
        yield "path has a variable with a slash in it, which would never match"
    elif len(_PATH_VARIABLE.findall(path)) > MAX_PATH_VARIABLES:
        yield f"path must not have more than {MAX_PATH_VARIABLES} variables of type path"
    elif any(
        "<path" in segment and len(VARIABLE.findall(segment)) > 1 and _PATH_VARIABLE.search(segment)
        for segment in path.split("/")
    ):
        yield "path must not have a variable of type path and another variable in the same segment"
    else:
        try:
            Pattern.parse(path)
        except (LookupError, SyntaxError, TypeError, ValueError, OverflowError, re.error) as error:
            yield f"path is not in Werkzeug's routing syntax: {quoted(error)}"


def _read_prefixes(prefixes: Any, problems: list[Problem]) -> Sequence[str]:
    prefixes = (prefixes,) if isinstance(prefixes, str) else prefixes
    if not isinstance(prefixes, (list, tuple, set, frozenset)):
        kind = quoted(type(prefixes).__name__)
        problems.append(Problem("prefixes", None, f"must be a list of strings, not {kind}"))
        return ()
    for prefix in prefixes:
        if not isinstance(prefix, str) or not prefix.startswith("/"):
            message = "must be a string that starts with a slash"
        elif _NEVER_IN_A_PLAIN_PATH.search(prefix) or prefix != prefix.strip():
            message = _PLAINLY
        elif VARIABLE.search(prefix) or explain_foreign_syntax(prefix):
            message = "must not have variables"
        else:
            continue
        problems.append(Problem("prefixes", None, f"{quoted(prefix)} {message}"))
    return tuple(prefixes)


def _list_contradictions(rules: Sequence[_CheckedRule]) -> Iterator[Problem]:
    for number, rule in enumerate(rules):
        for other in rules[:number]:
            if rule.pattern.name != other.pattern.name or not rule.overlaps(other):
                continue
            if rule.public != other.public:
                yield Problem(rule.name, None, f"contradicts {other.name}: only one of them is public")
            elif rule.methods == other.methods or rule.public:
                yield Problem(rule.name, None, f"repeats {other.name}: write one rule")
