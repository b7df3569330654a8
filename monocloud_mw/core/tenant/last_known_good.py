"""A cached document of the tenant that is refreshed, and that stays usable while the tenant is unreachable.

The discovery document and the key set both use it; :mod:`.refresh_policy` has the ages and pauses.

===========  ==================================================  ======================================
age          no refresh has failed since it was loaded           the last refresh failed
===========  ==================================================  ======================================
fresh        use it                                              use it
due          use it, and refresh in the background               use it; one attempt per cool-down, in
                                                                 the background
stale        wait for a refresh, one second at most; use the     as for due
             old document if the refresh fails or takes longer
gone, none   wait for a load; fail if it fails                   fail at once; one request at a time
                                                                 tries again, after 1, 2, 4, ... seconds
===========  ==================================================  ======================================

Rules:

- an attempt without a result after its timeout was **interrupted**: its thread, event loop or process has
  stopped, or was suspended. The same holds for an attempt that failed long after its timeout, and for a
  document that is out of date by the time it has been read. An interruption is not a failure of the tenant:
  the next request makes the attempt itself and waits for it one second, after another interruption two, and
  so on;
- :meth:`LastKnownGood.newer_than` loads the document on demand, for a key that the cached one lacks: at most
  one load per cool-down, and only a load that began after the need arose counts;
- :mod:`.loader` loads the document, and :mod:`.load_record` has it and the attempts to load it. The driver
  makes sure that concurrent callers share one load.

Similar to the last known good configuration of Microsoft.IdentityModel and to the outage-tolerant key source
of Nimbus JOSE+JWT.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Generic, TypeVar

from ...errors import MAX_RETRY_AFTER_SECONDS, MIN_RETRY_AFTER_SECONDS, HttpError, MonoCloudError
from ...events import Event
from ..effects import Failure, Flow, Instant, RunOnceInBackground, read_clock, run_once
from .interruption import was_interrupted
from .load_record import Attempts, Loaded, LoadRecord
from .loader import Load, Loader
from .refresh_policy import Age, RefreshPolicy

__all__ = ["LastKnownGood"]

T = TypeVar("T")

JOIN_SECONDS: Final = 1.0  # how long to wait for a load on demand that another request started
SOON_SECONDS: Final = 1.0  # the Retry-After for callers while an attempt is under way


class LastKnownGood(Generic[T]):
    """Caches a document and refreshes it.

    Args:
        name: the kind of document, for messages, and its tenant; part of the key of the driver's runs.
        load: returns the flow that fetches and parses the document. It raises a ``MonoCloudError`` for a
            document that must not replace the cached one.
        policy: how long the document may be used, and when it is refreshed.
        describe: returns the event for a document that was loaded in so many seconds, or ``None`` for no
            event. Without it there is no observer, and failures emit no event either.
    """

    def __init__(
        self,
        name: tuple[str, str],
        load: Load[T],
        policy: RefreshPolicy,
        describe: Callable[[T, float], Event | None] | None = None,
    ) -> None:
        self._key = (*name, object())  # unique, even for equal names
        self._document = name[0]
        self._policy = policy
        self._record: LoadRecord[T] = LoadRecord(policy)
        self._loader = Loader(self._document, load, policy, self._record, describe)
        # Returns the document if it is fresh, as for nearly every request, and None otherwise.
        self.fresh: Callable[[Instant], T | None] = self._record.fresh

    def current(self, now: Instant) -> Flow[T]:
        """Return the document to use now; load or refresh it if necessary.

        Raises:
            AuthorizationServerError: there is no usable document, and it cannot be loaded.
        """
        fresh = self.fresh(now)
        if fresh is not None:
            return fresh
        loaded = self._record.loaded
        age = Age.GONE if loaded is None else self._policy.age(loaded.began, now)
        if loaded is None or age is Age.GONE:
            return (yield from self._load_or_fail_fast(now))
        must_wait = age is Age.STALE and self._record.attempts().failure is None
        return (yield from self._refresh_or_serve(loaded, now, must_wait=must_wait))

    def newer_than(self, seen: T, now: Instant) -> Flow[T]:
        """Return a newer document than ``seen``, or ``seen`` if it is the newest.

        If it returns ``seen``, the tenant has no newer document: ``seen`` was loaded after ``now``, or on
        demand within the cool-down.

        Args:
            seen: the document that :meth:`current` or this method returned, and that lacks a key.
            now: when the need for a newer document arose.

        Raises:
            HttpError: whether there is a newer document is unknown at the moment; ``retry_after`` says when
                to try again.
        """
        record = self._record
        loaded = record.loaded
        if loaded is None or loaded.value is not seen:
            return seen if loaded is None else loaded.value
        if loaded.began.monotonic > now.monotonic:
            return seen
        attempts = record.attempts()
        if attempts.failure is not None:
            value = yield from self._refresh_or_serve(loaded, now, must_wait=False)
            if value is seen:
                raise (yield from self._outdated_error(attempts.failure))
            return value
        if record.is_under_way(attempts, now):
            if attempts.demanded and attempts.began is not None:
                return (yield from self._load_on_demand(attempts, attempts.began, since=None))
            if attempts.slow:
                raise (yield from self._outdated_error())
        demanded, repeats = now, False
        if loaded.demanded is not None:
            remaining = self._policy.cooldown - (now.monotonic - loaded.demanded.monotonic)
            if remaining > 0.0:
                if not loaded.began.monotonic < now.monotonic <= loaded.ended.monotonic:
                    return seen
                # The need arose while that load was under way, so its document may lack the key.
                if loaded.repeated:
                    raise (yield from self._outdated_error())
                demanded, repeats = loaded.demanded, True
        record.note_attempt(now, demanded=True)
        return (yield from self._load_on_demand(attempts, demanded, since=now.monotonic, repeats=repeats))

    def get(self, now: Instant, *, reload: bool = False) -> Flow[T]:
        """Return the document to use now; with ``reload`` load it whatever its age.

        Raises:
            AuthorizationServerError: there is no usable document, or it cannot be reloaded.
        """
        if not reload:
            return (yield from self.current(now))
        answer = yield from self._run(self._loader.load, since=now.monotonic)
        if isinstance(answer, Failure):
            raise answer.copy()
        return answer

    def _load_or_fail_fast(self, now: Instant) -> Flow[T]:
        """Load a document if there is none to use; after a failure only one request at a time tries."""
        record = self._record
        attempts = record.attempts()
        if attempts.failure is not None:
            if record.is_under_way(attempts, now):
                raise _to_retry(attempts.failure, SOON_SECONDS)
            remaining = record.next_attempt(attempts, servable=False) - now.monotonic
            if remaining > 0.0:
                raise _to_retry(attempts.failure, remaining)
            record.note_attempt(now)  # the other requests then fail at once
        start, since = self._loader.load_unless_newer(attempts), now.monotonic - self._policy.load_timeout
        answer = yield from self._run(start, since=since)
        if isinstance(answer, Failure):
            now = yield from read_clock()
            remaining = record.next_attempt(record.attempts(), servable=False) - now.monotonic
            raise _to_retry(answer, max(remaining, SOON_SECONDS))
        return answer

    def _refresh_or_serve(self, loaded: Loaded[T], now: Instant, *, must_wait: bool) -> Flow[T]:
        """Start a refresh if one is due, wait for it if necessary, and return the newest document."""
        record, policy = self._record, self._policy
        attempts = record.attempts()
        start = self._loader.load_unless_newer(attempts)
        wait, since = 0.0, now.monotonic
        if record.is_under_way(attempts, now):
            if attempts.slow or not must_wait:
                return loaded.value
            wait, since = policy.short_wait(attempts.interrupted), now.monotonic - policy.load_timeout
            if attempts.began is not None and attempts.began.monotonic >= now.monotonic:
                # It began for this request, which has spent part of its waiting time elsewhere.
                wait -= (yield from read_clock()).monotonic - attempts.began.monotonic
        else:
            if attempts.failure is not None and now.monotonic < record.next_attempt(attempts, servable=True):
                return loaded.value
            attempts = record.note_attempt(now)
            if must_wait or attempts.interrupted:
                wait = policy.short_wait(attempts.interrupted)
        wait = max(wait, 0.0)
        answer: Any = yield RunOnceInBackground(self._key, start, wait, since)
        if was_interrupted(answer):
            answer = yield RunOnceInBackground(self._key, partial(start, is_retry=True), wait)
        if answer is None and must_wait:
            record.note_slow()
        return loaded.value if answer is None or isinstance(answer, Failure) else answer

    def _load_on_demand(
        self, attempts: Attempts, demanded: Instant, *, since: float | None, repeats: bool = False
    ) -> Flow[T]:
        """Load the document for an unknown key; wait at most one second for a load of another request."""
        start = self._loader.load_unless_newer(attempts, demanded, repeats=repeats)
        answer = yield from self._run(start, since=since, wait_seconds=JOIN_SECONDS)
        if isinstance(answer, Failure):
            raise (yield from self._outdated_error(answer))
        return answer

    def _run(
        self, start: Callable[..., Flow[T]], *, since: float | None, wait_seconds: float | None = None
    ) -> Flow[T | Failure]:
        """Run a load once for all waiting callers, and once more if it was interrupted."""
        answer = yield from run_once(self._key, start, wait_seconds, since)
        if was_interrupted(answer):
            answer = yield from run_once(self._key, partial(start, is_retry=True), wait_seconds)
        return answer

    def _outdated_error(self, failure: Failure | None = None) -> Flow[HttpError]:
        """Return the error for when it is unknown whether the tenant has a newer document."""
        now, record = (yield from read_clock()), self._record
        remaining = record.next_attempt(record.attempts(), servable=True) - now.monotonic
        reason = "it is being refreshed" if failure is None else f"refreshing it failed: {failure.error}"
        return HttpError(
            f"the cached {self._document} may be out of date, and {reason}",
            retry_after=max(remaining, SOON_SECONDS),
        )


def _to_retry(failure: Failure, seconds: float) -> MonoCloudError:
    """Return a copy of an error with the given ``retry_after``."""
    error = failure.copy()
    if isinstance(error, HttpError):
        error.retry_after = max(MIN_RETRY_AFTER_SECONDS, min(seconds, MAX_RETRY_AFTER_SECONDS))
    return error
