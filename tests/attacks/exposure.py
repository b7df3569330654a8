"""Find secrets in everything that errors, logs and reprs contain."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Iterator
from typing import Any, Final

__all__ = ["pieces_of", "seen_in", "shown_by", "shown_in_log"]

PIECE_CHARACTERS: Final = 14  # too long to occur by chance, and short enough to find a secret that was cut
MAX_PIECES: Final = 1000  # a longer secret would show with its beginning
# Attributes of foreign exceptions with the whole input: of codecs, the JSON parser, the system.
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
    """Return pieces from all parts of the secrets."""
    found: set[str] = set()
    for secret in set(secrets):
        text = secret.decode("latin-1") if isinstance(secret, bytes) else secret
        last = min(len(text) - PIECE_CHARACTERS, MAX_PIECES * PIECE_CHARACTERS)
        for start in range(0, max(0, last) + 1, PIECE_CHARACTERS // 2):
            found.add(text[start : start + PIECE_CHARACTERS])
    return frozenset(piece for piece in found if len(piece) >= min(PIECE_CHARACTERS, 8))


def seen_in(shown: str, pieces: frozenset[str]) -> list[str]:
    """Return the pieces found in a text."""
    return sorted(piece for piece in pieces if piece in shown)


def shown_by(error: BaseException) -> str:
    """Return everything that an error contains, including causes and contexts hidden from tracebacks."""
    return "\n".join(_shown_by_each(error))


def _shown_by_each(error: BaseException) -> Iterator[str]:
    yield from traceback.format_exception(error, limit=1)  # frames contain source code, which is not secret
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
    """Return everything that log records contain, which is more than a formatter prints."""
    formatter = logging.Formatter()
    return "\n".join(f"{formatter.format(record)} {record.args!r} {record.__dict__!r}" for record in records)
