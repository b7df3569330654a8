"""Read-only JSON values that serialise like plain ones."""

from __future__ import annotations

import copy
import dataclasses
import json
import operator
import pickle
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import attrs
import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from monocloud_mw.frozen import FrozenDict, FrozenList, freeze, frozen_dict, frozen_list


def _json(integers: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | integers | st.floats(allow_nan=False) | st.text(),
        lambda children: (
            st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3)
        ),
        max_leaves=6,
    )


JSON = _json(st.integers())


def _update_in_place(value: Any) -> None:
    value |= {"b": 2}


def _extend_in_place(value: Any) -> None:
    value += [3]


def _repeat_in_place(value: Any) -> None:
    value *= 2


MUTATIONS: dict[str, Callable[[Any], object]] = {
    "setitem": lambda value: operator.setitem(value, "a", 2),
    "delitem": lambda value: operator.delitem(value, "a"),
    "ior": _update_in_place,
    "clear": lambda value: value.clear(),
    "pop": lambda value: value.pop("a"),
    "pop with a default": lambda value: value.pop("b", None),
    "popitem": lambda value: value.popitem(),
    "setdefault": lambda value: value.setdefault("b", 2),
    "update": lambda value: value.update({"b": 2}),
    "update by name": lambda value: value.update(b=2),
    "constructor": lambda value: value.__init__({"b": 2}),
    "constructor by name": lambda value: value.__init__(b=2),
    "constructor of nothing": lambda value: value.__init__(),
    "attribute": lambda value: setattr(value, "b", 2),
}
LIST_MUTATIONS: dict[str, Callable[[Any], object]] = {
    "setitem": lambda value: operator.setitem(value, 0, 3),
    "setitem of a slice": lambda value: operator.setitem(value, slice(0, 1), [3]),
    "delitem": lambda value: operator.delitem(value, 0),
    "delitem of a slice": lambda value: operator.delitem(value, slice(None)),
    "iadd": _extend_in_place,
    "imul": _repeat_in_place,
    "append": lambda value: value.append(3),
    "clear": lambda value: value.clear(),
    "extend": lambda value: value.extend([3]),
    "extend by nothing": lambda value: value.extend([]),
    "insert": lambda value: value.insert(0, 3),
    "pop": lambda value: value.pop(),
    "pop the first": lambda value: value.pop(0),
    "remove": lambda value: value.remove(2),
    "reverse": lambda value: value.reverse(),
    "sort": lambda value: value.sort(),
    "sort by a key": lambda value: value.sort(key=str, reverse=True),
    "constructor": lambda value: value.__init__([3]),
    "constructor of nothing": lambda value: value.__init__(),
}


@pytest.mark.parametrize("mutate", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_no_method_of_a_dict_changes_it(mutate: Callable[[Any], object]) -> None:
    """Each method raises and changes nothing."""
    value = FrozenDict(a=1)
    with pytest.raises((TypeError, AttributeError)):
        mutate(value)
    assert value == {"a": 1}


@pytest.mark.parametrize("mutate", LIST_MUTATIONS.values(), ids=LIST_MUTATIONS.keys())
@pytest.mark.parametrize("values", [[2, 1], []], ids=["two", "empty"])
def test_no_method_of_a_list_changes_it(mutate: Callable[[Any], object], values: list[int]) -> None:
    """Each method raises with an explanation, also on an empty list, and changes nothing."""
    value = freeze(values)
    with pytest.raises(
        TypeError, match=r"^FrozenList is read-only; use list\(\.\.\.\) to get a copy that can be changed$"
    ):
        mutate(value)
    assert value == values


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (FrozenDict(), {"a": 1}),
        (frozen_dict({}), {"a": 1}),
        (freeze({}), {"a": 1}),
        (FrozenList(), [1]),
        (frozen_list([]), [1]),
        (freeze([]), [1]),
    ],
)
def test_an_empty_value_cannot_be_filled(value: Any, content: Any) -> None:
    """A second call of the constructor is refused however the value was created."""
    with pytest.raises(TypeError, match="is read-only"):
        value.__init__(content)
    assert len(value) == 0


def test_the_error_says_what_to_do() -> None:
    """The error tells how to get a copy that can be changed."""
    with pytest.raises(TypeError) as caught:
        FrozenDict(a=1)["a"] = 2
    assert str(caught.value) == "FrozenDict is read-only; use dict(...) to get a copy that can be changed"


def test_no_method_of_a_dict_is_left_out() -> None:
    """A new mutating method of ``dict`` in a future Python fails this test."""
    harmless = {"copy", "fromkeys", "get", "items", "keys", "values"}
    refused = {name for name in vars(dict) if not name.startswith("_")} - harmless
    assert {name for name in refused if getattr(FrozenDict, name) is not FrozenDict._refuse} == set()


def test_no_method_of_a_list_is_left_out() -> None:
    """The same for ``list``, including its operators."""
    harmless = {"copy", "count", "index"}
    refused = {name for name in vars(list) if not name.startswith("_")} - harmless
    refused |= {"__setitem__", "__delitem__", "__iadd__", "__imul__"}
    assert {name for name in refused if getattr(FrozenList, name) is not FrozenList._refuse} == set()


@pytest.mark.parametrize(
    "copied",
    [
        list,
        lambda value: value.copy(),
        lambda value: [*value],
        lambda value: value[:],
        lambda value: value * 1,
    ],
    ids=["list", "copy", "unpacking", "slice", "multiply"],
)
def test_a_plain_copy_of_a_list_can_be_changed(copied: Callable[[FrozenList], list[Any]]) -> None:
    """Operations that return a new ``list`` do not affect the original."""
    value = FrozenList([1])
    other = copied(value)
    other.append(2)
    assert (value, other) == ([1], [1, 2])


def test_an_array_is_a_list() -> None:
    """Code may check its type and compare it; like any list it cannot be hashed."""
    value = freeze(["a", ["b"]])
    assert isinstance(value, list)
    assert value == ["a", ["b"]]
    assert value == ["a", ["b"]]
    assert sorted(freeze(["b", "a"])) == ["a", "b"]
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, "FrozenDict()"),
        ({"email": "zoe@example.com", "Zo\u00eb\n": 1}, "FrozenDict('email', 'Zo\\xeb\\n')"),
        ([], "FrozenList(0 values)"),
        (["zoe@example.com"], "FrozenList(1 value)"),
        ([1, [2], {"a": 3}], "FrozenList(3 values)"),
    ],
)
def test_the_repr_holds_no_values(value: Any, expected: str) -> None:
    """Claims are personal data, and reprs may be logged."""
    frozen = freeze(value)
    assert [repr(frozen), str(frozen), f"{frozen}", "%s" % frozen] == [expected] * 4  # noqa: UP031


@pytest.mark.parametrize(
    "rebuilt", [dataclasses.asdict, attrs.asdict], ids=["dataclasses.asdict", "attrs.asdict"]
)
def test_libraries_can_rebuild_it(rebuilt: Callable[[Any], dict[str, Any]]) -> None:
    """Both create a container of the same type from the old one's values."""
    kind: Any = attrs.define if rebuilt is attrs.asdict else dataclasses.dataclass

    class Holder:
        value: Any

    holder = kind(Holder)(freeze({"a": [{"b": [1]}]}))
    assert rebuilt(holder) == {"value": {"a": [{"b": [1]}]}}


@pytest.mark.parametrize("kind", [FrozenDict, FrozenList])
def test_a_constructor_freezes_what_it_is_given(kind: Any) -> None:
    """The constructor freezes nested values, however it is called."""
    inner: list[int] = []
    (value,) = kind([("a", inner)]).values() if kind is FrozenDict else kind([inner])
    with pytest.raises(TypeError):
        value.append(1)
    inner.append(1)
    assert value == []


@pytest.mark.parametrize(
    "copied",
    [dict, lambda value: value.copy(), lambda value: value | {}, lambda value: {**value}],
    ids=["dict", "copy", "or", "unpacking"],
)
def test_a_plain_copy_can_be_changed(copied: Callable[[FrozenDict], dict[str, Any]]) -> None:
    """Operations that return a new ``dict`` do not affect the original."""
    value = FrozenDict(a=1)
    other = copied(value)
    other["a"] = 2
    assert (value, other) == ({"a": 1}, {"a": 2})


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_copy_is_the_same_object(again: Callable[[Any], Any]) -> None:
    """Copying returns the same object."""
    value = freeze({"a": {"b": [1]}})
    assert again(value) is value
    assert again(value["a"]["b"]) is value["a"]["b"]


def test_it_pickles() -> None:
    """It is read-only at every depth after unpickling."""
    value = freeze({"a": {"b": [{"c": 1}]}})
    again = pickle.loads(pickle.dumps(value))
    assert again == value
    assert isinstance(again["a"]["b"][0], FrozenDict)
    assert isinstance(again["a"]["b"], FrozenList)
    assert again["a"]["b"] is not value["a"]["b"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, {"b": []}]}, {"a": [1, {"b": []}]}),
        (MappingProxyType({"a": (1, [2])}), {"a": [1, [2]]}),
        ([], []),
        ((1, (2,)), [1, [2]]),
        ("text", "text"),
        (None, None),
    ],
)
def test_freezing_is_deep(value: Any, expected: Any) -> None:
    """Objects become read-only dicts and arrays read-only lists; other JSON values are immutable."""
    assert freeze(value) == expected


def test_freezing_twice_returns_the_same_value() -> None:
    """Freezing a frozen value returns it."""
    value = freeze({"a": {}})
    assert freeze(value) is value
    assert freeze([value])[0] is value
    assert freeze({"b": freeze([1])})["b"] == [1]
    assert freeze(freeze([])) == []


def test_freezing_takes_a_copy() -> None:
    """Changing the original does not change the frozen value."""
    inner: dict[str, Any] = {"b": 1}
    value = freeze({"a": inner})
    inner["b"] = 2
    assert value == {"a": {"b": 1}}


ENCODERS: dict[str, Callable[[Any], Any]] = {
    "json": json.dumps,
    "json in Python": lambda value: "".join(json.JSONEncoder(indent=1).iterencode(value)),
    "orjson": orjson.dumps,
    "msgspec": msgspec.json.encode,
    "msgpack": msgspec.msgpack.encode,
    "msgspec.to_builtins": msgspec.to_builtins,
    "pydantic in Python": TypeAdapter(Any).dump_python,
    "pydantic in JSON": TypeAdapter(Any).dump_json,
    "pydantic for JSON": lambda value: TypeAdapter(Any).dump_python(value, mode="json"),
}


@given(_json(st.integers(-(2**63), 2**63 - 1)))
def test_a_frozen_value_serialises_like_a_plain_one(value: Any) -> None:
    """A frozen value serialises exactly like the plain value with any library (64-bit integers)."""
    for name, encode in ENCODERS.items():
        assert encode(freeze(value)) == encode(value), name


@given(JSON)
def test_numbers_of_any_length_are_written(value: Any) -> None:
    """The standard library writes integers of any length."""
    assert json.dumps(freeze(value)) == json.dumps(value)


def test_pydantic_reads_it() -> None:
    """Fields of models accept it like plain objects and arrays, strict or not."""
    value = freeze({"a": ["b"]})
    assert TypeAdapter(dict[str, list[str]]).validate_python(value) == {"a": ["b"]}
    assert TypeAdapter(dict[str, list[str]]).validate_python(value, strict=True) == {"a": ["b"]}


@given(JSON)
def test_nothing_inside_can_change(value: Any) -> None:
    """There is no mutable ``dict`` or ``list`` at any depth."""

    def check(part: Any) -> None:
        assert not isinstance(part, tuple)
        if isinstance(part, (dict, list)):
            assert isinstance(part, (FrozenDict, FrozenList))
        for child in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            check(child)

    check(freeze(value))
