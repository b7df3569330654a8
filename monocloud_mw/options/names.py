"""Unknown option names: the error message, with the name that was probably meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from difflib import SequenceMatcher
from typing import Final

__all__ = ["describe_unknown", "edit_distance", "find_meant"]

MISSPELT: Final = 2
"""A name within this many edits of a known name counts as a misspelling of it."""

MAX_COMPARED_CHARACTERS: Final = 80
"""Longer than every known name; only this part of a longer name is compared."""


def describe_unknown(name: str, known: Collection[str]) -> str:
    """Return the message for an unknown name, which names the most similar known one."""
    meant = find_meant(name, known)
    if meant is not None:
        return f"is not an option; did you mean {meant}?"
    name = name[:MAX_COMPARED_CHARACTERS]
    _, similar = max((SequenceMatcher(None, name, candidate).ratio(), candidate) for candidate in known)
    return f"is not an option; the most similar one is {similar}"


def find_meant(name: str, known: Collection[str]) -> str | None:
    """Return the known name that a name probably misspells, or ``None``.

    Other names are rejected fast, because an environment may have thousands of unrelated variables.
    """
    near = [candidate for candidate in known if _may_be_near(name, candidate)]
    distance, meant = min(((edit_distance(name, each), each) for each in near), default=(MISSPELT + 1, ""))
    return meant if distance <= MISSPELT else None


def _may_be_near(first: str, second: str) -> bool:
    """Return whether two names have nearly the same letters, in any order."""
    if abs(len(first) - len(second)) > MISSPELT:
        return False
    one, other = Counter(first), Counter(second)
    return (one - other).total() <= MISSPELT and (other - one).total() <= MISSPELT


def edit_distance(first: str, second: str) -> int:
    """Return the number of insertions, deletions, substitutions and transpositions between two strings."""
    rows = [list(range(len(second) + 1))]
    for i, letter in enumerate(first, start=1):
        row = [i]
        for j, other in enumerate(second, start=1):
            edits = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and other == first[i - 2]:
                edits = min(edits, rows[-2][j - 2] + 1)
            row.append(edits)
        rows.append(row)
    return rows[-1][-1]
