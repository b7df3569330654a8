"""A circuit breaker for a cache server: after one failure it is not asked for a while.

A server that hangs costs every request the whole timeout, and a cache is there to make requests cheaper. So
after a failure no request asks for ``cooldown_seconds``; then one probes while the others still do not ask,
and its success closes the circuit for all.

:mod:`monocloud_mw.core.tenant.circuit_breaker` is another kind: there a failure may be the fault of one
token, and a request that does not ask fails. Here no caller can make the server fail, and a request does
without.

There is no lock: each step is one assignment, and a race costs one probe more at worst.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["CircuitBreaker"]


class CircuitBreaker:
    """Remembers whether a server failed lately.

    Args:
        failures: the exceptions that show that the server cannot serve, and no others.
        cooldown_seconds: how long not to ask after a failure; 0 for not at all.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        failures: tuple[type[BaseException], ...],
        cooldown_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures = failures
        self._cooldown_seconds = cooldown_seconds
        self._clock = clock
        self._closed_from: float | None = None

    def is_open(self) -> bool:
        """Tell whether not to ask; the first request that gets ``False`` after a cool-down is the probe."""
        closed_from = self._closed_from
        if closed_from is None:
            return False
        now = self._clock()
        if now < closed_from:
            return True
        self._closed_from = now + self._cooldown_seconds
        return False

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record how one exchange with the server ends."""
        try:
            yield
        except self._failures:
            self._closed_from = self._clock() + self._cooldown_seconds
            raise
        self._closed_from = None
