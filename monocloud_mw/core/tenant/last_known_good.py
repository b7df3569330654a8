"""A document of the tenant that outlives outages: what is at hand, and what is being tried for a newer one.

One mechanism serves the discovery document and the key set; :mod:`.refresh_policy` has the ages and pauses.

===========  ==================================================  ======================================
age          no refresh has failed since the document came       the last refresh failed
===========  ==================================================  ======================================
fresh        serve                                               serve
due          serve, and refresh in the background                serve; one attempt per cool-down, in
                                                                 the background
stale        wait for a refresh, a second at most; serve on if   the same
             it fails, or is still under way then
gone, none   wait for a load; fail if it fails                   fail at once; one request at a time
                                                                 tries, after 1, 2, 4, ... seconds
===========  ==================================================  ======================================

Rules:

- an attempt that has left no result although its time is up was **interrupted** (its thread, event loop or
  process does not run any more, or did not for a while); so was one that failed far past its time, or whose
  answer is out of date by then. That is no failure of the tenant: the next request makes the attempt itself
  and waits for it a second, after another interruption two, and so on;
- :meth:`LastKnownGood.newer` answers the question "is there a key that I have not seen?": at most one load
  per cool-down, and only by a load that began after the question came up;
- there are two values, each immutable and swapped whole, so readers need no lock: the document, and what was
  tried since it was loaded. The second names the document it is about; about another one it says nothing.
  Single flight is the driver's business, and who was second in line finds the newer document.

The idea is that of Microsoft.IdentityModel's last known good configuration and of Nimbus' outage-tolerant
key source.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Generic, TypeVar

import attrs

from ...errors import MAX_RETRY_AFTER_SECONDS, MIN_RETRY_AFTER_SECONDS, HttpError, MonoCloudError
from ..effects import Failure, Flow, Instant, RunOnceInBackground, read_clock, run_once
from .refresh_policy import Age, RefreshPolicy, is_late

__all__ = ["InterruptedLoadError", "LastKnownGood", "Load", "in_time"]

T = TypeVar("T")

Load = Callable[[Instant, T | None], Flow[T]]
"""Loads a document. The second argument is the document at hand where somebody needs another than that
one, and ``None`` otherwise."""

JOIN_SECONDS: Final = 1.0  # how long to wait for a key that another request asked for
SOON_SECONDS: Final = 1.0  # what to tell a caller while an attempt is under way
VERY_MANY: Final = 1_000_000  # failures: more than double any pause up to a cool-down


@attrs.frozen
class _Loaded(Generic[T]):
    """A document: the number of its load, when that began and ended, and until when it is fresh.

    ``demanded`` is when the last load began that an unknown key caused, and ``repeated`` whether a second
    one followed for those who came while the first was under way.
    """

    value: T
    number: int
    began: Instant
    ended: Instant
    fresh_until: Instant
    demanded: Instant | None
    repeated: bool


@attrs.frozen
class _Tried:
    """What was tried since a document was loaded.

    Args:
        since: the number of that document, 0 before the first.
        began: when the attempt began that has left no result yet.
        demanded: whether an unknown key caused it.
        slow: whether a request has waited for it in vain.
        interrupted: how many attempts in a row were interrupted.
        late: whether the last one failed far past its time; the second time in a row that is a failure.
        failure: the last failure, where there is one.
        failures: how many there were in a row; very many once the pause is a whole cool-down.
        failed: when the last one ended.
    """

    since: int
    began: Instant | None = None
    demanded: bool = False
    slow: bool = False
    interrupted: int = 0
    late: bool = False
    failure: Failure | None = None
    failures: int = 0
    failed: Instant = Instant(0.0, 0.0)


class InterruptedLoadError(HttpError):
    """A load was stopped on its way: nothing is known of the tenant."""


def in_time(flow: Flow[T], timeout: float) -> Flow[T]:
    """Return what a flow returns that ends within a timeout, unless it is interrupted.

    Raises:
        InterruptedLoadError: it failed far past its timeout.
    """
    began = yield from read_clock()
    try:
        return (yield from flow)
    except HttpError as error:
        if is_late(began, (yield from read_clock()), timeout):
            raise InterruptedLoadError(str(error)) from error
        raise


class LastKnownGood(Generic[T]):
    """Keeps a document, and refreshes it.

    Args:
        name: what the document is, and whose; for the driver's table of runs.
        load: makes the flow that fetches and reads the document; it raises a ``MonoCloudError`` for one that
            must not replace a good one.
        policy: how long the document is good for.
    """

    def __init__(self, name: tuple[str, str], load: Load[T], policy: RefreshPolicy) -> None:
        self._key = (*name, object())  # no other keeper's, whatever it is called
        self._load = load
        self._policy = policy
        self._numbers = itertools.count(1)
        self._loaded: _Loaded[T] | None = None
        self._last_tried = _Tried(0)

    def fresh(self, now: Instant) -> T | None:
        """Return the document where nothing needs to be done, the case of nearly every request."""
        loaded = self._loaded
        if loaded is not None:
            until = loaded.fresh_until
            if now.monotonic < until.monotonic and now.unix < until.unix:
                return loaded.value
        return None

    def current(self, now: Instant) -> Flow[T]:
        """Return the document to use now.

        Raises:
            AuthorizationServerError: there is none, and it cannot be loaded.
        """
        fresh = self.fresh(now)
        if fresh is not None:
            return fresh
        loaded = self._loaded
        age = Age.GONE if loaded is None else self._policy.age(loaded.began, now)
        if loaded is None or age is Age.GONE:
            return (yield from self._load_or_fail_fast(now))
        must_wait = age is Age.STALE and self._tried().failure is None
        return (yield from self._refresh_or_serve(loaded, now, must_wait=must_wait))

    def newer(self, seen: T, now: Instant) -> Flow[T]:
        """Return a newer document than ``seen``, which lacks something, or ``seen`` where there is none.

        Getting ``seen`` back means that what it lacks is nowhere: it is the current document, and it was
        loaded since ``now``, or on demand within the cool-down.

        Args:
            seen: the document that :meth:`current` or this method returned.
            now: when the need for a newer one came up.

        Raises:
            HttpError: it cannot be told at the moment; ``retry_after`` says when to ask again.
        """
        loaded, policy = self._loaded, self._policy
        if loaded is None or loaded.value is not seen:
            return seen if loaded is None else loaded.value
        if loaded.began.monotonic > now.monotonic:
            return seen
        tried = self._tried()
        if tried.failure is not None:
            value = yield from self._refresh_or_serve(loaded, now, must_wait=False)
            if value is seen:
                raise (yield from self._cannot_tell(tried.failure))
            return value
        if self._is_under_way(tried, now):
            if tried.demanded and tried.began is not None:
                return (yield from self._load_on_demand(tried, tried.began, since=None))
            if tried.slow:
                raise (yield from self._cannot_tell())
        demanded, repeats = now, False
        if loaded.demanded is not None:
            remaining = policy.cooldown - (now.monotonic - loaded.demanded.monotonic)
            if remaining > 0.0:
                if not loaded.began.monotonic < now.monotonic <= loaded.ended.monotonic:
                    return seen
                # The need came up while that load was under way, which may have missed what is sought.
                if loaded.repeated:
                    raise (yield from self._cannot_tell())
                demanded, repeats = loaded.demanded, True
        self._note_attempt(now, demanded=True)
        return (yield from self._load_on_demand(tried, demanded, since=now.monotonic, repeats=repeats))

    def get(self, now: Instant, *, reload: bool = False) -> Flow[T]:
        """Return the document to use now, or load it whatever its age.

        Raises:
            AuthorizationServerError: there is none, or it cannot be reloaded.
        """
        if not reload:
            return (yield from self.current(now))
        answer = yield from self._run(self._reload, since=now.monotonic)
        if isinstance(answer, Failure):
            raise answer.copy()
        return answer

    # -- Who waits, and for how long ----------------------------------------------------------------------

    def _load_or_fail_fast(self, now: Instant) -> Flow[T]:
        """Load a document where there is none to serve; after a failure one request at a time tries."""
        tried = self._tried()
        if tried.failure is not None:
            if self._is_under_way(tried, now):
                raise _to_retry(tried.failure, SOON_SECONDS)
            remaining = self._next_attempt(tried, servable=False) - now.monotonic
            if remaining > 0.0:
                raise _to_retry(tried.failure, remaining)
            self._note_attempt(now)  # this request tries, the others do not
        start, since = self._reload_unless_newer(tried), now.monotonic - self._policy.load_timeout
        answer = yield from self._run(start, since=since)
        if isinstance(answer, Failure):
            now = yield from read_clock()
            remaining = self._next_attempt(self._tried(), servable=False) - now.monotonic
            raise _to_retry(answer, max(remaining, SOON_SECONDS))
        return answer

    def _refresh_or_serve(self, loaded: _Loaded[T], now: Instant, *, must_wait: bool) -> Flow[T]:
        """Start a refresh where one is due, wait for it where that is called for, and return what is best."""
        tried, policy = self._tried(), self._policy
        start = self._reload_unless_newer(tried)
        wait, since = 0.0, now.monotonic
        if self._is_under_way(tried, now):
            if tried.slow or not must_wait:
                return loaded.value
            wait, since = policy.short_wait(tried.interrupted), now.monotonic - policy.load_timeout
            if tried.began is not None and tried.began.monotonic >= now.monotonic:
                # It began on behalf of this request, which has waited for something else meanwhile.
                wait -= (yield from read_clock()).monotonic - tried.began.monotonic
        else:
            if tried.failure is not None and now.monotonic < self._next_attempt(tried, servable=True):
                return loaded.value
            tried = self._note_attempt(now)
            if must_wait or tried.interrupted:
                wait = policy.short_wait(tried.interrupted)
        wait = max(wait, 0.0)
        answer: Any = yield RunOnceInBackground(self._key, start, wait, since)
        if _was_interrupted(answer):
            answer = yield RunOnceInBackground(self._key, partial(start, is_retry=True), wait)
        if answer is None and must_wait:
            tried = self._tried()
            self._last_tried = attrs.evolve(tried, slow=tried.began is not None)
        return loaded.value if answer is None or isinstance(answer, Failure) else answer

    def _load_on_demand(
        self, tried: _Tried, demanded: Instant, *, since: float | None, repeats: bool = False
    ) -> Flow[T]:
        """Load what an unknown key needs; who joins another's load waits for a second at most."""
        start = self._reload_unless_newer(tried, demanded, repeats=repeats)
        answer = yield from self._run(start, since=since, wait_seconds=JOIN_SECONDS)
        if isinstance(answer, Failure):
            raise (yield from self._cannot_tell(answer))
        return answer

    def _run(
        self, start: Callable[..., Flow[T]], *, since: float | None, wait_seconds: float | None = None
    ) -> Flow[T | Failure]:
        """Run a load once for all who wait, and once more where it was interrupted."""
        answer = yield from run_once(self._key, start, wait_seconds, since)
        if _was_interrupted(answer):
            answer = yield from run_once(self._key, partial(start, is_retry=True), wait_seconds)
        return answer

    # -- Loads --------------------------------------------------------------------------------------------

    def _reload_unless_newer(
        self, known: _Tried, demanded: Instant | None = None, *, repeats: bool = False
    ) -> Callable[..., Flow[T]]:
        """Return what starts a load, unless one has ended since something was ``known`` of what was tried."""

        def start(now: Instant, *, is_retry: bool = False) -> Flow[T]:
            newer, tried = self._newer_than(known.since), self._tried()
            if newer is not None and self._policy.is_current(newer.began, now):
                return newer.value
            if tried.failure is not None and tried.failure is not known.failure:
                self._last_tried = attrs.evolve(tried, began=None)
                raise tried.failure.copy()  # while this request was on its way here
            return (yield from self._reload(now, demanded, repeats=repeats, is_retry=is_retry))

        return start

    def _reload(
        self,
        now: Instant,
        demanded: Instant | None = None,
        *,
        repeats: bool = False,
        is_retry: bool = False,
    ) -> Flow[T]:
        number, seen = next(self._numbers), self._loaded
        if not self._is_under_way(self._tried(), now):
            self._note_attempt(now, demanded=demanded is not None)
        error: MonoCloudError | None = None
        has_ended = False
        try:
            try:
                value = yield from self._load(now, seen.value if seen is not None and demanded else None)
            except MonoCloudError as caught:
                error = caught
            ended = yield from read_clock()
            has_ended = True
        finally:
            if not has_ended:  # the thread was interrupted, the task cancelled, or the event loop closed
                self._note_interruption(number, now)
        if error is not None:
            raise self._note_failure(error, number, now, ended)
        newer = self._newer_than(number)
        if newer is not None:
            return newer.value
        if demanded is None and seen is not None:
            demanded, repeats = seen.demanded, seen.repeated
        until = self._policy.fresh_until(now)
        self._loaded = _Loaded(value, number, now, ended, until, demanded, repeats)
        if not is_retry and not self._policy.is_current(now, ended):
            raise InterruptedLoadError(f"the {self._key[0]} was out of date when it had been read")
        return value

    def _newer_than(self, number: int) -> _Loaded[T] | None:
        """Return the document whose load began after another one, where there is one."""
        loaded = self._loaded
        return loaded if loaded is not None and loaded.number > number else None

    # -- What was tried -----------------------------------------------------------------------------------

    def _tried(self) -> _Tried:
        """Return what was tried since the document at hand was loaded."""
        loaded, tried = self._loaded, self._last_tried
        number = 0 if loaded is None else loaded.number
        return tried if tried.since == number else _Tried(number)

    def _is_under_way(self, tried: _Tried, now: Instant) -> bool:
        return tried.began is not None and self._policy.may_run(tried.began, now)

    def _next_attempt(self, tried: _Tried, *, servable: bool) -> float:
        """Return when the next attempt may follow a failure, in monotonic seconds."""
        if tried.failure is None:
            return 0.0
        retry_after = getattr(tried.failure.error, "retry_after", None)
        pause = self._policy.pause(tried.failed, tried.failures, retry_after, servable=servable)
        return tried.failed.monotonic + pause

    def _note_attempt(self, now: Instant, *, demanded: bool = False) -> _Tried:
        tried = self._tried()
        interrupted = tried.interrupted + (tried.began is not None and not self._is_under_way(tried, now))
        tried = attrs.evolve(tried, began=now, demanded=demanded, slow=False, interrupted=interrupted)
        self._last_tried = tried
        return tried

    def _note_failure(
        self, error: MonoCloudError, number: int, began: Instant, ended: Instant
    ) -> MonoCloudError:
        """Note how a load ended, and return the error to raise for it."""
        if isinstance(error, InterruptedLoadError):
            if not self._tried().late:
                self._note_interruption(number, began, late=True)
                return error
            error = HttpError(str(error))
        if self._newer_than(number) is None:
            tried = self._tried()
            is_servable = (
                self._loaded is not None and self._policy.age(self._loaded.began, ended) is not Age.GONE
            )
            in_long_pauses = is_servable and tried.failures > 0
            self._last_tried = _Tried(
                tried.since,
                began=tried.began if _is_another(tried, began) else None,
                demanded=tried.demanded,
                failure=Failure(error),
                failures=VERY_MANY if in_long_pauses else tried.failures + 1,
                failed=ended,
            )
        return error

    def _note_interruption(self, number: int, began: Instant, *, late: bool = False) -> None:
        tried = self._tried()
        if self._newer_than(number) is None and not _is_another(tried, began):
            interrupted = tried.interrupted + 1
            self._last_tried = attrs.evolve(tried, began=None, interrupted=interrupted, late=late)

    def _cannot_tell(self, failure: Failure | None = None) -> Flow[HttpError]:
        """Return the error for a need that can neither be met nor denied."""
        now, tried = (yield from read_clock()), self._tried()
        remaining = self._next_attempt(tried, servable=True) - now.monotonic
        reason = "it is being refreshed" if failure is None else f"its refresh failed: {failure.error}"
        return HttpError(
            f"the {self._key[0]} at hand may be out of date, and {reason}",
            retry_after=max(remaining, SOON_SECONDS),
        )


def _is_another(tried: _Tried, began: Instant) -> bool:
    """Tell whether the attempt under way is another one than the load that began at an instant."""
    return tried.began is not None and tried.began.monotonic > began.monotonic


def _was_interrupted(answer: object) -> bool:
    return isinstance(answer, Failure) and isinstance(answer.error, InterruptedLoadError)


def _to_retry(failure: Failure, seconds: float) -> MonoCloudError:
    """Return a copy of an error that says when to ask again."""
    error = failure.copy()
    if isinstance(error, HttpError):
        error.retry_after = max(MIN_RETRY_AFTER_SECONDS, min(seconds, MAX_RETRY_AFTER_SECONDS))
    return error
