"""JSON objects from outside (RFC 8259, RFC 8725 section 2.4): strict, bounded, and read-only.

Refused: anything but an object in strict UTF-8, a name twice in one object (readers disagree on which
counts), ``NaN`` and ``Infinity``, numbers beyond a float's range, integers of absurd length, deep nesting,
and half surrogate pairs, which no UTF-8 output could carry. Arrays come out as
:class:`~monocloud_mw.frozen.FrozenList` and objects as :class:`~monocloud_mw.frozen.FrozenDict`, in one pass.
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

_WHITE_SPACE: Final = " \t\n\r"  # RFC 8259 section 2, and no other
# A string, closed or not. Possessive, so that each character is read once: with backtracking, 16 KiB of
# escaped quotes that no quote closes would take the better part of a second.
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET: Final = re.compile(r"[\[\]{}]")
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json_object(data: bytes, *, max_values: int | None = None) -> FrozenDict:
    """Return the object that ``data`` holds.

    Args:
        data: JSON text in UTF-8.
        max_values: how many values it may have at most, where that is to be bounded. Counted before
            parsing, by the commas and brackets that stand anywhere, in strings as well.

    Raises:
        TokenError: it holds none, or breaks a rule above [malformed].
    """
    try:
        text = data.decode()
        brackets = text.count("[") + text.count("{")
        if max_values is not None:
            _check_size(brackets + text.count(","), max_values)
        if brackets > MAX_DEPTH:
            _check_depth(text)
        text = text.strip(_WHITE_SPACE)
        value, end = _DECODER.raw_decode(text)
        if "\\" in text and _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # fails for half of a pair
    except (ValueError, RecursionError):
        refusal = "it is not strict JSON"
    else:
        if isinstance(value, FrozenDict) and end == len(text):
            return value
        refusal = "it is not a JSON object"
    # Outside of the handler: the parser's errors hold the whole text, and would hang on to ours.
    raise TokenError(Reason.MALFORMED, refusal)


def _check_size(values: int, max_values: int) -> None:
    if values > max_values:
        raise ValueError("too many values")


def _check_depth(text: str) -> None:
    """Count the nesting before the parser, which is recursive, can be made to feel it."""
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
    """Return an array in its read-only form, and anything else as it is, unless it is out of bounds."""
    kind = type(item)
    if kind is list:
        return frozen_list([element if type(element) is str else _strict(element) for element in item])
    if kind is int:
        if _NEGATIVE_BOUND < item < INTEGER_BOUND:
            return item
        raise ValueError("integer too long")
    if kind is float and not math.isfinite(item):
        raise ValueError("number out of range")
    return item


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Numbers are left to the scanner, which is quick at them, and then looked at.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
