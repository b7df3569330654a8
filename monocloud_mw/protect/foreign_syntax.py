"""Detects rules in the syntax of other frameworks and suggests the Werkzeug syntax.

Werkzeug reads ``/orders/{number}`` as literal text, so such a rule would never match and protect nothing.
It is rejected instead.
"""

from __future__ import annotations

import re
from typing import Final

from ..quoting import quoted

__all__ = ["explain_foreign_syntax"]

# Variable types of FastAPI, Starlette, Litestar, Falcon, Sanic, Bottle and Django, and their Werkzeug types.
_WERKZEUG_CONVERTERS: Final = frozenset({"any", "default", "float", "int", "path", "string", "uuid"})
_TYPES: Final = {
    **{name: name for name in ("float", "int", "path", "uuid")},
    **dict.fromkeys(("decimal", "number"), "float"),
    **dict.fromkeys(("alpha", "date", "datetime", "dt", "ext", "re", "regex", "slug", "str", "string"), ""),
    **dict.fromkeys(("strorempty", "time", "timedelta", "ymd"), ""),
}

_LOOKS_FOREIGN: Final = re.compile(
    r"[{}^*|\[\]]"  # not used in plain paths
    r"|(?<=/):[A-Za-z_]"
    r"|\(\?|\\[dDwWzZ]|\.\+|[^/]\$\Z"
)
_VARIABLE: Final = re.compile(r"(<[^<>]*>)")
_ANCHOR: Final = re.compile(r"\A(?:\\A|\^)|(?:/\?)?(?:\\[zZ]|\$)\Z")
_NAMED_GROUP: Final = re.compile(r"\(\?P<(\w+)>((?:[^()\[\]]|\[[^\]]*\]|\([^()]*\))*)\)", re.ASCII)
_TYPED: Final = re.compile(r"<(\w+)(?:\([^()]*\))?:([^<>]*)>", re.ASCII)
_BRACES: Final = re.compile(r"\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
_COLON: Final = re.compile(r"(?<=/):(\w+)(?:\([^()/]*\))?[?*+]?(?=/|\Z)", re.ASCII)
_BRACKETS: Final = re.compile(r"(?<=/)\[{1,2}(\.{3})?(\w+)\]{1,2}(?=/|\Z)", re.ASCII)
_EXPRESSION: Final = re.compile(r"\((?!\?)([^()]*)\)|((?:\\[dDwWsS]|\[[^\]]*\]|\.)(?:[*+]|\{\d*,?\d*\}))")
_STARS: Final = re.compile(r"(?<=/)\*+(\w+)|\*\*|\*", re.ASCII)
_NAME: Final = re.compile(r"<((?:\w+:)?)(\w+)>", re.ASCII)


def explain_foreign_syntax(path: str) -> str:
    """Return a suggestion for a rule in another framework's syntax, or "" if the rule is not in one."""
    if not path.startswith(("/", "^", "\\A")):
        return ""
    respelled = _TYPED.sub(_respell_typed, _NAMED_GROUP.sub(_respell_group, path))
    if respelled == path and not _LOOKS_FOREIGN.search(_VARIABLE.sub("x", path)):
        return ""
    respelled = _number_names(
        "".join(
            text if text.startswith("<") else _respell_text(text)
            for text in _VARIABLE.split(_ANCHOR.sub("", respelled))
        )
    )
    plain = _VARIABLE.sub("x", respelled)
    if not plain.startswith("/") or _LOOKS_FOREIGN.search(plain) or re.search(r"[\\?#;<>]|//", plain):
        return "write variables as <name>, <int:name> or <path:name>"
    if path.endswith("/*"):
        everything = f"{respelled.rpartition('/')[0]}/<path:name>"
        return f"write {quoted(respelled)}, or {quoted(everything)} for all paths below it"
    return f"write {quoted(respelled)}"


def _respell_typed(found: re.Match[str]) -> str:
    """Rewrite ``<name:type>`` of Sanic and Bottle, and ``<slug:name>`` of Django."""
    first, second = found[1], found[2]
    kind = _first_word(second)
    if first in _WERKZEUG_CONVERTERS:
        return found[0]
    if first.lower() in _WERKZEUG_CONVERTERS and second.isidentifier():
        return _variable(first.lower(), second)
    if kind in _TYPES:
        return _variable(_TYPES[kind], first)
    if first in _TYPES and second.isidentifier():
        return _variable(_TYPES[first], second)
    return found[0] if second.isidentifier() else _variable(_type_of(second), first)


def _respell_group(found: re.Match[str]) -> str:
    return _variable(_type_of(found[2]), found[1])


def _respell_text(text: str) -> str:
    text = _BRACES.sub(lambda found: _respell_braces(found[1]), text)
    text = _COLON.sub(lambda found: _variable("", found[1]), text)
    text = _BRACKETS.sub(lambda found: _variable("path" if found[1] else "", found[2]), text)
    return "".join(
        piece if piece.startswith("<") else _STARS.sub(_respell_stars, _EXPRESSION.sub(_respell_regex, piece))
        for piece in _VARIABLE.split(text)
    )


def _respell_braces(text: str) -> str:
    name, _, kind = text.partition(":")
    whole = name.startswith("*") or name.endswith("...")
    name = re.sub(r"\W+", "", name, flags=re.ASCII) or "name"
    return _variable("path" if whole else _TYPES.get(_first_word(kind), _type_of(kind)), name)


def _respell_regex(found: re.Match[str]) -> str:
    kind = _type_of(found[0])
    return _variable(kind, {"int": "number", "path": "rest"}.get(kind, "name"))


def _respell_stars(found: re.Match[str]) -> str:
    if found[1]:
        return _variable("path", found[1])
    return "<path:rest>" if found[0] == "**" else "<name>"


def _first_word(text: str) -> str:
    return re.split(r"\W", text, maxsplit=1, flags=re.ASCII)[0]


def _type_of(expression: str) -> str:
    """Return the type for a regular expression: digits, anything, or a segment."""
    if re.search(r"\\d|\[0-9\]", expression):
        return "int"
    return "path" if re.search(r"\.[*+]", expression) else ""


def _variable(kind: str, name: str) -> str:
    name = f"_{name}" if name[:1].isdigit() else name
    return f"<{kind}:{name}>" if kind else f"<{name}>"


def _number_names(path: str) -> str:
    """Number repeated variable names; Werkzeug requires unique names."""
    seen: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        count = seen[found[2]] = seen.get(found[2], 0) + 1
        return f"<{found[1]}{found[2]}{count if count > 1 else ''}>"

    return _NAME.sub(number, path)
