"""Everything by which an error, a log or a repr may give away what it should not."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Iterator
from typing import Any, Final

__all__ = ["pieces_of", "seen_in", "shown_by", "shown_in_log"]

PIECE_CHARACTERS: Final = 14  # as long as chance never makes, and short enough to find what was cut
MAX_PIECES: Final = 1000  # whatever shows of a secret that is longer, its beginning would show
# Attributes of foreign exceptions that hold input whole: of codecs, of the JSON parser, of the system.
_HOLDING_INPUT: Final = (
    "object",
    "doc",
    "filename",
    "filename2",
    "strerror",
    "reason",
    "request",
    "response",
)


def pieces_of(*secrets: str | bytes) -> frozenset[str]:
    """Return pieces of secrets that must not be seen anywhere, from all along each of them."""
    found: set[str] = set()
    for secret in set(secrets):
        text = secret.decode("latin-1") if isinstance(secret, bytes) else secret
        last = min(len(text) - PIECE_CHARACTERS, MAX_PIECES * PIECE_CHARACTERS)
        for start in range(0, max(0, last) + 1, PIECE_CHARACTERS // 2):
            found.add(text[start : start + PIECE_CHARACTERS])
    return frozenset(piece for piece in found if len(piece) >= min(PIECE_CHARACTERS, 8))


def seen_in(shown: str, pieces: frozenset[str]) -> list[str]:
    """Return the pieces that can be seen."""
    return sorted(piece for piece in pieces if piece in shown)


def shown_by(error: BaseException) -> str:
    """Return all that an error shows, and all that hangs on to it, hidden from tracebacks or not."""
    return "\n".join(_shown_by_each(error))


def _shown_by_each(error: BaseException) -> Iterator[str]:
    yield from traceback.format_exception(error, limit=1)  # frames show code, and code is no secret
    waiting, seen = [error], set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield from (str(current), repr(current), repr(current.args), repr(vars(current)))
        yield from (repr(getattr(current, name, None)) for name in _HOLDING_INPUT)
        linked: Iterable[Any] = (current.__cause__, current.__context__, *getattr(current, "exceptions", ()))
        waiting += [link for link in linked if link is not None]


def shown_in_log(records: Iterable[logging.LogRecord]) -> str:
    """Return all that log records hold, which is more than what a formatter shows."""
    formatter = logging.Formatter()
    return "\n".join(f"{formatter.format(record)} {record.args!r} {record.__dict__!r}" for record in records)
