"""Foreign text in messages and log lines: short, in ASCII, and without control characters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["quoted", "quoted_list"]

MAX_QUOTED_CHARACTERS: Final = 80
MAX_QUOTED_VALUES: Final = 10


def quoted(text: object) -> str:
    """Return foreign text as a short ASCII literal that is safe in a message or a log line."""
    try:
        plain = str(text)
    except (ValueError, RecursionError):  # an integer with thousands of digits; very deep nesting
        plain = type(text).__name__
    literal = ascii(plain[: MAX_QUOTED_CHARACTERS + 1])
    if len(literal) <= MAX_QUOTED_CHARACTERS + 2:
        return literal
    return f"{literal[:MAX_QUOTED_CHARACTERS]}...{literal[0]}"


def quoted_list(values: Iterable[str]) -> str:
    """Return at most ten foreign texts, each :func:`quoted`, and the number of the remaining ones."""
    listed = list(values)
    texts = [quoted(value) for value in listed[:MAX_QUOTED_VALUES]]
    more = len(listed) - len(texts)
    return ", ".join(texts) + (f" and {more} more" if more else "")
