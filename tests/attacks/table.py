"""All attacks, by family."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from . import (
    algorithms,
    headers,
    json_tricks,
    other_tokens,
    signatures,
    smuggled_keys,
)
from .attack import Attack

__all__ = ["ATTACKS"]

FAMILIES: Final = (algorithms, smuggled_keys, headers, signatures, json_tricks, other_tokens)


def _named() -> Iterator[tuple[str, Attack]]:
    for family in FAMILIES:
        for attack in family.ATTACKS:
            yield f"{family.__name__.rpartition('.')[2]}: {attack.name}", attack


ATTACKS: Final[dict[str, Attack]] = dict(_named())
assert len(ATTACKS) == sum(len(family.ATTACKS) for family in FAMILIES), "two attacks have one name"
