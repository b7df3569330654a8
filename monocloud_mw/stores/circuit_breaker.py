"""A circuit breaker: leaves a server alone that has just failed.

A server that hangs costs every request its whole timeout, and a cache is there to make requests cheaper.
So after a failure nobody asks for ``rest_seconds``; then one caller probes while the others rest on, and
its success ends the rest for all.

There is no lock: each step is one assignment, and a race costs one probe more at worst.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Breaker"]


class Breaker:
    """The memory of whether a server failed lately.

    Args:
        failures: the exceptions that show that the server cannot serve, and no others.
        rest_seconds: how long to leave it alone; 0 for not at all.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        failures: tuple[type[BaseException], ...],
        rest_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures = failures
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._rests_until: float | None = None

    def is_open(self) -> bool:
        """Tell whether to leave the server alone; a caller who hears ``False`` after a rest is the probe."""
        rests_until = self._rests_until
        if rests_until is None:
            return False
        now = self._clock()
        if now < rests_until:
            return True
        self._rests_until = now + self._rest_seconds
        return False

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Learn from how one exchange with the server ends."""
        try:
            yield
        except self._failures:
            self._rests_until = self._clock() + self._rest_seconds
            raise
        self._rests_until = None
