"""Strict JSON: accepted and refused input, and linear time."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.errors import Reason, TokenError
from monocloud_mw.frozen import FrozenDict, freeze
from monocloud_mw.jose.strict_json import INTEGER_BOUND, MAX_DEPTH, _check_depth, parse_json_object

from .samples import JSON_OBJECTS, reason_of


def _nested(depth: int) -> bytes:
    """Return an object whose arrays nest so that the whole has ``depth`` levels."""
    return b'{"text":"]}\\"","value":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{}", {}),
        (b' \t\r\n{"a" : 1} \n', {"a": 1}),
        ('{"name":"Zoë 😀"}'.encode(), {"name": "Zoë 😀"}),
        (rb'{"name":"Zo\u00eb \ud83d\ude00"}', {"name": "Zoë 😀"}),
        (rb'{"path":"C:\\ud800\\uDFFF"}', {"path": r"C:\ud800\uDFFF"}),
        (rb'{"a":"\"\\\/\b\f\n\r\t"}', {"a": '"\\/\b\f\n\r\t'}),
        (b'{"a":{"x":1},"b":{"x":2}}', {"a": {"x": 1}, "b": {"x": 2}}),
        (b'{"a":[1,[2,[{"b":[]}]]]}', {"a": [1, [2, [{"b": []}]]]}),
        (b'{"exp":1.5e9,"nbf":-0.0,"iat":0}', {"exp": 1.5e9, "nbf": -0.0, "iat": 0}),
        (b'{"a":1e308,"b":1e-999}', {"a": 1e308, "b": 0.0}),
        (b'{"a":true,"b":false,"c":null}', {"a": True, "b": False, "c": None}),
        (
            b'{"n":%d,"m":[%d]}' % (INTEGER_BOUND - 1, 1 - INTEGER_BOUND),
            {"n": INTEGER_BOUND - 1, "m": [1 - INTEGER_BOUND]},
        ),
    ],
)
def test_accepted(data: bytes, expected: dict[str, Any]) -> None:
    """Strict JSON comes out as what it says, read-only at every depth."""
    value = parse_json_object(data)
    assert expected == value
    assert type(value) is FrozenDict
    assert freeze(expected) == value


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b" ", id="blank"),
        *(pytest.param(data, id=data.decode()) for data in (b"null", b"true", b"1", b'"a"', b"[]", b"[{}]")),
        pytest.param(b"{}{}", id="two objects"),
        pytest.param(b"{} x", id="trailing text"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param("{}".encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"a":"\xff"}', id="no UTF-8"),
        pytest.param(b'{"a":"\xc0\xaf"}', id="overlong UTF-8"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', id="surrogate in UTF-8"),
        pytest.param(b'\xc2\xa0{"a":1}', id="no-break space"),
        pytest.param(b'\x0b{"a":1}', id="vertical tab"),
        pytest.param(b'{"a":1,"a":1}', id="duplicate name"),
        pytest.param(b'{"a":1,"\\u0061":2}', id="duplicate name, escaped"),
        pytest.param(b'{"a":[{"b":{"c":1,"c":2}}]}', id="duplicate name, deep"),
        *(
            pytest.param(b'{"a":%b}' % number, id=number.decode())
            for number in (
                b"NaN",
                b"Infinity",
                b"-Infinity",
                b"1e999",
                b"-1e999",
                b"01",
                b"+1",
                b"1.",
                b".5",
                b"0x1",
            )
        ),
        pytest.param(b'{"n":%d}' % INTEGER_BOUND, id="integer too long"),
        pytest.param(b'{"n":[%d]}' % -INTEGER_BOUND, id="negative integer too long, in an array"),
        pytest.param(b'{"n":' + b"9" * 5000 + b"}", id="integer that Python itself refuses"),
        pytest.param(b'{"n":' + b"9" * 10_000 + b"}", id="integer far too long"),
        pytest.param(b'{"a":"\\ud800"}', id="half a surrogate pair"),
        pytest.param(b'{"a":"\\uDFFF x"}', id="the other half"),
        pytest.param(b'{"a":"\\udc00\\ud800"}', id="halves in wrong order"),
        pytest.param(b'{"\\ud800":1}', id="half a surrogate pair in a name"),
        pytest.param(b'{"a":[{"b":["\\ud800"]}]}', id="half a surrogate pair, deep"),
        pytest.param(b'{"a":"\n"}', id="control character in a string"),
        pytest.param(b"{'a':1}", id="single quotes"),
        pytest.param(b"{a:1}", id="name without quotes"),
        pytest.param(b'{"a":1,}', id="trailing comma"),
        pytest.param(b'{"a":1}//', id="comment"),
        pytest.param(b'{"a":"\\x41"}', id="unknown escape"),
        pytest.param(b'{"a":"', id="string without end"),
        pytest.param(_nested(MAX_DEPTH + 1), id="too deep"),
        pytest.param(b'{"a":' * 5000 + b"1" + b"}" * 5000, id="objects far too deep"),
        pytest.param(b"[" * 100_000, id="arrays far too deep"),
    ],
)
def test_refused(data: bytes) -> None:
    """Everything else is malformed."""
    assert reason_of(parse_json_object, data) is Reason.MALFORMED


def test_the_deepest_that_passes() -> None:
    """The bound on depth is exact."""
    assert parse_json_object(_nested(MAX_DEPTH))


def test_wide_is_not_deep() -> None:
    """Brackets side by side, or inside a string, do not count as depth."""
    wide = {"keys": [{"n": "[" * 50}] * 200, "text": "{" * 500 + '"' + "\\" * 7}
    assert freeze(wide) == parse_json_object(json.dumps(wide).encode())


def test_depth_is_checked_before_parsing() -> None:
    """Nesting is counted before parsing, since the parser is recursive; brackets in strings do not count."""
    with pytest.raises(ValueError, match="too deep"):
        _check_depth(_nested(MAX_DEPTH + 1).decode())


@pytest.mark.parametrize("data", [b"[" * 33 + b'"' + b'\\"' * 250_000, b"[" * 33 + b'\\"' * 250_000])
def test_quotes_without_end_take_linear_time(data: bytes) -> None:
    """Half a megabyte of escaped quotes is refused at once; a backtracking pattern would take minutes."""
    assert reason_of(parse_json_object, data) is Reason.MALFORMED


@given(JSON_OBJECTS, st.booleans())
def test_what_json_writes_is_read(value: dict[str, Any], ascii_only: bool) -> None:
    """Any object that the standard library writes is read back, and can be written again."""
    parsed = parse_json_object(json.dumps(value, ensure_ascii=ascii_only).encode())
    assert freeze(value) == parsed
    assert value == json.loads(json.dumps(parsed))


@given(st.binary() | st.text('{}[]":,\\u0d8a1eE.- \n').map(str.encode))
def test_nothing_else_escapes(data: bytes) -> None:
    """Any bytes are an object or malformed, and an object can always be written as UTF-8."""
    assert reason_of(parse_json_object, data) in (None, Reason.MALFORMED)
    with contextlib.suppress(TokenError):
        assert json.dumps(parse_json_object(data), ensure_ascii=False).encode()
