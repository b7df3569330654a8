"""Documents of the tenant: tolerated flaws, and invalid documents."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.errors import TokenError
from monocloud_mw.frozen import FrozenDict, freeze
from monocloud_mw.jose.lenient_json import DocumentError, parse_json_document
from monocloud_mw.jose.strict_json import INTEGER_BOUND, MAX_DEPTH, parse_json_object

from .samples import JSON_OBJECTS

FLAW: dict[str, Any] = {}


def _arrays(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{}", {}),
        (b' \t\r\n{"a" : [1, {"b": null}]} \n', {"a": [1, {"b": None}]}),
        (b'\xef\xbb\xbf {"a":1}', {"a": 1}),
        (b'{"a":1,"b":2,"a":[3]}', {"a": [3], "b": 2}),
        (b'{"a":1,"\\u0061":2}', {"a": 2}),
        (b'{"a":{"b":1,"b":{"c":2,"c":3}}}', {"a": {"b": {"c": 3}}}),
        (rb'{"a":"\ud83d\ude00","\ud83d\ude00":"\\ud800"}', {"a": "\U0001f600", "\U0001f600": r"\ud800"}),
    ],
    ids=[
        "empty",
        "white space",
        "byte order mark",
        "repeated",
        "repeated, escaped",
        "repeated, deep",
        "pairs",
    ],
)
def test_common_reading(data: bytes, expected: dict[str, Any]) -> None:
    """The last of several members counts, a byte order mark does not, and the result is read-only."""
    value = parse_json_document(data)
    assert expected == value
    assert type(value) is FrozenDict


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":NaN,"b":1}', {"a": FLAW, "b": 1}),
        (b'{"a":[Infinity,-Infinity]}', {"a": [FLAW, FLAW]}),
        (b'{"a":1e999,"b":-1e999,"c":1e-999}', {"a": FLAW, "b": FLAW, "c": 0.0}),
        (b'{"a":%d,"b":%d}' % (INTEGER_BOUND, INTEGER_BOUND - 1), {"a": FLAW, "b": INTEGER_BOUND - 1}),
        (b'{"a":%d,"b":%d}' % (-INTEGER_BOUND, 1 - INTEGER_BOUND), {"a": FLAW, "b": 1 - INTEGER_BOUND}),
        (b'{"a":' + b"9" * 10_000 + b"}", {"a": FLAW}),
        (rb'{"a":"\ud800","b":["x\uDFFF"],"c":"\udc00\ud800"}', {"a": FLAW, "b": [FLAW], "c": FLAW}),
        (rb'{"a":{"\ud800":1,"b":2}}', {"a": {"b": 2}}),
        (b'{"a":"\xff","b":"\xc0\xaf","c":"\xed\xa0\x80"}', {"a": FLAW, "b": FLAW, "c": FLAW}),
        (b'{"\xff":1,"b":2}', {"b": 2}),
    ],
    ids=[
        *("NaN", "Infinity", "beyond floats", "long integer", "long negative integer"),
        *("beyond int()", "half a pair", "half a pair in a name", "no UTF-8", "no UTF-8 in a name"),
    ],
)
def test_flaws(data: bytes, expected: dict[str, Any]) -> None:
    """A value that strict JSON cannot carry is read as an empty object, and the others as they are."""
    assert expected == parse_json_document(data)


def test_what_is_too_deep_is_null() -> None:
    """The deepest that strict JSON has is read in full, one level more is not, and the rest is unharmed."""
    deepest = b'{"text":"]}\\"","value":' + _arrays(MAX_DEPTH - 1) + b',"end":1}'
    assert parse_json_document(deepest) == parse_json_object(deepest)
    deeper = b'{"text":"]}\\"","value":' + _arrays(MAX_DEPTH + 9) + b',"end":[{}]}'
    value = parse_json_document(deeper)
    assert (value["text"], value["end"]) == (']}"', [{}])
    innermost = value["value"]
    for _ in range(MAX_DEPTH - 2):
        (innermost,) = innermost
    assert innermost == [None]


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b',"b":2}',
        b'{"a":' + b'{"x":' * 100_000 + b"0" + b"}" * 100_000 + b',"b":2}',
    ],
    ids=["arrays", "objects"],
)
def test_however_deep_one_member_is_the_others_are_read(data: bytes) -> None:
    """Depth is checked before parsing, since the parser is recursive."""
    assert parse_json_document(data)["b"] == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"<html>maintenance</html>", "it is HTML or XML"),
        (b"\n <?xml", "it is HTML or XML"),
        ('{"a":1}'.encode("utf-16"), "it is not in UTF-8"),
        ('{"a":1}'.encode("utf-16-be"), "it is not in UTF-8"),
        ('{"a":1}'.encode("utf-32"), "it is not in UTF-8"),
        (b"null", "it is null, not an object"),
        (b"true", "it is true or false, not an object"),
        (b"1", "it is a number, not an object"),
        (b"NaN", "it is a number, not an object"),
        (b"1e999", "it is a number, not an object"),
        (b"9" * 5000, "it is a number, not an object"),
        (b'"text"', "it is a string, not an object"),
        (b"[{}]", "it is an array, not an object"),
        (b"{} {}", "it is not JSON: Extra data at line 1 column 4"),
        (b"{'a':1}", "it is not JSON: Expecting property name enclosed in double quotes at line 1 column 2"),
        (b'{\n"a":"x', "it is not JSON: Unterminated string starting at line 2 column 5"),
        (b'{"a":"\n"}', "it is not JSON: Invalid control character at line 1 column 7"),
        (b'{"a":01}', "it is not JSON: Expecting ',' delimiter at line 1 column 7"),
        (
            b"{" * 200_000,
            "it is not JSON: Expecting property name enclosed in double quotes at line 1 column 2",
        ),
        (b'{"a":' * 200_000, "it is not JSON: Expecting ',' delimiter at line 1 column 165"),
        (b"\xef\xbb\xbf" * 2 + b"{}", "it is not JSON: Expecting value at line 1 column 1"),
        (b"secret", "it is not JSON: Expecting value at line 1 column 1"),
    ],
    ids=range(24),
)
def test_invalid_documents(data: bytes, message: str) -> None:
    """The error has the exact reason and nothing of the text."""
    with pytest.raises(DocumentError) as caught:
        parse_json_document(data)
    assert str(caught.value) == message
    assert caught.value.__context__ is None


def test_a_full_stack_is_no_crash() -> None:
    """With hardly any stack left, parsing raises a documented error."""

    def descend(levels: int) -> None:
        if levels:
            descend(levels - 1)
        else:
            parse_json_document(b'{"a":' * 30 + b"1" + b"}" * 30)

    limit = sys.getrecursionlimit()
    outcomes = set()
    for levels in range(limit - 150, limit):
        try:
            descend(levels)
        except DocumentError as error:
            outcomes.add(str(error))
        except RecursionError:
            break
    assert outcomes == {"the Python stack is too full to parse it"}


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b'{"a":1,"a":1}', "a"),
        (b'{"a":true,"x":0,"\\u0061":false}', "a"),
        (b'{"b":{"c":1,"c":2}}', "b"),
        (b'{"b":[0,{"c":[{"d":1,"d":2}]}]}', "b"),
    ],
    ids=["repeated", "escaped", "within", "deep within"],
)
def test_names_that_must_be_unique(data: bytes, named: str) -> None:
    """In a member that decides, no name may be repeated."""
    assert parse_json_document(data)
    with pytest.raises(DocumentError) as caught:
        parse_json_document(data, unique=("a", "b"))
    assert str(caught.value) == f"it repeats {named}, or a name in it"


def test_other_names_may_be_repeated() -> None:
    """In members that decide nothing, names may be repeated."""
    data = b'{"a":[{"c":1}],"x":{"c":1,"c":2},"x":{"c":3},"y":{"a":1,"a":2}}'
    value = parse_json_document(data, unique=("a", "b"))
    assert value == {"a": [{"c": 1}], "x": {"c": 3}, "y": {"a": 2}}


@given(JSON_OBJECTS, st.booleans())
def test_plain_documents_are_read(value: dict[str, Any], ascii_only: bool) -> None:
    """Documents written by the standard library give the same values."""
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert parse_json_document(data) == json.loads(data) == value


@given(st.binary() | st.text('{}[]":,\\u0d8a1eENaN.- \n').map(str.encode))
def test_nothing_else_escapes(data: bytes) -> None:
    """Any bytes are a document or a documented error; the result is always strict JSON."""
    try:
        value = parse_json_document(data)
    except DocumentError:
        with pytest.raises(TokenError):
            parse_json_object(data)
        return
    assert parse_json_object(json.dumps(value).encode()) == value
    try:
        assert parse_json_object(data) == value
    except TokenError:
        assert freeze(value) is value
