"""Loads a document of the tenant, and records the outcome.

A load is a flow that the driver runs. :mod:`.last_known_good` decides when one begins, and who waits for it;
:mod:`.load_record` has the results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ...errors import HttpError, MonoCloudError
from ...events import Event, RefreshFailed, ServingStale
from ..effects import Emit, Failure, Flow, Instant, read_clock
from .interruption import InterruptedLoadError
from .load_record import Attempts, Loaded, LoadRecord
from .refresh_policy import Age, RefreshPolicy, elapsed

__all__ = ["Load", "Loader"]

T = TypeVar("T")

Load = Callable[[Instant, T | None], Flow[T]]
"""Loads a document. The second argument is the cached document if a newer one than that is needed, and
``None`` otherwise."""


class Loader(Generic[T]):
    """Loads one document.

    Args:
        document: the kind of document, for messages.
        load: returns the flow that fetches and parses the document. It raises a ``MonoCloudError`` for a
            document that must not replace the cached one.
        policy: how long the document may be used.
        record: where the outcome is recorded.
        describe: returns the event for a document that was loaded in so many seconds, or ``None`` for no
            event. Without it there is no observer, and failures emit no event either.
    """

    def __init__(
        self,
        document: str,
        load: Load[T],
        policy: RefreshPolicy,
        record: LoadRecord[T],
        describe: Callable[[T, float], Event | None] | None,
    ) -> None:
        self._document = document
        self._load = load
        self._policy = policy
        self._record = record
        self._describe = describe

    def load_unless_newer(
        self, known: Attempts, demanded: Instant | None = None, *, repeats: bool = False
    ) -> Callable[..., Flow[T]]:
        """Return the function that starts a load, unless another load has ended since ``known`` was read."""

        def start(now: Instant, *, is_retry: bool = False) -> Flow[T]:
            newer, attempts = self._record.loaded_after(known.since), self._record.attempts()
            if newer is not None and self._policy.is_current(newer.began, now):
                return newer.value
            if attempts.failure is not None and attempts.failure is not known.failure:
                self._record.note_end(attempts)
                raise attempts.failure.copy()  # another load failed while this one waited to start
            return (yield from self.load(now, demanded, repeats=repeats, is_retry=is_retry))

        return start

    def load(
        self,
        now: Instant,
        demanded: Instant | None = None,
        *,
        repeats: bool = False,
        is_retry: bool = False,
    ) -> Flow[T]:
        """Load the document and record the outcome.

        Args:
            now: when the load begins.
            demanded: when the need for a newer document than the cached one arose; ``None`` if its age is the
                reason.
            repeats: whether it is the second load on demand, for requests that arrived during the first.
            is_retry: whether an interrupted load preceded it; then an outdated document is used.

        Raises:
            MonoCloudError: the load failed or was interrupted.
        """
        record = self._record
        number, seen = record.next_number(), record.loaded
        if not record.is_under_way(record.attempts(), now):
            record.note_attempt(now, demanded=demanded is not None)
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
                record.note_interruption(number, now)
        if isinstance(outcome, Failure):
            failure = record.note_failure(outcome.error, number, now, ended)
            if self._describe is not None:
                yield from self._emit_failure(failure, ended)
            raise failure
        newer = record.loaded_after(number)
        if newer is not None:
            return newer.value
        if demanded is None and seen is not None:
            demanded, repeats = seen.demanded, seen.repeated
        until = self._policy.fresh_until(now)
        record.loaded = Loaded(outcome, number, now, ended, until, demanded, repeats)
        if self._describe is not None:
            event = self._describe(outcome, ended.monotonic - now.monotonic)
            if event is not None:
                yield Emit(event)
        if not is_retry and not self._policy.is_current(now, ended):
            raise InterruptedLoadError(
                f"the tenant's {self._document} was out of date by the time it was read"
            )
        return outcome

    def _emit_failure(self, error: MonoCloudError, ended: Instant) -> Flow[None]:
        """Emit that a load has failed, and whether the cached document is used meanwhile."""
        if isinstance(error, InterruptedLoadError) or (isinstance(error, HttpError) and error.local):
            return
        document, loaded = self._document, self._record.loaded
        status = error.status if isinstance(error, HttpError) else None
        yield Emit(RefreshFailed(document=document, problem=str(error), status=status))
        if loaded is not None and self._policy.age(loaded.began, ended) is not Age.GONE:
            yield Emit(ServingStale(document=document, age_seconds=elapsed(loaded.began, ended)))
