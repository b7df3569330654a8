"""Reads the system clocks for flows; tests replace them with fixed ones."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from ..core.effects import Instant
from ..errors import ConfigurationError, Problem

__all__ = ["Clock", "system_clock"]

Clock = Callable[[], Instant]


def system_clock(unix: Callable[[], float] | None = None) -> Clock:
    """Return a clock; ``unix`` replaces the wall time, in Unix seconds.

    Reading it raises a ``ConfigurationError`` if ``unix`` raises an exception or returns no finite number.
    """
    wall = time.time if unix is None else _checked(unix)
    monotonic, new = time.monotonic, tuple.__new__

    def read() -> Instant:
        # tuple.__new__ directly: the constructor is a Python function and slower than reading both clocks.
        return new(Instant, (wall(), monotonic()))

    return read


def _checked(unix: Callable[[], float]) -> Callable[[], float]:
    def read() -> float:
        try:
            seconds = unix()
        except Exception as error:  # a user's function may raise anything
            raise ConfigurationError([Problem("clock", None, f"raised {type(error).__name__}")]) from error
        if isinstance(seconds, (int, float)) and _is_finite(seconds):
            return seconds
        kind = type(seconds).__name__
        raise ConfigurationError([Problem("clock", None, f"must return Unix seconds, not this {kind}")])

    return read


def _is_finite(seconds: float) -> bool:
    try:
        return math.isfinite(seconds)
    except OverflowError:  # an integer that no float can hold
        return False
