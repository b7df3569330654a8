"""Convert the texts of environment variables to values, which :mod:`.values` then reads like arguments.

Each raises ``ValueError`` for an invalid text, with a message like those of :mod:`.values`. No text is blank
or has white space around it.
"""

from __future__ import annotations

import re
from typing import Final

from ..quoting import quoted

__all__ = [
    "BRACKETS",
    "QUOTES",
    "boolean_from_text",
    "check_unquoted",
    "count_from_text",
    "number_from_text",
    "pair_from_texts",
    "words_from_text",
]

QUOTES: Final = frozenset("\"'`\u2018\u2019\u201c\u201d")
BRACKETS: Final = frozenset("[(")


def check_unquoted(text: str) -> None:
    """Reject text in quotes: shells remove them, but some readers of ``.env`` files do not."""
    if text[0] in QUOTES and text[-1] in QUOTES:
        raise ValueError("must not have quotes around it; some readers of .env files keep them")


def boolean_from_text(text: str) -> bool:
    """Convert the usual words for true and false, in any case."""
    word = text.lower()
    if word in ("true", "1", "yes", "on"):
        return True
    if word in ("false", "0", "no", "off"):
        return False
    raise ValueError(f"must be true, false, 1, 0, yes, no, on or off, not {quoted(text)}")


def number_from_text(text: str) -> float:
    """Convert a decimal number; the whole text must be the number."""
    if not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text, re.ASCII):
        raise ValueError(f"must be a number, not {quoted(text)}")
    return float(text)


def count_from_text(text: str) -> int:
    """Convert an integer, 0 or more."""
    if not re.fullmatch(r"[0-9]{1,12}", text, re.ASCII):
        raise ValueError(f"must be a whole number, 0 or more, not {quoted(text)}")
    return int(text)


def words_from_text(text: str) -> tuple[str, ...]:
    """Return the words of a space-separated list."""
    if "," in text or text[0] in BRACKETS:
        raise ValueError("must be separated by spaces, without commas and brackets")
    return tuple(text.split())


def pair_from_texts(certificate: str | None, key: str | None) -> tuple[str, str]:
    """Combine the values of two variables; a single one is an error."""
    if certificate is None or key is None:
        raise ValueError("needs both variables, the certificate's and the key's")
    return certificate, key
