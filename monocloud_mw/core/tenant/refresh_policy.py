"""When a document of the tenant is fresh, when it is refreshed, and how long requests wait for that.

Only calculations; :mod:`.last_known_good` uses them. With ``lifetime`` L and ``max_stale`` S:

::

    age     0 ............. 0.8 L ............. L ................. L + S .......
            FRESH          DUE                 STALE               GONE

- The age is the larger of the ages by the two clocks: the monotonic clock stops while a machine is suspended,
  and the wall clock may be set back.
- After a failure, attempts are ``cooldown`` apart. Without a document to use they follow after 1, 2, 4, ...
  seconds, up to the cool-down. A longer ``Retry-After`` of the tenant takes precedence.
- A load that fails long after its timeout was interrupted (the process was stopped, the machine suspended):
  that says nothing about the tenant.

All durations are seconds.
"""

from __future__ import annotations

import enum
import math
from typing import Final

import attrs

from ..effects import Instant

__all__ = ["Age", "RefreshPolicy", "elapsed", "is_late"]

REFRESH_AHEAD: Final = 0.8  # of the lifetime: a refresh has the rest of it before requests must wait
SHORT_WAIT_SECONDS: Final = 1.0
FIRST_PAUSE_SECONDS: Final = 1.0
MAX_DOUBLINGS: Final = 20  # 2 ** 20 seconds is longer than any cool-down; more could overflow
JITTER: Final = 0.2  # of a pause: processes that failed at the same time do not retry at the same time
LATE_FACTOR: Final = 0.5  # of a timeout; a load is late by this, and by at least
LATE_SECONDS: Final = 1.0  # longer than a busy machine delays a timeout


class Age(enum.Enum):
    """The age of a document, which decides whether it may be used and whether it is refreshed."""

    FRESH = enum.auto()
    DUE = enum.auto()
    STALE = enum.auto()
    GONE = enum.auto()


def elapsed(since: Instant, now: Instant) -> float:
    """Return the seconds between two instants, by the clock that measured more."""
    return max(now.monotonic - since.monotonic, now.unix - since.unix)


def is_late(began: Instant, ended: Instant, timeout: float) -> bool:
    """Return whether an operation with a timeout ended long after that timeout."""
    return elapsed(began, ended) > timeout + max(LATE_FACTOR * timeout, LATE_SECONDS)


@attrs.frozen(kw_only=True)
class RefreshPolicy:
    """The durations for one document.

    Args:
        lifetime: how long a document is current; 0 loads it for every request.
        max_stale: how much longer it is used while it cannot be loaded; 0 means not at all.
        cooldown: the minimum time between attempts after a failure, and between loads for unknown keys.
        load_timeout: the maximum duration of a load; one that began earlier than that was interrupted.
    """

    lifetime: float
    max_stale: float
    cooldown: float
    load_timeout: float

    def fresh_until(self, began: Instant) -> Instant:
        """Return until when a document is fresh, by each clock; ``began`` is when its load began."""
        seconds = self.lifetime * REFRESH_AHEAD
        return Instant(began.unix + seconds, began.monotonic + seconds)

    def age(self, began: Instant, now: Instant) -> Age:
        """Return the age of a document; ``began`` is when its load began."""
        seconds = elapsed(began, now)
        if seconds >= self.lifetime + self.max_stale:
            return Age.GONE
        if seconds >= self.lifetime:
            return Age.STALE
        return Age.DUE if seconds >= self.lifetime * REFRESH_AHEAD else Age.FRESH

    def may_run(self, began: Instant, now: Instant) -> bool:
        """Return whether a load without a result that began at ``began`` may still be under way."""
        return elapsed(began, now) < self.load_timeout

    def is_current(self, began: Instant, now: Instant) -> bool:
        """Return whether a document that was just loaded may be used by the requests that waited for it."""
        return self.lifetime == 0 or elapsed(began, now) < self.lifetime

    def short_wait(self, interrupted: int) -> float:
        """Return how long a request waits for a refresh while there is a stale document to use.

        Args:
            interrupted: how many attempts in a row were interrupted. On platforms that suspend the process
                between requests, each wait must be longer than the last one, so that the response of a slow
                tenant arrives within one of them.
        """
        wait = SHORT_WAIT_SECONDS * 2.0 ** max(0, min(interrupted - 1, MAX_DOUBLINGS))
        return min(wait, max(SHORT_WAIT_SECONDS, self.load_timeout))

    def pause(self, failed: Instant, failures: int, retry_after: float | None, *, servable: bool) -> float:
        """Return how many seconds after a failure the next attempt follows.

        Args:
            failed: when the failure occurred.
            failures: how many failures there were in a row, including this one.
            retry_after: the ``Retry-After`` of the tenant in seconds, if any.
            servable: whether there is a document to use in the meantime.
        """
        pause = self.cooldown
        doubled = FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, MAX_DOUBLINGS)
        if not servable and doubled < self.cooldown:
            pause = doubled * (1.0 - JITTER * _fraction(failed))
        return max(pause, retry_after or 0.0)


def _fraction(instant: Instant) -> float:
    """Return a number from 0 to 1 that differs between processes: the fraction of the millisecond."""
    return math.fmod(abs(instant.unix) * 1000.0, 1.0)
