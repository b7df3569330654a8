"""Parse the tenant's documents as JSON (RFC 8259); a flaw in one member does not invalidate the document.

Tokens are parsed by :mod:`.strict_json`. A discovery document, a key set or an introspection response comes
from the tenant over TLS, and a flaw in an unused member must not cause an outage:

- if a name is repeated, the last member counts, unless the caller requires the name to be unique;
- a byte order mark at the beginning is skipped (RFC 8259 section 8.1); the encoding must be UTF-8;
- a value that strict JSON does not allow is replaced by an empty object, which has the wrong type wherever
  the member is used: ``NaN``, ``Infinity``, a number outside the range of a float, an integer of extreme
  length, a string with an unpaired surrogate or with bytes that are not UTF-8. A member with such a name is
  dropped;
- a value that is nested too deeply for strict JSON is replaced by ``null``.

The result never contains a value that strict JSON does not allow, and equals that of :mod:`.strict_json` for
a strict document. The caller must limit the size.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection
from typing import Any, Final

from ..frozen import FrozenDict, freeze
from .strict_json import INTEGER_BOUND, MAX_DEPTH, SURROGATE_ESCAPE, WHITE_SPACE

__all__ = ["DocumentError", "parse_json_document"]

_UTF8_MARK: Final = b"\xef\xbb\xbf"
_OTHER_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_MAX_DIGITS: Final = len(str(INTEGER_BOUND)) - 1

# A string, closed or not, or a bracket. Possessive, so that each character is read once.
_STRING_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_KINDS: Final = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}


class DocumentError(ValueError):
    """The document is not a JSON object; the message says why, with "it" for the document."""


class _Repeating(dict[str, Any]):
    """An object with repeated names."""

    def __init__(self, members: list[tuple[str, Any]]) -> None:
        super().__init__(members)
        self.repeated = {name for name, count in Counter(name for name, _ in members).items() if count > 1}


def parse_json_document(data: bytes, *, unique: Collection[str] = ()) -> FrozenDict:
    """Return the JSON object in ``data``.

    Args:
        data: JSON text in UTF-8.
        unique: names of members that must not be repeated, and whose values must not contain repeated names.

    Raises:
        DocumentError: it is not a JSON object, or repeats a name that must be unique.
    """
    text = data.removeprefix(_UTF8_MARK).decode("utf-8", "surrogateescape")
    try:
        return _read(text, unique)
    except json.JSONDecodeError as error:
        refusal = _why_not_json(data, error)
    except RecursionError:  # the stack was nearly full before
        refusal = "the Python stack is too full to parse it"
    # Raise outside the handlers: a parser's error contains the whole text, and would become the context.
    raise DocumentError(refusal)


def _read(text: str, unique: Collection[str]) -> FrozenDict:
    value = _DECODER.decode(_without_depth(text))
    if not text.lstrip(WHITE_SPACE).startswith("{"):
        raise DocumentError(f"it is {_KINDS.get(type(value), 'a number')}, not an object")
    _check_unique(value, unique)
    if SURROGATE_ESCAPE.search(text) or _SURROGATE.search(text):
        value = _without_surrogates(value)
    document: FrozenDict = freeze(value)
    return document


def _why_not_json(data: bytes, error: json.JSONDecodeError) -> str:
    start = data.lstrip()[:4]
    if not start:
        return "it is empty"
    if b"\0" in start or start.startswith(_OTHER_MARKS):
        return "it is not in UTF-8"
    if start.startswith(b"<"):
        return "it is HTML or XML"
    return f"it is not JSON: {error.msg.removesuffix(' at')} at line {error.lineno} column {error.colno}"


def _without_depth(text: str) -> str:
    """Replace values that are nested too deeply by ``null``, because the parser is recursive."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return text
    kept: list[str] = []
    depth = begin = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        first = match[0][0]
        if first in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept.append(text[begin : match.start()] + "null")
        elif first in "]}":
            if depth == MAX_DEPTH + 1:
                begin = match.end()
            depth -= 1
    if depth <= MAX_DEPTH:
        kept.append(text[begin:])
    return "".join(kept)


def _check_unique(document: dict[str, Any], unique: Collection[str]) -> None:
    repeated = document.repeated if isinstance(document, _Repeating) else ()
    for name in unique:
        if name in repeated or _has_repeated(document.get(name)):
            raise DocumentError(f"it repeats {name}, or a name in it")


def _has_repeated(value: object) -> bool:
    if isinstance(value, dict):
        return isinstance(value, _Repeating) or any(map(_has_repeated, value.values()))
    return isinstance(value, list) and any(map(_has_repeated, value))


def _without_surrogates(value: object) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_surrogates(member) for name, member in value.items() if not _SURROGATE.search(name)
        }
    if isinstance(value, list):
        return [_without_surrogates(element) for element in value]
    return {} if isinstance(value, str) and _SURROGATE.search(value) else value


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    return value if len(value) == len(members) else _Repeating(members)


def _integer(digits: str) -> Any:
    return int(digits) if len(digits.removeprefix("-")) <= _MAX_DIGITS else {}


def _float(digits: str) -> Any:
    number = float(digits)
    return number if math.isfinite(number) else {}


def _constant(_name: str) -> Any:
    return {}


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
