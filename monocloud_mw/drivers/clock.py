"""Reads the system clocks for flows; tests replace them with fixed ones."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..core.effects import Instant

__all__ = ["Clock", "system_clock"]

Clock = Callable[[], Instant]


def system_clock(unix: Callable[[], float] | None = None) -> Clock:
    """Return a clock; ``unix`` replaces the wall time, in Unix seconds."""
    wall, monotonic, new = unix or time.time, time.monotonic, tuple.__new__

    def read() -> Instant:
        # tuple.__new__ directly: the constructor is a Python function and slower than reading both clocks.
        return new(Instant, (wall(), monotonic()))

    return read
