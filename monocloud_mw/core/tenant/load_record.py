"""The state of a document of the tenant: the cached copy, and the attempts to load it since.

Both are immutable values. Each is replaced as a whole, so readers need no lock. The attempts have the number
of the document they belong to, and are ignored for another document. :mod:`.last_known_good` has the rules.
"""

from __future__ import annotations

import itertools
from typing import Final, Generic, TypeVar

import attrs

from ...errors import HttpError, MonoCloudError
from ..effects import Failure, Instant
from .interruption import InterruptedLoadError
from .refresh_policy import Age, RefreshPolicy

__all__ = ["Attempts", "LoadRecord", "Loaded"]

T = TypeVar("T")

VERY_MANY: Final = 1_000_000  # a number of failures after which the pause is always the cool-down


@attrs.frozen
class Loaded(Generic[T]):
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
class Attempts:
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

    def has_newer(self, began: Instant) -> bool:
        """Return whether the attempt under way is another one than the load that began at ``began``."""
        return self.began is not None and self.began.monotonic > began.monotonic


class LoadRecord(Generic[T]):
    """The cached document and the attempts since it was loaded.

    Attributes:
        loaded: the cached document; ``None`` if there is none yet.
    """

    def __init__(self, policy: RefreshPolicy) -> None:
        self._policy = policy
        self._numbers = itertools.count(1)
        self._attempts = Attempts(0)
        self.loaded: Loaded[T] | None = None

    def next_number(self) -> int:
        """Return the number of a load that begins."""
        return next(self._numbers)

    def fresh(self, now: Instant) -> T | None:
        """Return the document if it is fresh, as for nearly every request, and ``None`` otherwise."""
        loaded = self.loaded
        if loaded is not None:
            until = loaded.fresh_until
            if now.monotonic < until.monotonic and now.unix < until.unix:
                return loaded.value
        return None

    def loaded_after(self, number: int) -> Loaded[T] | None:
        """Return the document if its load began after load ``number``, and ``None`` otherwise."""
        loaded = self.loaded
        return loaded if loaded is not None and loaded.number > number else None

    def attempts(self) -> Attempts:
        """Return the attempts since the document was loaded."""
        loaded, attempts = self.loaded, self._attempts
        number = 0 if loaded is None else loaded.number
        return attempts if attempts.since == number else Attempts(number)

    def is_under_way(self, attempts: Attempts, now: Instant) -> bool:
        """Return whether one of the attempts may still have a result."""
        return attempts.began is not None and self._policy.may_run(attempts.began, now)

    def next_attempt(self, attempts: Attempts, *, servable: bool) -> float:
        """Return when the next attempt may begin, in monotonic seconds."""
        if attempts.failure is None:
            return 0.0
        retry_after = getattr(attempts.failure.error, "retry_after", None)
        pause = self._policy.pause(attempts.failed, attempts.failures, retry_after, servable=servable)
        return attempts.failed.monotonic + pause

    # -- Recording ----------------------------------------------------------------------------------------

    def note_attempt(self, now: Instant, *, demanded: bool = False) -> Attempts:
        """Record that an attempt begins; an earlier one that is past its timeout was interrupted."""
        attempts = self.attempts()
        was_interrupted = attempts.began is not None and not self.is_under_way(attempts, now)
        interrupted = attempts.interrupted + was_interrupted
        attempts = attrs.evolve(attempts, began=now, demanded=demanded, slow=False, interrupted=interrupted)
        self._attempts = attempts
        return attempts

    def note_slow(self) -> None:
        """Record that a request has stopped waiting for the attempt under way."""
        attempts = self.attempts()
        self._attempts = attrs.evolve(attempts, slow=attempts.began is not None)

    def note_end(self, attempts: Attempts) -> None:
        """Record that an attempt ended without its own load."""
        self._attempts = attrs.evolve(attempts, began=None)

    def note_interruption(self, number: int, began: Instant, *, late: bool = False) -> None:
        """Record that load ``number``, which began at ``began``, was interrupted."""
        attempts = self.attempts()
        if self.loaded_after(number) is None and not attempts.has_newer(began):
            interrupted = attempts.interrupted + 1
            self._attempts = attrs.evolve(attempts, began=None, interrupted=interrupted, late=late)

    def note_failure(
        self, error: MonoCloudError, number: int, began: Instant, ended: Instant
    ) -> MonoCloudError:
        """Record how load ``number`` failed, and return the error to raise for it."""
        if isinstance(error, InterruptedLoadError):
            if not self.attempts().late:
                self.note_interruption(number, began, late=True)
                return error
            error = HttpError(str(error))
        if self.loaded_after(number) is None:
            attempts = self.attempts()
            under_way = attempts.began if attempts.has_newer(began) else None
            if isinstance(error, HttpError) and error.local:  # the request was not sent
                self._attempts = attrs.evolve(attempts, began=under_way)
                return error
            loaded = self.loaded
            is_servable = loaded is not None and self._policy.age(loaded.began, ended) is not Age.GONE
            in_long_pauses = is_servable and attempts.failures > 0
            self._attempts = Attempts(
                attempts.since,
                began=under_way,
                demanded=attempts.demanded,
                failure=Failure(error),
                failures=VERY_MANY if in_long_pauses else attempts.failures + 1,
                failed=ended,
            )
        return error
