"""Read-only JSON values: no way in, and JSON all the way out."""

from __future__ import annotations

import copy
import json
import operator
import pickle
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.frozen import FrozenDict, freeze

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=6,
)


def _update_in_place(value: Any) -> None:
    value |= {"b": 2}


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
    "attribute": lambda value: setattr(value, "b", 2),
}


@pytest.mark.parametrize("mutate", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_no_method_of_a_dict_changes_it(mutate: Callable[[Any], object]) -> None:
    """Each one raises, and nothing has changed."""
    value = FrozenDict(a=1)
    with pytest.raises((TypeError, AttributeError)):
        mutate(value)
    assert value == {"a": 1}


def test_the_error_says_what_to_do() -> None:
    """A developer who writes into claims learns how to get a copy."""
    with pytest.raises(TypeError) as caught:
        FrozenDict(a=1)["a"] = 2
    assert str(caught.value) == "FrozenDict is read-only; dict(...) makes a copy that is not"


def test_no_method_of_a_dict_is_left_out() -> None:
    """A future Python that gives ``dict`` another way to change is noticed here."""
    harmless = {"copy", "fromkeys", "get", "items", "keys", "values"}
    refused = {name for name in vars(dict) if not name.startswith("_")} - harmless
    assert {name for name in refused if getattr(FrozenDict, name) is not FrozenDict._refuse} == set()


@pytest.mark.parametrize(
    "copied",
    [dict, lambda value: value.copy(), lambda value: value | {}, lambda value: {**value}],
    ids=["dict", "copy", "or", "unpacking"],
)
def test_a_plain_copy_can_be_changed(copied: Callable[[FrozenDict], dict[str, Any]]) -> None:
    """What gives a new ``dict`` leaves the original alone."""
    value = FrozenDict(a=1)
    other = copied(value)
    other["a"] = 2
    assert (value, other) == ({"a": 1}, {"a": 2})


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_copy_of_what_cannot_change_is_itself(again: Callable[[Any], Any]) -> None:
    """Copies cost nothing."""
    value = freeze({"a": {"b": [1]}})
    assert again(value) is value


def test_it_pickles() -> None:
    """It comes back read-only at every depth."""
    value = freeze({"a": {"b": [{"c": 1}]}})
    again = pickle.loads(pickle.dumps(value))
    assert again == value
    assert isinstance(again["a"]["b"][0], FrozenDict)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, {"b": []}]}, {"a": (1, {"b": ()})}),
        (MappingProxyType({"a": (1, [2])}), {"a": (1, (2,))}),
        ([], ()),
        ("text", "text"),
        (None, None),
    ],
)
def test_freezing_goes_all_the_way_down(value: Any, expected: Any) -> None:
    """Objects become read-only mappings and arrays tuples; the rest cannot change anyway."""
    assert freeze(value) == expected


def test_what_is_frozen_is_taken_as_it_is() -> None:
    """Freezing twice costs nothing."""
    value = freeze({"a": {}})
    assert freeze(value) is value
    assert freeze([value])[0] is value


def test_freezing_takes_a_copy() -> None:
    """Who keeps the original cannot write through it."""
    inner: dict[str, Any] = {"b": 1}
    value = freeze({"a": inner})
    inner["b"] = 2
    assert value == {"a": {"b": 1}}


@given(JSON)
def test_json_in_is_json_out(value: Any) -> None:
    """A frozen value serialises exactly as the value does."""
    assert json.dumps(freeze(value)) == json.dumps(value)


@given(JSON)
def test_nothing_inside_can_change(value: Any) -> None:
    """No ``dict`` or ``list`` that could be written to is left at any depth."""

    def check(part: Any) -> None:
        assert not isinstance(part, list)
        if isinstance(part, dict):
            assert isinstance(part, FrozenDict)
        for child in part.values() if isinstance(part, dict) else part if isinstance(part, tuple) else ():
            check(child)

    check(freeze(value))
