"""A circuit breaker for a cache server: after a failure it is not used for a while.

A hanging server would delay every request by the whole timeout, although a cache should make requests faster.
After a failure, the server is not used for ``cooldown_seconds``. Then one request probes it, while the others
still do not use it, and a success closes the circuit.

:mod:`monocloud_mw.core.tenant.circuit_breaker` differs: there, one token may cause a failure, and requests
fail while the circuit is open. Here, callers cannot make the server fail, and requests continue without the
cache.

There is no lock: each step is one assignment, and a race can only cause one additional probe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["CircuitBreaker"]


class CircuitBreaker:
    """Records the failures of a server.

    Args:
        failures: the exceptions that mean that the server is unavailable.
        cooldown_seconds: how long the server is not used after a failure; 0 disables the circuit breaker.
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
        """Return whether to skip the server; after a cool-down, one request gets ``False`` and probes."""
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
        """Record the success or failure of one exchange with the server."""
        try:
            yield
        except self._failures:
            self._closed_from = self._clock() + self._cooldown_seconds
            raise
        self._closed_from = None
