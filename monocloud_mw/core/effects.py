"""The effects that a flow may yield, and the type of a flow.

A **flow** is a generator that contains the logic and does no I/O. For I/O it yields an **effect**, a plain
value that describes an operation. A driver (:mod:`monocloud_mw.drivers`) performs the operation, with
threads or on an event loop, and sends the result into the generator. The same logic therefore serves sync
and async clients, and tests drive it without I/O: ``next(flow)``, check the effect, ``flow.send(answer)``.

Rules:

- a failure is returned as a *value*, :class:`Failure`; a driver never throws into a flow. Each caller that
  shares a failure raises its own copy;
- a flow holds no lock and reads no clock: an :class:`Instant` is passed as an argument, and a flow that
  has waited yields :class:`ReadClock` to get a new one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Hashable, Mapping
from typing import Any, NamedTuple, TypeAlias, TypeVar

import attrs

from ..errors import MonoCloudError
from ..events import Event
from ..http import HttpRequest, HttpResponse

__all__ = [
    "CacheDelete",
    "CacheGet",
    "CacheSet",
    "Call",
    "Effect",
    "Emit",
    "Failure",
    "Fetch",
    "Flow",
    "Instant",
    "ReadClock",
    "RunOnce",
    "RunOnceInBackground",
    "call",
    "fetch",
    "read_clock",
    "run_once",
    "timed",
]

T = TypeVar("T")


class Instant(NamedTuple):
    """A point in time on both clocks: ``unix`` seconds for claims, ``monotonic`` seconds for freshness."""

    unix: float
    monotonic: float


@attrs.frozen
class Fetch:
    """Perform one HTTP exchange. Answer: :class:`HttpResponse`, or :class:`Failure`."""

    request: HttpRequest


@attrs.frozen
class RunOnce:
    """Run a flow once for all concurrent callers with the same ``key``.

    Answer: the flow's result, or :class:`Failure` if the flow raises a :class:`MonoCloudError`.
    ``start`` creates the flow; its argument is the time at which the flow starts. ``wait_seconds`` limits the
    wait for a run that another caller started; ``None`` means the driver's default. A run that began before
    ``since`` (monotonic seconds) is not joined but replaced by a new run.
    """

    key: Hashable
    start: Callable[[Instant], Flow[Any]] = attrs.field(repr=False)
    wait_seconds: float | None = None
    since: float | None = None


@attrs.frozen
class RunOnceInBackground:
    """Run a flow as :class:`RunOnce` does, in the background, and wait for it at most ``wait_seconds``.

    Answer: that of :class:`RunOnce`, or ``None`` if the run has not ended by then; the run continues.
    """

    key: Hashable
    start: Callable[[Instant], Flow[Any]] = attrs.field(repr=False)
    wait_seconds: float = 0.0
    since: float | None = None


@attrs.frozen
class Call:
    """Call a user's function, sync or async; ``purpose`` names it in errors.

    Answer: its result, or :class:`Failure`.
    """

    function: Callable[..., Any]
    purpose: str


@attrs.frozen
class ReadClock:
    """Read the clocks again, after waiting. Answer: :class:`Instant`."""


@attrs.frozen
class CacheGet:
    """Read an entry of the claims cache. Answer: its claims, or ``None``, also if the cache fails."""

    key: str


@attrs.frozen
class CacheSet:
    """Write an entry of the claims cache that expires at ``expires_at`` (Unix seconds). Answer: ``None``."""

    key: str
    claims: Mapping[str, Any] = attrs.field(repr=False)
    expires_at: float


@attrs.frozen
class CacheDelete:
    """Remove an entry of the claims cache. Answer: ``None``, or :class:`Failure` if it may not be removed."""

    key: str


@attrs.frozen
class Emit:
    """Pass an event to the observer, if there is one. Answer: ``None``.

    Flows of requests that are accepted without waiting yield no such effect.
    """

    event: Event


Effect: TypeAlias = (
    Fetch | RunOnce | RunOnceInBackground | Call | ReadClock | CacheGet | CacheSet | CacheDelete | Emit
)
Flow: TypeAlias = Generator[Effect, Any, T]


@attrs.frozen
class Failure:
    """The answer to an effect that failed. Callers share ``error``, so only copies of it are raised."""

    error: MonoCloudError

    def copy(self) -> MonoCloudError:
        """Return a copy of the error to raise in one caller."""
        return copy.copy(self.error)


def fetch(request: HttpRequest) -> Flow[HttpResponse | Failure]:
    """Perform one HTTP exchange."""
    answer: HttpResponse | Failure = yield Fetch(request)
    return answer


def run_once(
    key: Hashable,
    start: Callable[[Instant], Flow[T]],
    wait_seconds: float | None = None,
    since: float | None = None,
) -> Flow[T | Failure]:
    """Run a flow once for all concurrent callers."""
    answer: T | Failure = yield RunOnce(key, start, wait_seconds, since)
    return answer


def call(function: Callable[..., Any], purpose: str) -> Flow[Any]:
    """Call a user's function."""
    return (yield Call(function, purpose))


def read_clock() -> Flow[Instant]:
    """Read the clocks again."""
    instant: Instant = yield ReadClock()
    return instant


def timed(flow: Flow[T], now: Instant) -> Flow[tuple[T, Instant]]:
    """Run a flow, and return its result with the time at which it ended.

    That is ``now`` if the flow yields no effect, because it has not waited then. Otherwise the clocks are
    read again: a token that was valid when the flow began may have expired in the meantime.
    """
    try:
        effect = next(flow)
    except StopIteration as end:
        return end.value, now
    try:
        while True:
            effect = flow.send((yield effect))
    except StopIteration as end:
        result: T = end.value
    finally:
        flow.close()  # this flow may itself be closed while it waits
    return result, (yield from read_clock())
