"""The two-generation cache: bounded, and keeps entries that are used often."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.core.two_generation_cache import TwoGenerationCache


def test_an_entry_is_found_again() -> None:
    """A value that was put in is found, and no other."""
    memo: TwoGenerationCache[str, int] = TwoGenerationCache(4)
    memo.put("a", 1)
    assert (memo.get("a"), memo.get("b")) == (1, None)


def test_a_new_value_replaces_the_old_one() -> None:
    """An entry is replaced even if it is in the older generation."""
    memo: TwoGenerationCache[str, int] = TwoGenerationCache(4)
    for key in ("a", "b", "c"):
        memo.put(key, 1)
    memo.put("a", 2)
    assert memo.get("a") == 2


@pytest.mark.parametrize("key", range(6))
def test_unused_entries_are_dropped(key: int) -> None:
    """Entries that are not used for two generations are dropped."""
    memo: TwoGenerationCache[int, int] = TwoGenerationCache(4)
    for number in range(6):
        memo.put(number, number)
    assert memo.get(key) == (None if key < 2 else key)


def test_used_entries_stay() -> None:
    """A hit moves an entry to the younger generation, however many other entries are added."""
    memo: TwoGenerationCache[str, int] = TwoGenerationCache(8)
    memo.put("regular", 1)
    for stranger in range(100):
        memo.put(f"stranger {stranger}", 0)
        assert memo.get("regular") == 1


@pytest.mark.parametrize("age", [0, 2, 4])
def test_a_discarded_entry_is_gone(age: int) -> None:
    """Discarding works in either generation and for unknown keys."""
    memo: TwoGenerationCache[str, int] = TwoGenerationCache(4)
    memo.put("a", 1)
    for stranger in range(age):
        memo.put(f"stranger {stranger}", 0)
    memo.discard("a")
    assert memo.get("a") is None


@pytest.mark.parametrize("size", [0, 1])
def test_a_cache_of_size_zero_is_empty(size: int) -> None:
    """A size of 0 turns the cache off."""
    memo: TwoGenerationCache[str, int] = TwoGenerationCache(size)
    memo.put("a", 1)
    assert (memo.get("a"), len(memo)) == (None, 0)


@given(
    st.integers(0, 12),
    st.lists(st.tuples(st.sampled_from(["get", "put", "discard"]), st.integers(0, 20)), max_size=80),
)
def test_it_is_bounded_and_never_returns_an_old_value(size: int, steps: Iterable[tuple[str, int]]) -> None:
    """After any sequence of operations, an entry has the last value put in or is missing."""
    memo: TwoGenerationCache[int, tuple[int, int]] = TwoGenerationCache(size)
    truth: dict[int, tuple[int, int]] = {}
    for number, (action, key) in enumerate(steps):
        if action == "put":
            truth[key] = (key, number)
            memo.put(key, truth[key])
        elif action == "discard":
            truth.pop(key, None)
            memo.discard(key)
        else:
            assert memo.get(key) in (None, truth.get(key))
        assert len(memo) <= size
