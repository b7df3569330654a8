"""Every fuzz target with random input and with mutations of its seeds."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .targets import TARGETS

names = pytest.mark.parametrize("name", TARGETS)


@names
def test_the_seeds_pass(name: str) -> None:
    """The seeds, from which fuzzing starts, raise nothing."""
    seeds = list(TARGETS[name].seeds())
    assert seeds
    for seed in seeds:
        TARGETS[name].run(seed)


@names
@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_any_bytes_get_a_documented_answer(name: str, data: bytes) -> None:
    """Random bytes are accepted or refused as documented."""
    TARGETS[name].run(data)


@names
@settings(max_examples=150)
@given(st.data())
def test_any_mutation_gets_a_documented_answer(name: str, data: st.DataObject) -> None:
    """A good example with pieces cut out, repeated, or replaced is accepted or refused as documented."""
    target = TARGETS[name]
    mutated = data.draw(st.sampled_from(_seeds(name)))
    pieces = st.binary(max_size=4) | st.sampled_from([word.encode() for word in target.words])
    for _ in range(data.draw(st.integers(1, 4))):
        mutated = _mutate(mutated, data.draw, pieces)
    target.run(mutated)


@functools.cache
def _seeds(name: str) -> list[bytes]:
    return list(TARGETS[name].seeds())


def _mutate(whole: bytes, draw: Any, pieces: st.SearchStrategy[bytes]) -> bytes:
    start: int = draw(st.integers(0, len(whole)))
    end: int = draw(st.integers(start, min(len(whole), start + 8)))
    piece: bytes = draw(pieces)
    return whole[:start] + piece + whole[end:]
