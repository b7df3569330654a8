"""Stop asking a server that does not answer, so that waiting for it cannot use up every worker.

Whoever presents a token that the server chokes on must not cut everybody else off, so it counts whose
requests fail. Since the last success, by whomever:

- ``THRESHOLD`` failures of one token open the circuit for that token alone;
- failures of ``THRESHOLD`` different tokens open it for all.

Where it is open, requests fail at once with the last failure. After a pause one request probes while the
others go on failing. A success closes the circuit for all; a failure opens it for another pause. The token
that probed or failed last waits for two, if it is not the only one: it lets the others go first, or whoever
asks most often would be every probe.

Several tokens that all make the server fail are an outage, as far as anybody can tell from here.
"""

from __future__ import annotations

from typing import Final

from ..effects import Failure, Instant

__all__ = ["CircuitBreaker"]

THRESHOLD: Final = 3  # one lost packet is no outage; a fourth waiting worker would learn nothing new
MAX_PAUSE_SECONDS: Final = 5.0


class CircuitBreaker:
    """Remembers the failures of one endpoint since its last success.

    Tokens are known by their digests.

    Args:
        pause_seconds: how long to fail at once before the next probe; at most ``MAX_PAUSE_SECONDS``.
    """

    def __init__(self, pause_seconds: float) -> None:
        self._pause = min(pause_seconds, MAX_PAUSE_SECONDS)
        self._failures: dict[str, int] = {}  # by token, until they are of THRESHOLD tokens
        self._last: tuple[str, float, Failure] | None = None

    def check(self, token: str, now: Instant) -> None:
        """Let a request pass, or raise the last failure.

        Raises:
            MonoCloudError: the circuit is open for this token.
        """
        failures, last = self._failures, self._last
        if last is None or (len(failures) < THRESHOLD and failures.get(token, 0) < THRESHOLD):
            return
        last_token, opened_at, failure = last
        pauses = 2 if token == last_token and len(failures) > 1 else 1
        if now.monotonic - opened_at < pauses * self._pause:
            raise failure.copy()
        self._last = (token, now.monotonic, failure)  # this request probes

    def succeeded(self) -> None:
        """Close the circuit."""
        self._failures = {}
        self._last = None

    def failed(self, token: str, failure: Failure, now: Instant) -> None:
        """Count a failure that ended at ``now``."""
        failures = self._failures
        if len(failures) < THRESHOLD:
            failures[token] = failures.get(token, 0) + 1
        self._last = (token, now.monotonic, failure)
