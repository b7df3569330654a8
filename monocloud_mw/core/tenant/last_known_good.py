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
- the state is in two immutable values: the document, and the attempts since it was loaded. Each is replaced
  as a whole, so readers need no lock. The attempts name the document they belong to; for another document
  they do not count. The driver makes sure that concurrent callers share one load.

Similar to the last known good configuration of Microsoft.IdentityModel and to the outage-tolerant key source
of Nimbus JOSE+JWT.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Generic, TypeVar

import attrs

from ...errors import MAX_RETRY_AFTER_SECONDS, MIN_RETRY_AFTER_SECONDS, HttpError, MonoCloudError
from ...events import Event, RefreshFailed, ServingStale
from ..effects import Emit, Failure, Flow, Instant, RunOnceInBackground, read_clock, run_once
from .refresh_policy import Age, RefreshPolicy, elapsed, is_late

__all__ = ["InterruptedLoadError", "LastKnownGood", "Load", "in_time"]

T = TypeVar("T")

Load = Callable[[Instant, T | None], Flow[T]]
"""Loads a document. The second argument is the cached document if a newer one than that is needed, and
``None`` otherwise."""

JOIN_SECONDS: Final = 1.0  # how long to wait for a load on demand that another request started
SOON_SECONDS: Final = 1.0  # the Retry-After for callers while an attempt is under way
VERY_MANY: Final = 1_000_000  # a number of failures after which the pause is always the cool-down


@attrs.frozen
class _Loaded(Generic[T]):
    """A document, the number of its load, when the load began and ended, and until when it is fresh.

    ``demanded`` is when the last load on demand (for an unknown key) began, and ``repeated`` whether a second
    one followed for requests that arrived during the first.
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
    """The attempts to load a document since the cached one was loaded.

    Args:
        since: the number of the cached document; 0 if there is none yet.
        began: when the attempt under way began; ``None`` if there is none.
        demanded: whether an unknown key caused that attempt.
        slow: whether a request has stopped waiting for that attempt.
        interrupted: how many attempts in a row were interrupted.
        late: whether the last attempt failed long after its timeout; the second time in a row is a failure.
        failure: the last failure, or ``None``.
        failures: how many failures there were in a row; ``VERY_MANY`` once the pause is the whole cool-down.
        failed: when the last failure occurred.
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
    """A load was interrupted, which says nothing about the state of the tenant."""


def in_time(flow: Flow[T], timeout: float) -> Flow[T]:
    """Run a flow that has a timeout of its own, and tell its failures from interruptions.

    Raises:
        InterruptedLoadError: the flow failed long after its timeout.
    """
    began = yield from read_clock()
    try:
        return (yield from flow)
    except HttpError as error:
        if is_late(began, (yield from read_clock()), timeout):
            raise InterruptedLoadError(str(error)) from error
        raise


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
        self._load = load
        self._policy = policy
        self._describe = describe
        self._numbers = itertools.count(1)
        self._loaded: _Loaded[T] | None = None
        self._last_tried = _Tried(0)

    def fresh(self, now: Instant) -> T | None:
        """Return the document if it is fresh, as for nearly every request, and ``None`` otherwise."""
        loaded = self._loaded
        if loaded is not None:
            until = loaded.fresh_until
            if now.monotonic < until.monotonic and now.unix < until.unix:
                return loaded.value
        return None

    def current(self, now: Instant) -> Flow[T]:
        """Return the document to use now; load or refresh it if necessary.

        Raises:
            AuthorizationServerError: there is no usable document, and it cannot be loaded.
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
                # The need arose while that load was under way, so its document may lack the key.
                if loaded.repeated:
                    raise (yield from self._cannot_tell())
                demanded, repeats = loaded.demanded, True
        self._note_attempt(now, demanded=True)
        return (yield from self._load_on_demand(tried, demanded, since=now.monotonic, repeats=repeats))

    def get(self, now: Instant, *, reload: bool = False) -> Flow[T]:
        """Return the document to use now; with ``reload`` load it whatever its age.

        Raises:
            AuthorizationServerError: there is no usable document, or it cannot be reloaded.
        """
        if not reload:
            return (yield from self.current(now))
        answer = yield from self._run(self._reload, since=now.monotonic)
        if isinstance(answer, Failure):
            raise answer.copy()
        return answer

    # -- Who waits, and for how long ----------------------------------------------------------------------

    def _load_or_fail_fast(self, now: Instant) -> Flow[T]:
        """Load a document if there is none to use; after a failure only one request at a time tries."""
        tried = self._tried()
        if tried.failure is not None:
            if self._is_under_way(tried, now):
                raise _to_retry(tried.failure, SOON_SECONDS)
            remaining = self._next_attempt(tried, servable=False) - now.monotonic
            if remaining > 0.0:
                raise _to_retry(tried.failure, remaining)
            self._note_attempt(now)  # the other requests then fail at once
        start, since = self._reload_unless_newer(tried), now.monotonic - self._policy.load_timeout
        answer = yield from self._run(start, since=since)
        if isinstance(answer, Failure):
            now = yield from read_clock()
            remaining = self._next_attempt(self._tried(), servable=False) - now.monotonic
            raise _to_retry(answer, max(remaining, SOON_SECONDS))
        return answer

    def _refresh_or_serve(self, loaded: _Loaded[T], now: Instant, *, must_wait: bool) -> Flow[T]:
        """Start a refresh if one is due, wait for it if necessary, and return the newest document."""
        tried, policy = self._tried(), self._policy
        start = self._reload_unless_newer(tried)
        wait, since = 0.0, now.monotonic
        if self._is_under_way(tried, now):
            if tried.slow or not must_wait:
                return loaded.value
            wait, since = policy.short_wait(tried.interrupted), now.monotonic - policy.load_timeout
            if tried.began is not None and tried.began.monotonic >= now.monotonic:
                # It began for this request, which has spent part of its waiting time elsewhere.
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
        """Load the document for an unknown key; wait at most one second for a load of another request."""
        start = self._reload_unless_newer(tried, demanded, repeats=repeats)
        answer = yield from self._run(start, since=since, wait_seconds=JOIN_SECONDS)
        if isinstance(answer, Failure):
            raise (yield from self._cannot_tell(answer))
        return answer

    def _run(
        self, start: Callable[..., Flow[T]], *, since: float | None, wait_seconds: float | None = None
    ) -> Flow[T | Failure]:
        """Run a load once for all waiting callers, and once more if it was interrupted."""
        answer = yield from run_once(self._key, start, wait_seconds, since)
        if _was_interrupted(answer):
            answer = yield from run_once(self._key, partial(start, is_retry=True), wait_seconds)
        return answer

    # -- Loads --------------------------------------------------------------------------------------------

    def _reload_unless_newer(
        self, known: _Tried, demanded: Instant | None = None, *, repeats: bool = False
    ) -> Callable[..., Flow[T]]:
        """Return the function that starts a load, unless another load has ended since ``known`` was read."""

        def start(now: Instant, *, is_retry: bool = False) -> Flow[T]:
            newer, tried = self._loaded_after(known.since), self._tried()
            if newer is not None and self._policy.is_current(newer.began, now):
                return newer.value
            if tried.failure is not None and tried.failure is not known.failure:
                self._last_tried = attrs.evolve(tried, began=None)
                raise tried.failure.copy()  # another load failed while this request waited to start its own
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
        has_ended = False
        outcome: T | Failure
        try:
            try:
                outcome = yield from self._load(now, seen.value if seen is not None and demanded else None)
            except MonoCloudError as error:
                outcome = Failure(error)
            ended = yield from read_clock()
            has_ended = True
        finally:
            if not has_ended:  # the thread was interrupted, the task was cancelled, or the event loop closed
                self._note_interruption(number, now)
        if isinstance(outcome, Failure):
            failure = self._note_failure(outcome.error, number, now, ended)
            if self._describe is not None:
                yield from self._emit_failure(failure, ended)
            raise failure
        newer = self._loaded_after(number)
        if newer is not None:
            return newer.value
        if demanded is None and seen is not None:
            demanded, repeats = seen.demanded, seen.repeated
        until = self._policy.fresh_until(now)
        self._loaded = _Loaded(outcome, number, now, ended, until, demanded, repeats)
        if self._describe is not None:
            event = self._describe(outcome, ended.monotonic - now.monotonic)
            if event is not None:
                yield Emit(event)
        if not is_retry and not self._policy.is_current(now, ended):
            raise InterruptedLoadError(f"the tenant's {self._key[0]} was out of date by the time it was read")
        return outcome

    def _emit_failure(self, error: MonoCloudError, ended: Instant) -> Flow[None]:
        """Emit that a load has failed, and whether the cached document is used meanwhile."""
        if isinstance(error, InterruptedLoadError):
            return
        document, loaded = self._key[0], self._loaded
        status = error.status if isinstance(error, HttpError) else None
        yield Emit(RefreshFailed(document=document, problem=str(error), status=status))
        if loaded is not None and self._policy.age(loaded.began, ended) is not Age.GONE:
            yield Emit(ServingStale(document=document, age_seconds=elapsed(loaded.began, ended)))

    def _loaded_after(self, number: int) -> _Loaded[T] | None:
        """Return the cached document if its load began after load ``number``, and ``None`` otherwise."""
        loaded = self._loaded
        return loaded if loaded is not None and loaded.number > number else None

    # -- What was tried -----------------------------------------------------------------------------------

    def _tried(self) -> _Tried:
        """Return the attempts since the cached document was loaded."""
        loaded, tried = self._loaded, self._last_tried
        number = 0 if loaded is None else loaded.number
        return tried if tried.since == number else _Tried(number)

    def _is_under_way(self, tried: _Tried, now: Instant) -> bool:
        return tried.began is not None and self._policy.may_run(tried.began, now)

    def _next_attempt(self, tried: _Tried, *, servable: bool) -> float:
        """Return when the next attempt may begin, in monotonic seconds."""
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
        """Record how a load failed, and return the error to raise for it."""
        if isinstance(error, InterruptedLoadError):
            if not self._tried().late:
                self._note_interruption(number, began, late=True)
                return error
            error = HttpError(str(error))
        if self._loaded_after(number) is None:
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
        if self._loaded_after(number) is None and not _is_another(tried, began):
            interrupted = tried.interrupted + 1
            self._last_tried = attrs.evolve(tried, began=None, interrupted=interrupted, late=late)

    def _cannot_tell(self, failure: Failure | None = None) -> Flow[HttpError]:
        """Return the error for when it is unknown whether the tenant has a newer document."""
        now, tried = (yield from read_clock()), self._tried()
        remaining = self._next_attempt(tried, servable=True) - now.monotonic
        reason = "it is being refreshed" if failure is None else f"refreshing it failed: {failure.error}"
        return HttpError(
            f"the cached {self._key[0]} may be out of date, and {reason}",
            retry_after=max(remaining, SOON_SECONDS),
        )


def _is_another(tried: _Tried, began: Instant) -> bool:
    """Return whether the attempt under way is another one than the load that began at ``began``."""
    return tried.began is not None and tried.began.monotonic > began.monotonic


def _was_interrupted(answer: object) -> bool:
    return isinstance(answer, Failure) and isinstance(answer.error, InterruptedLoadError)


def _to_retry(failure: Failure, seconds: float) -> MonoCloudError:
    """Return a copy of an error with the given ``retry_after``."""
    error = failure.copy()
    if isinstance(error, HttpError):
        error.retry_after = max(MIN_RETRY_AFTER_SECONDS, min(seconds, MAX_RETRY_AFTER_SECONDS))
    return error
