"""The share of failures among a server's recent responses."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["FailureRate"]

FAILURES_PER_SUCCESS: Final = 19
"""From this ratio on, requests hardly ever succeed. Below it, the failures may come from one caller whose
requests all fail; to reach the ratio it would have to send this many times the requests of all others."""

WINDOW_SECONDS: Final = 30.0


class FailureRate:
    """Counts the successes and failures of the last ``WINDOW_SECONDS / 2`` to ``WINDOW_SECONDS``."""

    def __init__(self) -> None:
        self._began = -math.inf
        self._counts = self._older = (0, 0)  # successes, failures

    def record_success(self, now: float) -> None:
        """Count a success at ``now``, in monotonic seconds."""
        self._add(1, 0, now)

    def record_failure(self, now: float) -> None:
        """Count a failure at ``now``, in monotonic seconds."""
        self._add(0, 1, now)

    def is_high(self, least: int, now: float) -> bool:
        """Return whether nearly everything fails; without a success, at least ``least`` must have failed."""
        self._add(0, 0, now)
        successes, failures = map(sum, zip(self._counts, self._older, strict=True))
        if successes == 0:
            return failures >= least
        return failures >= FAILURES_PER_SUCCESS * (successes + 1)  # one more success may be under way

    def _add(self, successes: int, failures: int, now: float) -> None:
        age = now - self._began
        if age >= WINDOW_SECONDS / 2:
            self._older = self._counts if age < WINDOW_SECONDS else (0, 0)
            self._counts, self._began = (0, 0), now
        self._counts = (self._counts[0] + successes, self._counts[1] + failures)
