"""How long a document of the tenant is good for, and who waits for a new one.

One policy serves the discovery document and the key set. With ``lifetime`` L and ``max_stale`` S:

::

    age     0 ............. 0.8 L ............. L ................. L + S .......
            fresh           due                 stale               gone
            serve           serve, and          wait for one        wait for one
                            refresh in the      refresh; serve on   refresh; fail
                            background          if it fails         if it fails

Rules:

- under steady traffic nobody waits: the refresh in the background comes before the document expires;
- once a refresh has failed, later attempts are at least ``cooldown`` apart and run in the background;
  where there is nothing left to serve, one request per cool-down tries and the others fail at once;
- :meth:`LastKnownGood.newer` answers the question "is there a key I have not seen?": at most one fetch
  per cool-down, however many ask;
- the state is a value that is swapped whole, so readers need no lock; single flight is the driver's
  business, and a flow that was second in line finds the newer state and fetches nothing.

The idea is that of Microsoft.IdentityModel's last known good configuration and of Nimbus' outage-tolerant
key source. All times are monotonic seconds, all durations seconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import attrs

from ...errors import MonoCloudError
from ..effects import Failure, Flow, Instant, RunOnceInBackground, read_clock, run_once

__all__ = ["LastKnownGood"]

T = TypeVar("T")

REFRESH_AHEAD: Final = 0.8  # of the lifetime: the rest is the time a refresh may take unnoticed


@attrs.frozen
class _Held(Generic[T]):
    """A document, the number of its load, and when that load began."""

    value: T
    generation: int
    loaded_at: float


@attrs.frozen
class _Attempt:
    """The last refresh that began in the background or failed, since the document was loaded."""

    at: float
    failure: Failure | None = None


class LastKnownGood(Generic[T]):
    """A document that outlives the outages of its source.

    Args:
        name: tells this document's loads from others' in the single-flight table.
        load: makes the flow that fetches and reads the document; it raises a ``MonoCloudError`` for a
            document that must not replace a good one.
        lifetime: how long a document is current; 0 loads it every time.
        max_stale: how much longer it serves while the source fails; 0 is not at all.
        cooldown: the least time between attempts that a failure or an unknown key caused.
        longest_load: a load that began longer ago, and left no result, was interrupted.
    """

    def __init__(
        self,
        name: str,
        load: Callable[[Instant], Flow[T]],
        *,
        lifetime: float,
        max_stale: float,
        cooldown: float,
        longest_load: float,
    ) -> None:
        self._name = name
        self._load = load
        self._lifetime = lifetime
        self._due = lifetime * REFRESH_AHEAD
        self._gone = lifetime + max_stale
        self._cooldown = cooldown
        self._patience = max(cooldown, longest_load)
        self._generations = itertools.count(1)
        self._held: _Held[T] | None = None
        self._attempt: _Attempt | None = None
        self._demanded_at: float | None = None

    def fresh(self, now: Instant) -> T | None:
        """Return the document where nothing needs to be done, the case of nearly every request."""
        held = self._held
        if held is not None and now.monotonic - held.loaded_at < self._due:
            return held.value
        return None

    def current(self, now: Instant) -> Flow[T]:
        """Return the document to use now.

        Raises:
            AuthorizationServerError: there is none, and it cannot be loaded.
        """
        held = self._held
        age = None if held is None else now.monotonic - held.loaded_at
        if held is None or age is None or age >= self._gone:
            return (yield from self._first(now))
        if age < self._due:
            return held.value
        if age < self._lifetime or self._is_being_tried(now):
            yield from self._refresh_unnoticed(held, now)
            return held.value
        answer = yield from run_once(self._name, self._reload_unless_newer(held.generation))
        return held.value if isinstance(answer, Failure) else answer

    def newer(self, seen: T, now: Instant) -> Flow[T]:
        """Return a newer document than the one ``seen``, or that one where a fetch is not due yet."""
        held = self._held
        if held is None or held.value is not seen:
            return seen if held is None else held.value
        if self._failure is not None:
            yield from self._refresh_unnoticed(held, now)
            return seen
        if self._cooling(self._demanded_at, now):
            return seen
        answer = yield from run_once(self._name, self._reload_on_demand(held.generation))
        return seen if isinstance(answer, Failure) else answer

    def get(self, now: Instant, *, reload: bool = False) -> Flow[T]:
        """Return the document to use now, or load it whatever its age.

        Raises:
            AuthorizationServerError: there is none, or it cannot be reloaded.
        """
        if reload:
            return _value((yield from run_once(self._name, self._reload)))
        return (yield from self.current(now))

    def _first(self, now: Instant) -> Flow[T]:
        attempt = self._attempt
        if attempt is not None and attempt.failure is not None:
            if self._cooling(attempt.at, now):
                raise attempt.failure.copy()
            self._attempt = _Attempt(now.monotonic, attempt.failure)  # this request probes, the others do not
        generation = 0 if self._held is None else self._held.generation
        return _value((yield from run_once(self._name, self._reload_unless_newer(generation))))

    def _is_being_tried(self, now: Instant) -> bool:
        """Tell whether waiting is pointless: a refresh has failed, or began lately and may be under way.

        One that began longer ago and left no result was interrupted: nobody is trying any more.
        """
        attempt = self._attempt
        return attempt is not None and (
            attempt.failure is not None or now.monotonic - attempt.at < self._patience
        )

    def _refresh_unnoticed(self, held: _Held[T], now: Instant) -> Flow[None]:
        attempt = self._attempt
        if attempt is None or not self._cooling(attempt.at, now):
            self._attempt = _Attempt(now.monotonic, self._failure)
            yield RunOnceInBackground(self._name, self._reload_unless_newer(held.generation))

    @property
    def _failure(self) -> Failure | None:
        """The last failure, where the document was not loaded since."""
        attempt = self._attempt
        return None if attempt is None else attempt.failure

    def _cooling(self, since: float | None, now: Instant) -> bool:
        return since is not None and now.monotonic - since < self._cooldown

    def _reload_unless_newer(self, generation: int) -> Callable[[Instant], Flow[T]]:
        known = self._failure

        def start(now: Instant) -> Flow[T]:
            newer, failure = self._newer_than(generation), self._failure
            if newer is not None:
                return newer.value
            if failure is not None and failure is not known:
                raise failure.copy()  # a load failed just now, while this request was on its way here
            return (yield from self._reload(now))

        return start

    def _reload_on_demand(self, generation: int) -> Callable[[Instant], Flow[T]]:
        reload = self._reload_unless_newer(generation)

        def start(now: Instant) -> Flow[T]:
            value = yield from reload(now)
            self._demanded_at = now.monotonic  # only now: a load that is interrupted answered nobody
            return value

        return start

    def _reload(self, now: Instant) -> Flow[T]:
        generation = next(self._generations)
        try:
            value = yield from self._load(now)
        except MonoCloudError as error:
            finished = yield from read_clock()
            if self._newer_than(generation) is None:
                self._attempt = _Attempt(finished.monotonic, Failure(error))
            raise
        newer = self._newer_than(generation)
        if newer is not None:
            return newer.value
        self._held = _Held(value, generation, now.monotonic)
        self._attempt = None
        return value

    def _newer_than(self, generation: int) -> _Held[T] | None:
        """Return the document whose load began after another one, where there is one."""
        held = self._held
        return held if held is not None and held.generation > generation else None


def _value(answer: T | Failure) -> T:
    if isinstance(answer, Failure):
        raise answer.copy()
    return answer
