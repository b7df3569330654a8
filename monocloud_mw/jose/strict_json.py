"""Parse JSON objects from untrusted sources (RFC 8259, RFC 8725 section 2.4), strictly and with limits.

Rejected: anything but an object in strict UTF-8, repeated names in one object (parsers disagree on which
counts), ``NaN`` and ``Infinity``, numbers outside the range of a float, integers of extreme length, deep
nesting, and unpaired surrogates, which UTF-8 cannot encode. Arrays become
:class:`~monocloud_mw.frozen.FrozenList` and objects :class:`~monocloud_mw.frozen.FrozenDict`, in one pass.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

from ..errors import Reason, TokenError
from ..frozen import FrozenDict, frozen_dict, frozen_list

__all__ = ["parse_json_object"]

MAX_DEPTH: Final = 32
INTEGER_BOUND: Final = 10**64
_NEGATIVE_BOUND: Final = -INTEGER_BOUND

WHITE_SPACE: Final = " \t\n\r"  # RFC 8259 section 2, and no other
# A string, closed or not. Possessive, so that each character is read once: with backtracking, an unclosed
# string with 16 KiB of escaped quotes would take most of a second.
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET: Final = re.compile(r"[\[\]{}]")
SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json_object(data: bytes, *, max_values: int | None = None) -> FrozenDict:
    """Return the JSON object in ``data``.

    Args:
        data: JSON text in UTF-8.
        max_values: the maximum number of values, or ``None`` for no limit. Before parsing, all commas and
            opening brackets are counted, including those in strings.

    Raises:
        TokenError: it is not an object, or breaks one of the rules above [malformed].
    """
    try:
        text = data.decode()
        brackets = text.count("[") + text.count("{")
        if max_values is not None:
            _check_size(brackets + text.count(","), max_values)
        if brackets > MAX_DEPTH:
            _check_depth(text)
        text = text.strip(WHITE_SPACE)
        value, end = _DECODER.raw_decode(text)
        if "\\" in text and SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # fails for an unpaired surrogate
    except (ValueError, RecursionError):
        refusal = "it is not strict JSON"
    else:
        if isinstance(value, FrozenDict) and end == len(text):
            return value
        refusal = "it is not a JSON object"
    # Raise outside the handler: a parser's error contains the whole text, and would become the context.
    raise TokenError(Reason.MALFORMED, refusal)


def _check_size(values: int, max_values: int) -> None:
    if values > max_values:
        raise ValueError("too many values")


def _check_depth(text: str) -> None:
    """Limit the nesting before parsing, because the parser is recursive."""
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError("too deep")


def _object(members: list[tuple[str, Any]]) -> FrozenDict:
    value = frozen_dict({name: item if type(item) is str else _strict(item) for name, item in members})
    if len(value) != len(members):
        raise ValueError("duplicate name")
    return value


def _strict(item: Any) -> Any:
    """Return a read-only list for an array, and other values unchanged; reject numbers out of range."""
    kind = type(item)
    if kind is int:
        if _NEGATIVE_BOUND < item < INTEGER_BOUND:
            return item
        raise ValueError("integer too long")
    if kind is list:
        return frozen_list([element if type(element) is str else _strict(element) for element in item])
    if kind is float and not math.isfinite(item):
        raise ValueError("number out of range")
    return item


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# The C scanner parses numbers, which is fast; their range is checked afterwards.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
