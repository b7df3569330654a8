"""Observers get events and cannot break a request."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, get_args

import attrs
import pytest

from monocloud_mw.core.effects import Emit, Flow
from monocloud_mw.drivers.observer import notifier
from monocloud_mw.events import CacheFailed, CircuitClosed, CircuitOpened, Event, Observer, TokenAccepted

from .harness import Harness

CLOSED = CircuitClosed()


def test_a_function_gets_every_event() -> None:
    """It is called with the event."""
    told: list[Event] = []
    notify = notifier(told.append)
    assert notify is not None
    notify(CLOSED)
    assert told == [CLOSED]


def test_an_object_gets_events_by_method() -> None:
    """Events without a method on the object are dropped."""
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
    """Each method does nothing and is named after its event."""
    for kind in get_args(Event):
        event = kind(**dict.fromkeys((field.name for field in attrs.fields(kind)), "x"))
        assert getattr(Observer(), kind.handler)(event) is None
        assert kind.handler.replace("_", "") == kind.__name__.lower()


def test_without_an_observer() -> None:
    """Without an observer no events need to be created."""
    assert notifier() is None
    assert notifier(None, None) is None


def test_all_observers_are_called(caplog: pytest.LogCaptureFixture) -> None:
    """All observers are called even if the first one raises; its error is logged once, without the
    message.
    """
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


@pytest.mark.parametrize("error", [GeneratorExit(), asyncio.CancelledError(), StopIteration()], ids=repr)
def test_an_observer_cannot_end_a_request_either(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """An interrupt or cancellation raised in an observer does not interrupt the request."""

    def fail(event: Event) -> None:
        raise error

    notify = notifier(fail)
    assert notify is not None
    notify(CLOSED)
    assert f"the observer failed with {type(error).__name__}" in caplog.text


@pytest.fixture(params=["sync", "async"])
def harness(request: pytest.FixtureRequest) -> Harness:
    """Return a harness for each driver."""
    return Harness(request.param)


def _emit() -> Flow[Any]:
    answer = yield Emit(TokenAccepted())
    return answer


def test_a_driver_calls_the_observer(harness: Harness) -> None:
    """The observer gets the event, and the flow continues with or without one."""
    told: list[Event] = []
    assert harness(notify=told.append).run(_emit()) is None
    assert harness().run(_emit()) is None
    assert told == [TokenAccepted()]


def test_a_cache_that_fails_is_an_event(harness: Harness) -> None:
    """The event has the operation and the type of the exception."""
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
