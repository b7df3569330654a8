"""Observers are told of events, and cannot break a request."""

from __future__ import annotations

import logging
from typing import Any, get_args

import attrs
import pytest

from monocloud_mw.core.effects import Emit, Flow
from monocloud_mw.drivers.observer import notifier
from monocloud_mw.events import CacheFailed, CircuitClosed, CircuitOpened, Event, Observer, TokenAccepted

from .harness import Harness

CLOSED = CircuitClosed()


def test_a_function_is_told_of_any_event() -> None:
    """It is called with the event."""
    told: list[Event] = []
    notify = notifier(told.append)
    assert notify is not None
    notify(CLOSED)
    assert told == [CLOSED]


def test_an_object_is_told_by_the_method_of_the_event() -> None:
    """Events for which it has no method are dropped."""
    told: list[Any] = []

    class Some:
        def circuit_closed(self, event: CircuitClosed) -> None:
            told.append(event)

    notify = notifier(Some())  # type: ignore[arg-type]
    assert notify is not None
    notify(CLOSED)
    notify(CircuitOpened(problem="x"))
    assert told == [CLOSED]


def test_an_observer_has_a_method_for_each_event() -> None:
    """Each does nothing, and is named after the event."""
    for kind in get_args(Event):
        event = kind(**dict.fromkeys((field.name for field in attrs.fields(kind)), "x"))
        assert getattr(Observer(), kind.handler)(event) is None
        assert kind.handler.replace("_", "") == kind.__name__.lower()


def test_without_an_observer_there_is_nobody_to_tell() -> None:
    """So that nothing needs to be made."""
    assert notifier() is None
    assert notifier(None, None) is None


def test_several_observers_are_all_told(caplog: pytest.LogCaptureFixture) -> None:
    """Also when the first of them raises, which is logged once, without its message."""
    told: list[Event] = []

    def fail(event: Event) -> None:
        raise ValueError("canary")

    notify = notifier(fail, None, told.append)
    assert notify is not None
    for _ in range(3):
        notify(CLOSED)
    assert told == [CLOSED] * 3
    assert caplog.record_tuples == [
        (
            "monocloud_mw",
            logging.ERROR,
            "the observer failed with ValueError; further failures of it are not logged",
        )
    ]


@pytest.fixture(params=["sync", "async"])
def harness(request: pytest.FixtureRequest) -> Harness:
    """Return a way to run flows on each driver."""
    return Harness(request.param)


def _emit() -> Flow[Any]:
    answer = yield Emit(TokenAccepted())
    return answer


def test_a_driver_tells_the_observer(harness: Harness) -> None:
    """Where there is one; the flow goes on either way."""
    told: list[Event] = []
    assert harness(notify=told.append).run(_emit()) is None
    assert harness().run(_emit()) is None
    assert told == [TokenAccepted()]


def test_a_cache_that_fails_is_an_event(harness: Harness) -> None:
    """By operation and kind of exception."""
    from monocloud_mw.core.effects import CacheDelete, CacheGet, CacheSet

    def fail(*_arguments: object) -> None:
        raise OSError("canary")

    class Cache:
        get = set = delete = staticmethod(fail)

    def use() -> Flow[None]:
        yield CacheGet("key")
        yield CacheSet("key", {}, 1.0)
        yield CacheDelete("key")

    told: list[Event] = []
    harness(cache=Cache(), notify=told.append).run(use())
    assert told == [CacheFailed(operation=name, error="OSError") for name in ("get", "set", "delete")]
