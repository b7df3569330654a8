"""Path rules and their validation; :mod:`.policy` applies them.

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
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import attrs

from ..core.token.requirements import NO_REQUIREMENTS, Requirements
from ..errors import ConfigurationError, Problem
from ..quoting import quoted
from .foreign_syntax import explain_foreign_syntax
from .patterns import MAX_PATH_VARIABLES, VARIABLE, Pattern

__all__ = [
    "CheckedRule",
    "Rule",
    "list_contradictions",
    "read_prefixes",
    "read_requirements",
    "read_rules",
]

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_NOT_METHODS: Final = {
    "*": "omit methods to match all",
    "ALL": "omit methods to match all",
    "ANY": "omit methods to match all",
    "WEBSOCKET": "a WebSocket handshake is a GET",
}
_PATH_VARIABLE: Final = re.compile(r"<path(?:\([^()]*\))?:")
_NEVER_IN_A_PLAIN_PATH: Final = re.compile(r"[\x00-\x1f\x7f\\;?#\ufffd]|//|/\.{1,2}(?:/|\Z)|%[0-9A-Fa-f]{2}")
_JOINERS: Final = re.compile("[\u200c\u200d]")  # invisible too, but needed to write some languages
_PATH_FORM: Final = (
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
class CheckedRule:
    """A valid rule; ``name`` names it in problems, and ``methods`` is ``None`` for all methods."""

    name: str
    pattern: Pattern
    methods: frozenset[str] | None
    requirements: Requirements
    public: bool

    def holds_for(self, method: str) -> bool:
        """Return whether the rule applies to a method."""
        return self.methods is None or method in self.methods

    def overlaps(self, other: CheckedRule) -> bool:
        """Return whether both rules apply to the same method."""
        return self.methods is None or other.methods is None or bool(self.methods & other.methods)


def read_requirements(
    scopes: str | Iterable[str],
    groups: str | Iterable[str],
    any_scopes: str | Iterable[str],
    problems: list[Problem],
    rule: str = "",
) -> Requirements:
    """Return the requirements of a rule, or of a middleware; add what is wrong to ``problems``."""
    try:
        return Requirements.of(scopes, groups, any_scopes)
    except ConfigurationError as error:
        problems.extend(
            Problem(rule, None, f"{problem.option} {problem.message}") if rule else problem
            for problem in error.problems
        )
        return NO_REQUIREMENTS


def read_rules(rules: object, problems: list[Problem]) -> Iterator[CheckedRule]:
    """Yield the valid rules; add what is wrong with the others to ``problems``."""
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
        requirements = read_requirements(rule.scopes, rule.groups, rule.any_scopes, found, name)
        public: Any = rule.public
        if not isinstance(public, bool):
            found.append(Problem(name, None, "public must be True or False"))
        elif public and (rule.scopes or rule.groups or rule.any_scopes):
            found.append(Problem(name, None, "is public, so it must not require scopes or groups"))
        problems.extend(found)
        if not found:
            yield CheckedRule(name, Pattern.parse(rule.path), methods, requirements, public)


def _read_methods(name: str, methods: object, problems: list[Problem]) -> frozenset[str] | None:
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


def _list_path_mistakes(path: object) -> Iterator[str]:
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
        yield f"path {_PATH_FORM}"
    elif not _JOINERS.sub("", literal.strip()).isprintable():
        yield "path must not have invisible characters, such as U+200B; type it instead of pasting it"
    elif path != path.strip():
        yield "path must not start or end with white space"
    elif any("/" in variable[0] for variable in VARIABLE.finditer(path)):
        yield "path has a variable with a slash in it, which would never match"
    elif len(_PATH_VARIABLE.findall(path)) > MAX_PATH_VARIABLES:
        yield f"path must not have more than {MAX_PATH_VARIABLES} variables of type path"
    elif any(
        len(VARIABLE.findall(segment)) > 1 and _PATH_VARIABLE.search(segment) for segment in path.split("/")
    ):
        yield "path must not have a variable of type path and another variable in the same segment"
    else:
        try:
            Pattern.parse(path)
        except (LookupError, SyntaxError, TypeError, ValueError, OverflowError, re.error) as error:
            yield f"path is not in Werkzeug's routing syntax: {quoted(error)}"


def read_prefixes(prefixes: object, problems: list[Problem]) -> Sequence[str]:
    """Return the prefixes that an application strips from paths; add what is wrong to ``problems``."""
    prefixes = (prefixes,) if isinstance(prefixes, str) else prefixes
    if not isinstance(prefixes, (list, tuple, set, frozenset)):
        kind = quoted(type(prefixes).__name__)
        problems.append(Problem("prefixes", None, f"must be a list of strings, not {kind}"))
        return ()
    for prefix in prefixes:
        if not isinstance(prefix, str) or not prefix.startswith("/"):
            message = "must be a string that starts with a slash"
        elif _NEVER_IN_A_PLAIN_PATH.search(prefix) or prefix != prefix.strip():
            message = _PATH_FORM
        elif VARIABLE.search(prefix) or explain_foreign_syntax(prefix):
            message = "must not have variables"
        else:
            continue
        problems.append(Problem("prefixes", None, f"{quoted(prefix)} {message}"))
    return tuple(prefixes)


def list_contradictions(rules: Sequence[CheckedRule]) -> Iterator[Problem]:
    """Yield a problem for each rule that contradicts or repeats an earlier one."""
    for number, rule in enumerate(rules):
        for other in rules[:number]:
            if rule.pattern.name != other.pattern.name or not rule.overlaps(other):
                continue
            if rule.public != other.public:
                yield Problem(rule.name, None, f"contradicts {other.name}: only one of them is public")
            elif rule.methods == other.methods or rule.public:
                yield Problem(rule.name, None, f"repeats {other.name}: write one rule")
