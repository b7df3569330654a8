"""How many of a server's recent answers were failures."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["FailureRate"]

FAILURES_PER_SUCCESS: Final = 19
"""Where so many or more fail for each success, hardly anything is gained by asking. Where it is less, the
cause may be one caller whose requests all fail: he would have to send as many times more than all others."""

WINDOW_SECONDS: Final = 30.0


class FailureRate:
    """Counts successes and failures of the last ``WINDOW_SECONDS``, or of the newer half of them."""

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
        """Tell whether nothing succeeds and ``least`` have failed, or nearly everything fails."""
        self._add(0, 0, now)
        successes, failures = map(sum, zip(self._counts, self._older, strict=True))
        if successes == 0:
            return failures >= least
        return failures >= FAILURES_PER_SUCCESS * (successes + 1)  # one more may be on its way

    def _add(self, successes: int, failures: int, now: float) -> None:
        age = now - self._began
        if age >= WINDOW_SECONDS / 2:
            self._older = self._counts if age < WINDOW_SECONDS else (0, 0)
            self._counts, self._began = (0, 0), now
        self._counts = (self._counts[0] + successes, self._counts[1] + failures)
