"""The circuit breaker: when a server is left alone, and who tries it again."""

from __future__ import annotations

import asyncio

import pytest

from monocloud_mw.stores.circuit_breaker import Breaker

from .conftest import FixedClock


def _fail(breaker: Breaker, error: BaseException) -> None:
    with pytest.raises(type(error)), breaker.watch():
        raise error


@pytest.fixture
def breaker(clock: FixedClock) -> Breaker:
    """Return a breaker that rests for ten seconds after an ``OSError``."""
    return Breaker(failures=(OSError,), rest_seconds=10, clock=clock)


def test_a_server_that_answers_is_asked(breaker: Breaker) -> None:
    """Successes change nothing."""
    with breaker.watch():
        pass
    assert not breaker.is_open()


def test_a_failure_starts_a_rest(breaker: Breaker, clock: FixedClock) -> None:
    """After one failure nobody asks until the rest is over."""
    _fail(breaker, ConnectionRefusedError())
    open_at_first = breaker.is_open()
    clock.now += 9.999
    assert (open_at_first, breaker.is_open()) == (True, True)


def test_after_the_rest_one_caller_probes(breaker: Breaker, clock: FixedClock) -> None:
    """The first caller goes ahead, and the others rest on while it waits."""
    _fail(breaker, TimeoutError())
    clock.now += 10
    assert [breaker.is_open() for _ in range(3)] == [False, True, True]


def test_a_probe_that_succeeds_ends_the_rest(breaker: Breaker, clock: FixedClock) -> None:
    """All callers ask again."""
    _fail(breaker, TimeoutError())
    clock.now += 10
    assert not breaker.is_open()
    with breaker.watch():
        pass
    assert [breaker.is_open() for _ in range(3)] == [False, False, False]


def test_a_probe_that_fails_starts_another_rest(breaker: Breaker, clock: FixedClock) -> None:
    """The next rest counts from the end of the probe."""
    _fail(breaker, TimeoutError())
    clock.now += 10
    assert not breaker.is_open()
    clock.now += 3
    _fail(breaker, TimeoutError())
    clock.now += 9.999
    still_open = breaker.is_open()
    clock.now += 0.001
    assert (still_open, breaker.is_open()) == (True, False)


def test_a_probe_that_never_ends_does_not_close_the_door(breaker: Breaker, clock: FixedClock) -> None:
    """Where a probe was cancelled, another caller probes one rest later."""
    _fail(breaker, TimeoutError())
    clock.now += 10
    assert not breaker.is_open()
    _fail(breaker, asyncio.CancelledError())
    clock.now += 10
    assert not breaker.is_open()


def test_other_errors_are_no_failures_of_the_server(breaker: Breaker) -> None:
    """A refused command comes from a server that answers."""
    _fail(breaker, ValueError())
    assert not breaker.is_open()


def test_no_rest_is_no_rest(clock: FixedClock) -> None:
    """With ``rest_seconds`` 0 every caller asks."""
    breaker = Breaker(failures=(OSError,), rest_seconds=0, clock=clock)
    _fail(breaker, OSError())
    assert [breaker.is_open(), breaker.is_open()] == [False, False]
