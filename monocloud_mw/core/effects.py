"""What a flow may ask of the world, and the shape of a flow.

A **flow** is a generator that decides. Where it lacks something it yields an **effect**, a plain value
that names what it needs; a driver (:mod:`monocloud_mw.drivers`) performs the effect, on threads or on
an event loop, and sends the answer back in. One body of logic serves both worlds, and tests drive it
by hand: ``next(flow)``, look at the effect, ``flow.send(answer)``.

Rules:

- a failure comes back as a *value*, :class:`Failure`; a driver never throws into a flow, so a failure
  shared by many callers is raised afresh in each of them;
- a flow holds no lock and reads no clock: an :class:`Instant` comes in as an argument, and a flow that
  has waited asks for a new one with :class:`ReadClock`.
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
    "emit",
    "fetch",
    "read_clock",
    "run_once",
    "timed",
]

T = TypeVar("T")


class Instant(NamedTuple):
    """One moment on both clocks: ``unix`` seconds for claims, ``monotonic`` seconds for freshness."""

    unix: float
    monotonic: float


@attrs.frozen
class Fetch:
    """Perform one HTTP exchange. Answer: :class:`HttpResponse`, or :class:`Failure`."""

    request: HttpRequest


@attrs.frozen
class RunOnce:
    """Run a flow once for all concurrent callers with the same ``key``.

    Answer: its result, or :class:`Failure`, also where the flow raises a :class:`MonoCloudError`.
    ``start`` makes the flow, from the instant at which it starts. ``wait_seconds`` bounds the wait for a
    run that another caller leads; ``None`` leaves that to the driver. A run that began before ``since``
    (monotonic seconds) is not joined: another one takes its place.
    """

    key: Hashable
    start: Callable[[Instant], Flow[Any]] = attrs.field(repr=False)
    wait_seconds: float | None = None
    since: float | None = None


@attrs.frozen
class RunOnceInBackground:
    """Start what :class:`RunOnce` would run, and wait for it at most ``wait_seconds``; it goes on without us.

    Answer: as that of :class:`RunOnce`, or ``None`` where the run has not ended by then.
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
    """Read an entry of the claims cache. Answer: its claims or ``None``; a cache that fails has a miss."""

    key: str


@attrs.frozen
class CacheSet:
    """Write an entry of the claims cache, to be forgotten at ``expires_at`` (Unix). Answer: ``None``."""

    key: str
    claims: Mapping[str, Any] = attrs.field(repr=False)
    expires_at: float


@attrs.frozen
class CacheDelete:
    """Remove an entry of the claims cache. Answer: ``None``, or :class:`Failure`: it may still be there."""

    key: str


@attrs.frozen
class Emit:
    """Tell the observer of an event, where there is one. Answer: ``None``.

    Flows of requests that are accepted without waiting for anything yield none.
    """

    event: Event


Effect: TypeAlias = (
    Fetch | RunOnce | RunOnceInBackground | Call | ReadClock | CacheGet | CacheSet | CacheDelete | Emit
)
Flow: TypeAlias = Generator[Effect, Any, T]


@attrs.frozen
class Failure:
    """An effect that failed. ``error`` says how; it is shared, so it is only ever raised as a copy."""

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


def emit(event: Event) -> Flow[None]:
    """Tell the observer of an event, where there is one."""
    yield Emit(event)


def timed(flow: Flow[T], now: Instant) -> Flow[tuple[T, Instant]]:
    """Run a flow, and return its result with the time at which it ended.

    That is ``now`` where the flow asks for nothing, since it has not waited then. Otherwise the clocks are
    read again: what was valid when a flow began may have expired while it waited.
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
