"""Stop asking a server that does not answer, so that waiting for it cannot use up every worker.

Closed: requests pass. After ``THRESHOLD`` failures in a row it opens: requests fail at once with the last
failure. After a pause one request probes while the others go on failing; its success closes the circuit,
its failure opens it for another pause.
"""

from __future__ import annotations

from typing import Final

from .effects import Failure, Instant

__all__ = ["CircuitBreaker"]

THRESHOLD: Final = 3  # one lost packet is no outage; a fourth waiting worker would learn nothing new
MAX_PAUSE_SECONDS: Final = 5.0


class CircuitBreaker:
    """Remembers the failures of one endpoint since its last success.

    Args:
        pause_seconds: how long to fail at once before the next probe; at most ``MAX_PAUSE_SECONDS``.
    """

    def __init__(self, pause_seconds: float) -> None:
        self._pause = min(pause_seconds, MAX_PAUSE_SECONDS)
        self._failures = 0
        self._last: tuple[float, Failure] | None = None

    def check(self, now: Instant) -> None:
        """Let a request pass, or raise the last failure.

        Raises:
            MonoCloudError: the circuit is open.
        """
        last = self._last
        if last is None or self._failures < THRESHOLD:
            return
        opened_at, failure = last
        if now.monotonic - opened_at < self._pause:
            raise failure.raised()
        self._last = (now.monotonic, failure)  # this request probes

    def succeeded(self) -> None:
        """Close the circuit."""
        self._failures = 0
        self._last = None

    def failed(self, failure: Failure, now: Instant) -> None:
        """Count a failure that ended at ``now``."""
        self._failures += 1
        self._last = (now.monotonic, failure)
