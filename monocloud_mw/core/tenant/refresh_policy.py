"""When a document of the tenant is fresh, when it must be refreshed, and how long anybody waits for that.

Pure arithmetic on instants; :mod:`.last_known_good` acts on it. With ``lifetime`` L and ``max_stale`` S:

::

    age     0 ............. 0.8 L ............. L ................. L + S .......
            FRESH          DUE                 STALE               GONE

- The age is what either clock says, whichever says more: the monotonic clock stands still while a machine is
  suspended and after a snapshot was restored, and the wall clock may be set back.
- After a failure, attempts are ``cooldown`` apart. With nothing to serve they follow after 1, 2, 4, ...
  seconds up to the cool-down. A ``Retry-After`` of the tenant that is longer counts instead.
- An exchange that fails far past its timeout was interrupted (the process was stopped, the machine
  suspended): that says nothing about the tenant.

All durations are seconds.
"""

from __future__ import annotations

import enum
import math
from typing import Final

import attrs

from ..effects import Instant

__all__ = ["Age", "RefreshPolicy", "elapsed", "is_late"]

REFRESH_AHEAD: Final = 0.8  # of the lifetime: the rest is the time a refresh may take unnoticed
SHORT_WAIT_SECONDS: Final = 1.0
FIRST_PAUSE_SECONDS: Final = 1.0
MAX_DOUBLINGS: Final = 20  # 2 ** 20 seconds are longer than any cool-down; more could overflow
JITTER: Final = 0.2  # of a pause: processes that failed together do not try again together
LATE_FACTOR: Final = 0.5  # of a timeout, but at least
LATE_SECONDS: Final = 1.0  # the busiest machine is not that late


class Age(enum.Enum):
    """What may be done with a document."""

    FRESH = enum.auto()
    DUE = enum.auto()
    STALE = enum.auto()
    GONE = enum.auto()


def elapsed(since: Instant, now: Instant) -> float:
    """Return the time from one instant to another by the clock that says more."""
    return max(now.monotonic - since.monotonic, now.unix - since.unix)


def is_late(began: Instant, ended: Instant, timeout: float) -> bool:
    """Tell whether what should have ended within a timeout ended far past it."""
    return elapsed(began, ended) > timeout + max(LATE_FACTOR * timeout, LATE_SECONDS)


@attrs.frozen(kw_only=True)
class RefreshPolicy:
    """The durations of one document.

    Args:
        lifetime: how long a document is current; 0 loads it every time.
        max_stale: how much longer it serves while the source fails; 0 is not at all.
        cooldown: the least time between attempts that a failure or an unknown key caused.
        load_timeout: the longest that a load takes; one that began longer ago was interrupted.
    """

    lifetime: float
    max_stale: float
    cooldown: float
    load_timeout: float

    def fresh_until(self, began: Instant) -> Instant:
        """Return when a document stops being fresh, by each clock; ``began`` is when its load began."""
        seconds = self.lifetime * REFRESH_AHEAD
        return Instant(began.unix + seconds, began.monotonic + seconds)

    def age(self, began: Instant, now: Instant) -> Age:
        """Return the age of a document whose load began at an instant."""
        seconds = elapsed(began, now)
        if seconds >= self.lifetime + self.max_stale:
            return Age.GONE
        if seconds >= self.lifetime:
            return Age.STALE
        return Age.DUE if seconds >= self.lifetime * REFRESH_AHEAD else Age.FRESH

    def may_run(self, began: Instant, now: Instant) -> bool:
        """Tell whether a load that began at an instant, and has left no result, may still be under way."""
        return elapsed(began, now) < self.load_timeout

    def is_current(self, began: Instant, now: Instant) -> bool:
        """Tell whether a document may still be served to who has waited for it."""
        return self.lifetime == 0 or elapsed(began, now) < self.lifetime

    def short_wait(self, interrupted: int) -> float:
        """Return how long a request waits for a refresh while there is a document to serve.

        Args:
            interrupted: how many attempts in a row were interrupted. Where nothing runs between requests,
                each wait must be longer than the last one, or a slow tenant would never be heard.
        """
        wait = SHORT_WAIT_SECONDS * 2.0 ** max(0, min(interrupted - 1, MAX_DOUBLINGS))
        return min(wait, max(SHORT_WAIT_SECONDS, self.load_timeout))

    def pause(self, failed: Instant, failures: int, retry_after: float | None, *, servable: bool) -> float:
        """Return how long after a failure the next attempt follows.

        Args:
            failed: when.
            failures: how many there were in a row, this one included.
            retry_after: what the tenant asked for, if it did.
            servable: whether there is a document to serve meanwhile.
        """
        pause = self.cooldown
        doubled = FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, MAX_DOUBLINGS)
        if not servable and doubled < self.cooldown:
            pause = doubled * (1.0 - JITTER * _fraction(failed))
        return max(pause, retry_after or 0.0)


def _fraction(instant: Instant) -> float:
    """Return a number from 0 to 1 that differs from one process to the next: the microseconds of a moment."""
    return math.fmod(abs(instant.unix) * 1000.0, 1.0)
