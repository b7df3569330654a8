"""Durations in messages: a number that people can read, with its unit."""

from __future__ import annotations

from typing import Final

__all__ = ["describe_duration"]

_UNITS: Final = (("days", 86400), ("hours", 3600), ("minutes", 60))
_MANY: Final = 1_000_000


def describe_duration(seconds: float) -> str:
    """Return a duration in the largest unit of which there are at least two: ``5 minutes``, ``90.5 seconds``.

    Args:
        seconds: 0 or more.
    """
    unit, length = next((row for row in _UNITS if seconds >= 2 * row[1]), ("seconds", 1))
    amount = seconds / length
    if length == 1:
        return f"{round(amount, 3):g} {unit}"
    return f"{amount:.0f} {unit}" if amount < _MANY else f"more than {_MANY} {unit}"
