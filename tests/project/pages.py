"""The documentation pages, README.md and docs/, with their fenced blocks and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from .sources import ROOT

__all__ = ["PAGES", "Fence", "list_fences", "list_tables"]

PAGES: Final = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}

_FENCE: Final = re.compile(r"^```(?P<language>.*)\n(?P<body>(?:(?!```$).*\n)*)^```$", re.MULTILINE)
_TABLE: Final = re.compile(r"^\|.*\|\n\|[ :|-]+\|\n(?:\|.*\|\n?)*", re.MULTILINE)


class Fence(NamedTuple):
    """A fenced block: its language, first line, body, and the block that follows directly."""

    language: str
    line: int
    body: str
    follower: Fence | None


def list_fences(text: str) -> list[Fence]:
    """Return the fenced blocks of a page in order."""
    fences: list[Fence] = []
    follower: Fence | None = None
    begins = len(text)
    for found in reversed(list(_FENCE.finditer(text))):
        if text[found.end() : begins].strip():
            follower = None
        line = text.count("\n", 0, found.start("body")) + 1
        follower = Fence(found["language"], line, found["body"], follower)
        begins = found.start()
        fences.insert(0, follower)
    return fences


def list_tables(text: str) -> Iterator[list[dict[str, str]]]:
    """Yield the tables of a page: a list of rows, each of which has its cells by the head of the column."""
    for found in _TABLE.finditer(text):
        head, _line, *rows = (
            [cell.strip() for cell in row[1:-1].split(" | ")] for row in found[0].splitlines()
        )
        yield [dict(zip(head, row, strict=True)) for row in rows]
