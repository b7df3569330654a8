"""All attacks, by family."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Final

import pytest

from . import (
    algorithms,
    headers,
    json_tricks,
    other_tokens,
    signatures,
    smuggled_keys,
)
from .attack import Attack

__all__ = ["ATTACKS", "each_family"]

FAMILIES: Final = (algorithms, smuggled_keys, headers, signatures, json_tricks, other_tokens)


def _named() -> Iterator[tuple[str, Attack]]:
    for family in FAMILIES:
        for attack in family.ATTACKS:
            yield f"{_name_of(family)}: {attack.name}", attack


def _name_of(family: ModuleType) -> str:
    return family.__name__.rpartition(".")[2]


ATTACKS: Final[dict[str, Attack]] = dict(_named())
assert len(ATTACKS) == sum(len(family.ATTACKS) for family in FAMILIES), "two attacks have one name"

each_family = pytest.mark.parametrize(
    "family", [family.ATTACKS for family in FAMILIES], ids=map(_name_of, FAMILIES)
)
