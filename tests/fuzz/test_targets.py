"""Every fuzz target with random input and with mutations of its seeds."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ..noted import noted
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
def test_any_mutation_gets_a_documented_answer(name: str) -> None:
    """A good example with pieces cut out, repeated, or replaced is accepted or refused as documented."""
    random, target = Random(name), TARGETS[name]
    seeds, words = list(target.seeds()), [word.encode() for word in target.words]
    for _ in range(2000):
        mutated = random.choice(seeds)
        for _ in range(random.randint(1, 4)):
            mutated = _mutate(mutated, words, random)
        with noted(mutated):
            target.run(mutated)


def _mutate(whole: bytes, words: list[bytes], random: Random) -> bytes:
    start = random.randint(0, len(whole))
    end = random.randint(start, min(len(whole), start + 8))
    piece = random.choice([*words, random.randbytes(random.randint(0, 4))])
    if random.random() < 0.2:
        piece = whole[start:end] * 2
    return whole[:start] + piece + whole[end:]
