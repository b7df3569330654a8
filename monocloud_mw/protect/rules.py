"""What a path and a method need: rules, and the policy that a middleware makes of them.

- Everything that no rule names needs a valid token and the middleware's own scopes and groups.
- A rule *adds* to that, and rules add to each other: a request must meet every rule that matches it, so no
  rule can widen what another one, or the middleware, narrows.
- ``public=True`` is the one exemption, and an explicit one: a request passes without a token where the most
  specific rule that matches it, as Werkzeug weighs rules, is public.
- A rule that asks for something matches generously, a public one strictly (:mod:`.patterns`).
- A rule applies to its methods only, and so does its place in that order: ``Rule("/orders",
  methods=["POST"], ...)`` changes nothing for GET. GET includes HEAD; a WebSocket handshake is a GET.
- A path is taken in every interpretation of an application (:mod:`.paths`): a request must meet the rules of
  all of them, and is public only if all are. What is unreadable must meet every rule there is.
- ``/orders`` and ``/orders/`` are one path. A rule that asks for something and ends in ``/<path:name>`` also
  applies to the bare directory, which frameworks like to serve from the same handler; a public one does not.
- Rules are written below the prefix under which the application is mounted (``SCRIPT_NAME``,
  ``root_path``) or which it strips itself (``prefixes``). A rule that asks for something is also honoured if
  it was written with the prefix.

Paths are case-sensitive. Whatever rewrites a path or a method (method overrides, say) belongs in front.
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

# Attackers choose paths, so the memory of them is bounded: at most 1024 entries of 2048 characters.
# Remembering takes a look-up from about 10 us down to 0.3 us.
_REMEMBERED_LOOKUPS: Final = 1024

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_NOT_METHODS: Final = {
    "*": "leave methods out to name all",
    "ALL": "leave methods out to name all",
    "ANY": "leave methods out to name all",
    "WEBSOCKET": "the handshake of a WebSocket is a GET",
}
_PATH_VARIABLE: Final = re.compile(r"<path(?:\([^()]*\))?:")
_NEVER_IN_A_PLAIN_PATH: Final = re.compile(r"[\x00-\x1f\x7f\\;?#\ufffd]|//|/\.{1,2}(?:/|\Z)|%[0-9A-Fa-f]{2}")
_PLAINLY: Final = (
    "must be written plainly: decoded, without dot segments, repeated slashes, a query, "
    "parameters, backslashes or control characters"
)


@attrs.frozen
class Rule:
    """What requests to a path need beyond a valid token. Checked where a middleware takes it.

    Args:
        path: in Werkzeug's routing syntax, decoded: ``/orders/<int:id>``, ``/files/<path:rest>``.
            In a rule that asks for something, a variable of any type matches any one segment.
        methods: the methods it holds for; all without it.
        scopes: scopes the token must have, all of them.
        groups: groups of which the user must be in one (in all with ``groups_match_all``).
        any_scopes: scopes of which the token must have one.
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
    """Tells what a request needs.

    Args:
        rules: in any order.
        scopes: what every request needs that is not public.
        groups: likewise.
        any_scopes: likewise; one of them is enough.
        prefixes: paths that the application strips from the front of a path itself, such as ``"/api"``.
        known_prefixes: the same as the application's object tells them, taken as they are.

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
        self._defaults = _read_requirements(scopes, groups, any_scopes, problems)
        checked = tuple(_read_rules(rules, problems))
        problems.extend(_list_contradictions(checked))
        self.rules = checked
        own = (*_read_prefixes(prefixes, problems), *known_prefixes)
        if problems:
            raise ConfigurationError(problems)
        self._prefixes = tuple(dict.fromkeys(filter(None, (prefix.rstrip("/") for prefix in own))))
        self._everything = self._defaults
        for rule in checked:
            self._everything = self._everything.merge(rule.requirements)
        self.fixed_requirements: Requirements | None = None if checked else self._defaults
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
        masked = strip_prefix(mask_raw_path(raw_path), prefix) if "%" in raw_path else ""
        if len(path) + len(prefix) + len(masked) > MAX_PATH_CHARACTERS:
            return self._everything
        method = method.upper()
        if method not in self._matchers:
            method = ""  # a made-up one may be of any length, and is not to be remembered
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
        needed = self._defaults
        for rule in protecting:
            needed = needed.merge(rule.requirements)
        return needed


def _is_public(traced: Mapping[str, tuple[str, ...]], public: set[str], spellings: Sequence[str]) -> bool:
    """Tell whether a path passes without a token, where no interpretation leads to a rule that asks.

    ``/tags/C%23/posts`` is decoded to ``/tags/C#/posts``. Rules have no ``#`` and no ``?``, so in a public
    path these are part of a variable: they are data, and that no rule names ``/tags/C`` is no reason to
    refuse. What else becomes of such a path must be public all the same.
    """
    if len(public) == len(traced):
        return True
    cut = {traced[path][0] for path in public} - public
    if not cut:
        return False
    whole = list_whole(traced, spellings, public)
    return all(path in public or (path in cut and path not in whole) for path in traced)


class _Matcher:
    """The rules for one method, and which of them match a path."""

    def __init__(self, rules: Sequence[_CheckedRule]) -> None:
        self._fixed = frozenset(rule.pattern.fixed for rule in rules)
        self._protecting = _group([rule for rule in rules if not rule.public])
        self._public = _group([rule for rule in rules if rule.public])

    def list_protecting(self, path: str) -> list[_CheckedRule]:
        """Return all rules that match and are not public."""
        bare = path.removesuffix("/")
        if bare in self._fixed:  # a rule names this directory, so it is not a variable's empty text
            path = bare
        return [rule for rule in _candidates(self._protecting, path) if rule.pattern.may_match(path)]

    def is_public(self, path: str, protecting: Sequence[_CheckedRule]) -> bool:
        """Tell whether a public rule matches that is more specific than these, which match as well."""
        return any(
            rule.pattern.matches(path) and all(rule.pattern.precedes(other.pattern) for other in protecting)
            for rule in _candidates(self._public, path)
        )


def _group(rules: Sequence[_CheckedRule]) -> dict[str | None, list[_CheckedRule]]:
    """Group rules by their first segment; those with a variable there are in every group."""
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
            found.append(Problem(name, None, "is public, so it cannot ask for scopes or groups"))
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
        message = f"methods must not have {quoted(method)}: {_NOT_METHODS[method]}"
        problems.append(Problem(name, None, message))
    return named | {"HEAD"} if "GET" in named else named


def _list_path_mistakes(path: Any) -> Iterator[str]:
    """Find what would make a rule invalid, or never match: a rule that is not honoured is a hole."""
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
        yield "path has a variable that is not written <name> or <converter:name>"
    elif _NEVER_IN_A_PLAIN_PATH.search(literal):
        yield f"path {_PLAINLY}"
    elif path != path.strip():
        yield "path must not start or end with white space"
    elif any("/" in variable[0] for variable in VARIABLE.finditer(path)):
        yield "path has a variable with a slash in it, which would never match"
    elif len(_PATH_VARIABLE.findall(path)) > MAX_PATH_VARIABLES:
        yield f"path must not have more than {MAX_PATH_VARIABLES} variables of the type path"
    elif any(
        "<path" in segment and len(VARIABLE.findall(segment)) > 1 and _PATH_VARIABLE.search(segment)
        for segment in path.split("/")
    ):
        yield "path must not have another variable in one segment with one of the type path"
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
