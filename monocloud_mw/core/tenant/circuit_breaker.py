"""A circuit breaker: send no requests to a server that fails, so that waiting cannot occupy every worker.

A caller whose tokens make the server fail must not block other callers, so failures are counted by token
and by kind:

- no response (a timeout, a refused connection) for ``THRESHOLD`` different tokens, without a success in
  between, opens the circuit for all tokens: each such request occupies a worker until the timeout;
- error responses (500, 429, no JSON) arrive quickly. They open the circuit for all tokens if nearly every
  token fails (:class:`~monocloud_mw.core.tenant.failure_rate.FailureRate`): at least ``MIN_FAILURES`` tokens,
  or ``THRESHOLD`` if the server sends ``Retry-After``;
- ``THRESHOLD`` failures of one token without a success in between, or one failure with a ``Retry-After``,
  open the circuit for that token only.

While the circuit is open, requests fail at once with the last error, except for a few probes: one per pause
if the server did not respond, three if it did. A success closes the circuit for all tokens. Which requests
become probes:

- tokens that were active before have separate probes, which made-up tokens cannot use up. The first of these
  probes does not wait for a pause, unless such a token has failed as well: if only tokens that were never
  seen before fail, the other tokens are still served;
- the first request after a pause, and then two later ones, whose distance grows from pause to pause: one
  caller that sends many tokens at once does not get every probe;
- the token that probed or failed last waits for two pauses, so that other tokens probe first.
"""

from __future__ import annotations

import copy
import itertools
import math
from typing import Final, NamedTuple

from ...errors import MIN_RETRY_AFTER_SECONDS, HttpError
from ..effects import Instant
from ..two_generation_cache import TwoGenerationCache
from .failure_rate import FailureRate

__all__ = ["CircuitBreaker"]

THRESHOLD: Final = 3  # one lost packet is not an outage; a fourth timeout would add no information
MIN_FAILURES: Final = 10
MAX_PAUSE_SECONDS: Final = 5.0
MAX_ANSWERED_PAUSE_SECONDS: Final = 1.0  # a probe that gets a response does not occupy a worker for long
ROUNDS: Final = 32  # after this many rounds, probes are chosen as in the first round again
TOKENS_REMEMBERED: Final = 4096  # of each kind: active before, failing, and with a circuit of its own open


class CircuitBreaker:
    """Counts the failures of one endpoint.

    Tokens are identified by their digests. All times are monotonic seconds. There is no lock: a race can only
    cause one probe more or one count less.

    Args:
        pause_seconds: how long requests fail at once before the next probe; at most ``MAX_PAUSE_SECONDS``.
    """

    def __init__(self, pause_seconds: float) -> None:
        self._pause = min(pause_seconds, MAX_PAUSE_SECONDS)
        self._active: TwoGenerationCache[str, bool] = TwoGenerationCache(TOKENS_REMEMBERED)
        self._open_for_one: TwoGenerationCache[str, _OpenForOne] = TwoGenerationCache(TOKENS_REMEMBERED)
        self._rate = FailureRate()
        self._open: _Open | None = None
        self._active_failed = False
        self._forget_failures()

    @property
    def is_open(self) -> bool:
        """Whether it is open for all tokens."""
        return self._open is not None

    def check(self, token: str, now: Instant) -> None:
        """Return if the request may be sent, or raise the last error.

        Raises:
            HttpError: the circuit is open for this token; ``retry_after`` is the time until the next probe.
        """
        alone, circuit = self._open_for_one.get(token), self._open
        if alone is not None and now.monotonic < alone.until:
            raise _copied(alone.error, alone.until - now.monotonic)
        if circuit is not None:
            circuit.check(token, now.monotonic, active=self._active.get(token) is True)

    def record_success(self, token: str, now: Instant, *, active: bool | None) -> None:
        """Close the circuit; ``active`` is whether the token is active, ``None`` if that is unknown."""
        if active:
            self._active.put(token, True)
        elif active is False:
            self._active.discard(token)
        self._open_for_one.discard(token)
        self._forget_failures()
        if self._open is not None:
            self._open = None
            self._rate = FailureRate()
        self._rate.record_success(now.monotonic)

    def record_failure(self, token: str, error: HttpError, now: Instant) -> None:
        """Count a failure that ended at ``now``; without a ``status``, no response arrived."""
        error = _copied(error, error.retry_after)  # without the traceback, whose frames contain the token
        was_active = self._active.get(token) is True
        self._active_failed = self._active_failed or was_active
        failures = (self._failures.get(token) or 0) + 1
        self._failures.put(token, failures)
        if failures >= THRESHOLD or error.retry_after is not None:
            pause = max(self._pause, error.retry_after or 0.0)
            self._open_for_one.put(token, _OpenForOne(now.monotonic + pause, error))
        if self._open is not None:
            self._open.record_failure(token, error, now.monotonic, active=was_active)
        elif self._opens(token, failures, error, now.monotonic):
            self._open = _Open(self._pause, token, error, now.monotonic, active=self._active_failed)

    def _opens(self, token: str, failures: int, error: HttpError, now: float) -> bool:
        if error.status is None:
            self._unanswered.add(token)
            return len(self._unanswered) >= THRESHOLD
        if failures == 1:  # count tokens, not requests
            self._rate.record_failure(now)
        return self._rate.is_high(MIN_FAILURES if error.retry_after is None else THRESHOLD, now)

    def _forget_failures(self) -> None:
        self._failures: TwoGenerationCache[str, int] = TwoGenerationCache(TOKENS_REMEMBERED)
        self._unanswered: set[str] = set()
        self._active_failed = False


class _OpenForOne(NamedTuple):
    until: float
    error: HttpError


class _Open:
    """A circuit that is open for all tokens; ``active`` is whether a token was active before."""

    def __init__(self, pause: float, token: str, error: HttpError, now: float, *, active: bool) -> None:
        self._max_pause = pause
        self._probes = {True: _Probes(), False: _Probes()}
        self._wait(token, error, now, active=active)

    def record_failure(self, token: str, error: HttpError, now: float, *, active: bool) -> None:
        """Record a failed probe; an error response without ``Retry-After`` starts no new pause."""
        if error.status is None or error.retry_after is not None:
            self._wait(token, error, now, active=active)
        else:
            self._last_token, self._error = token, error

    def check(self, token: str, now: float, *, active: bool) -> None:
        """Return if the request may probe, or raise the last error."""
        probes, pause, is_last = self._probes[active], self._pause, token == self._last_token
        wait = probes.begin_at + (pause if is_last else 0.0) - now
        several = self._error.status is not None
        if (is_last and wait > 0) or not probes.admit(now, pause, several=several):
            raise _copied(self._error, wait)
        self._last_token = token

    @property
    def _pause(self) -> float:
        return (
            self._max_pause
            if self._error.status is None
            else min(self._max_pause, MAX_ANSWERED_PAUSE_SECONDS)
        )

    def _wait(self, token: str, error: HttpError, now: float, *, active: bool) -> None:
        """Allow no probe for a pause. A token that was never active does not delay tokens that were."""
        self._last_token, self._error = token, error
        until = now + max(self._pause, error.retry_after or 0.0)
        for probes in self._probes.values() if active else (self._probes[False],):
            probes.begin_after(until)


class _Probes:
    """Chooses the requests that probe, in rounds that last one pause each."""

    def __init__(self) -> None:
        self.begin_at = -math.inf
        self._rounds = itertools.count()
        self._admitted: tuple[int, ...] = ()
        self._arrivals = 0

    def begin_after(self, until: float) -> None:
        """Begin the next round at ``until``, and admit no request before."""
        self.begin_at, self._admitted = until, ()

    def admit(self, now: float, pause: float, *, several: bool) -> bool:
        """Return whether the request that arrives now may probe."""
        if now >= self.begin_at:
            behind = next(self._rounds) % ROUNDS
            self._admitted = (1, 2 + behind, 3 + 2 * behind) if several else (1,)
            self.begin_at, self._arrivals = now + pause, 0
        self._arrivals += 1
        return self._arrivals in self._admitted


def _copied(error: HttpError, retry_after: float | None) -> HttpError:
    """Return a copy of an error, to be raised for one caller only."""
    error = copy.copy(error)
    error.retry_after = None if retry_after is None else max(MIN_RETRY_AFTER_SECONDS, retry_after)
    return error
