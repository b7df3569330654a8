"""The circuit breaker of caches: when the server is skipped, and which request tries it again."""

from __future__ import annotations

import asyncio

import pytest

from monocloud_mw.stores.circuit_breaker import CircuitBreaker

from .conftest import FixedClock


def _fail(breaker: CircuitBreaker, error: BaseException) -> None:
    with pytest.raises(type(error)), breaker.recording():
        raise error


@pytest.fixture
def breaker(clock: FixedClock) -> CircuitBreaker:
    """Return a circuit breaker that opens for ten seconds after an ``OSError``."""
    return CircuitBreaker(failures=(OSError,), cooldown_seconds=10, clock=clock)


def test_successes_keep_it_closed(breaker: CircuitBreaker) -> None:
    """Successes do not open the circuit."""
    with breaker.recording():
        pass
    assert not breaker.is_open()


def test_a_failure_starts_a_cooldown(breaker: CircuitBreaker, clock: FixedClock) -> None:
    """After a failure no request is sent until the cool-down is over."""
    _fail(breaker, ConnectionRefusedError())
    open_at_first = breaker.is_open()
    clock.now += 9.999
    assert (open_at_first, breaker.is_open()) == (True, True)


def test_after_the_cooldown_one_request_probes(breaker: CircuitBreaker, clock: FixedClock) -> None:
    """The first request is sent; the others are skipped while it runs."""
    _fail(breaker, TimeoutError())
    clock.now += 10
    assert [breaker.is_open() for _ in range(3)] == [False, True, True]


def test_a_probe_that_succeeds_closes_the_circuit(breaker: CircuitBreaker, clock: FixedClock) -> None:
    """All requests are sent again."""
    _fail(breaker, TimeoutError())
    clock.now += 10
    assert not breaker.is_open()
    with breaker.recording():
        pass
    assert [breaker.is_open() for _ in range(3)] == [False, False, False]


def test_a_probe_that_fails_starts_another_cooldown(breaker: CircuitBreaker, clock: FixedClock) -> None:
    """The next cool-down counts from the end of the probe."""
    _fail(breaker, TimeoutError())
    clock.now += 10
    assert not breaker.is_open()
    clock.now += 3
    _fail(breaker, TimeoutError())
    clock.now += 9.999
    still_open = breaker.is_open()
    clock.now += 0.001
    assert (still_open, breaker.is_open()) == (True, False)


def test_a_probe_that_never_ends_is_followed_by_another(breaker: CircuitBreaker, clock: FixedClock) -> None:
    """If a probe was cancelled, another request probes one cool-down later."""
    _fail(breaker, TimeoutError())
    clock.now += 10
    assert not breaker.is_open()
    _fail(breaker, asyncio.CancelledError())
    clock.now += 10
    assert not breaker.is_open()


def test_other_errors_are_no_failures_of_the_server(breaker: CircuitBreaker) -> None:
    """An error response comes from a working server and does not open the circuit."""
    _fail(breaker, ValueError())
    assert not breaker.is_open()


def test_without_a_cooldown_every_request_is_sent(clock: FixedClock) -> None:
    """With a cool-down of 0, every request is sent, after failures too."""
    breaker = CircuitBreaker(failures=(OSError,), cooldown_seconds=0, clock=clock)
    _fail(breaker, OSError())
    assert [breaker.is_open(), breaker.is_open()] == [False, False]
