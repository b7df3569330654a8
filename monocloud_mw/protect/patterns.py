"""Matches paths against a rule: generously for non-public rules, strictly for public rules.

The syntax and the order of rules are those of Werkzeug. Each rule is compiled to two regular expressions:

- *generous*: a variable of any type matches any segment, because frameworks accept more than the type
  suggests (``int`` parses ``+7`` and ``7_0``). A string may be empty, as in Falcon, and a path is any text.
  A rule that ends in ``/<path:name>`` also matches the directory without the trailing path.
- *strict*: a variable matches what its Werkzeug converter accepts, with ASCII digits only.

Both run in linear time: text up to the next variable is matched once, at the earliest position, without
backtracking (atomic groups). Generous patterns lose no match by that, because the following variable matches
the rest. A strict pattern may miss an unusual path, which is then not public.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import attrs
from werkzeug.routing import (
    BaseConverter,
    FloatConverter,
    IntegerConverter,
    Map,
    PathConverter,
    UnicodeConverter,
)
from werkzeug.routing import Rule as WerkzeugRule

__all__ = ["MAX_PATH_VARIABLES", "VARIABLE", "Pattern"]

MAX_PATH_VARIABLES: Final = 2

VARIABLE: Final = re.compile(r"<(?:([^:<>]*):)?[^<>]*>")

Segment: TypeAlias = "list[str | BaseConverter]"
Piece: TypeAlias = "tuple[str, bool]"
"""A regular expression, and whether it is that of a variable of unlimited length."""

_UNBOUNDED: Final = re.compile(r"\[\^/\]\{\d+,\}")  # a string variable without a maximum length


@attrs.frozen
class _Part:
    """A segment of a rule, or everything from a ``<path:...>`` variable on.

    Args:
        weight: the weight in Werkzeug; smaller is more specific. Fixed parts have none, so they come first.
        text: distinguishes parts of the same weight.
    """

    weight: tuple[Any, ...]
    text: str


@attrs.frozen
class Pattern:
    """The compiled path of a rule.

    Args:
        name: the path without the names of its variables.
        fixed: the path itself, if it has no variables.
        first: the first segment, or ``None`` if it has a variable.
        parts: its segments, for the order of rules.
        converters: the converters of its variables, in order.
        generous: matches every path that an application could route to this rule.
        strict: matches exactly the paths of this rule.
    """

    name: str
    fixed: str | None
    first: str | None
    parts: tuple[_Part, ...]
    converters: tuple[BaseConverter, ...]
    generous: re.Pattern[str]
    strict: re.Pattern[str]

    @classmethod
    def parse(cls, path: str) -> Pattern:
        """Parse a path in Werkzeug's routing syntax; a trailing slash is ignored.

        Raises:
            LookupError, SyntaxError, TypeError, ValueError, OverflowError, re.error: the syntax is invalid.
        """
        converters = _list_converters(path)
        path = path.removesuffix("/")
        segments = _split(path, converters)
        parts = tuple(_list_parts(segments))
        return cls(
            name=VARIABLE.sub(lambda found: f"<{found[1] or 'default'}>", path) or "/",
            fixed=None if converters else path,
            first=next((None if part.weight else part.text for part in parts), ""),
            parts=parts,
            converters=tuple(converters),
            generous=re.compile(_express_generously(segments), re.DOTALL),
            strict=re.compile(_express(segments, _read_strictly) + r"/?\Z", re.DOTALL | re.ASCII),
        )

    def may_match(self, path: str) -> bool:
        """Return whether some application could route the path to this rule."""
        return self.generous.match(path) is not None

    def matches(self, path: str) -> bool:
        """Return whether the path matches this rule exactly, including types and their arguments."""
        found = self.strict.match(path)
        if found is None:
            return False
        try:
            for converter, value in zip(self.converters, found.groups(), strict=True):
                converter.to_python(value)
        except ValueError:  # such as a number out of range
            return False
        return True

    def precedes(self, other: Pattern) -> bool:
        """Return whether this pattern is more specific than another one that matches the same path."""
        for mine, its in zip(self.parts, other.parts, strict=False):
            if mine != its:
                return mine.weight < its.weight
        return len(self.parts) < len(other.parts)


class _Reader(WerkzeugRule):
    """A Werkzeug rule that records the converters of its variables in order."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.found: list[BaseConverter] = []

    def get_converter(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *arguments: Any
    ) -> BaseConverter:
        converter = super().get_converter(*arguments)
        if isinstance(converter, IntegerConverter | FloatConverter):
            for bound in (converter.min, converter.max):
                if isinstance(bound, str):  # comparing it with a number would fail at every request
                    raise ValueError("min and max must be numbers")
        self.found.append(converter)
        return converter


def _list_converters(path: str) -> list[BaseConverter]:
    reader = _Reader(path)
    Map([reader])
    return reader.found


def _split(path: str, converters: Sequence[BaseConverter]) -> list[Segment]:
    """Split a path into segments of literal text and converters."""
    segments: list[Segment] = []
    remaining = iter(converters)
    for text in re.findall(r"/|<[^<>]*>|[^/<]+", path):
        if text == "/":
            segments.append([])
        else:
            segments[-1].append(next(remaining) if text.startswith("<") else text)
    return segments


def _list_parts(segments: Sequence[Segment]) -> Iterator[_Part]:
    for number, segment in enumerate(segments):
        is_last = any(_is_path(token) for token in segment)
        tokens = [token for following in segments[number:] for token in following] if is_last else segment
        fixed = [token for token in tokens if isinstance(token, str)]
        weights = [token.weight for token in tokens if isinstance(token, BaseConverter)]
        if weights:
            weight = (-len(fixed), [-len(text) for text in fixed], -len(weights), weights)
            yield _Part(weight, _express(segments[number:] if is_last else [segment], _read_strictly))
        else:
            yield _Part((), "".join(fixed))
        if is_last:
            return


def _is_path(token: str | BaseConverter) -> bool:
    return isinstance(token, PathConverter)


def _read_strictly(converter: BaseConverter, _is_whole_segment: bool) -> Piece:
    if isinstance(converter, PathConverter) or _UNBOUNDED.fullmatch(converter.regex):
        return f"({converter.regex.removesuffix('?')}?)", True
    if isinstance(converter, IntegerConverter | FloatConverter):
        return f"((?>{converter.regex}))", False
    return f"({converter.regex})", False


def _read_generously(converter: BaseConverter, is_whole_segment: bool) -> Piece:
    if isinstance(converter, PathConverter):
        return ".*?", True
    may_be_empty = is_whole_segment and isinstance(converter, UnicodeConverter)
    return "[^/]*?" if may_be_empty else "[^/]+?", True


def _express_generously(segments: Sequence[Segment]) -> str:
    if segments and len(segments[-1]) == 1 and _is_path(segments[-1][0]):
        return _express(segments[:-1], _read_generously) + r"(?:/.*)?\Z"
    return _express(segments, _read_generously) + r"/?\Z"


def _express(segments: Sequence[Segment], read: Callable[[BaseConverter, bool], Piece]) -> str:
    """Return the regular expression of segments; ``read`` returns that of a variable."""
    pieces: list[Piece] = []
    for segment in segments:
        tokens = [
            (re.escape(token), False) if isinstance(token, str) else read(token, len(segment) == 1)
            for token in segment
        ]
        has_path = any(_is_path(token) for token in segment)
        pieces += [("/", False), *(tokens if has_path else [(_join(tokens), False)])]
    return _join(pieces)


def _join(pieces: Sequence[Piece]) -> str:
    """Join expressions so that text between two variables of unlimited length is matched only once."""
    last = max((number for number, (_text, is_wild) in enumerate(pieces) if is_wild), default=-1)
    joined, close = "", ""
    for number, (text, is_wild) in enumerate(pieces):
        if is_wild:
            joined += close
            joined, close = (f"{joined}(?>", ")") if number != last else (joined, "")
        joined += text
    return joined
