"""The circuit breaker: closed, open, probing."""

from __future__ import annotations

import pytest

from monocloud_mw.core.circuit_breaker import MAX_PAUSE_SECONDS, THRESHOLD, CircuitBreaker
from monocloud_mw.core.effects import Failure, Instant
from monocloud_mw.errors import HttpError


def at(seconds: float) -> Instant:
    """Return a moment at which the wall clock says nothing of use."""
    return Instant(unix=0.0, monotonic=seconds)


def failing(circuit: CircuitBreaker, times: int, now: Instant) -> None:
    """Let requests fail, numbered in their messages."""
    for number in range(times):
        circuit.failed(Failure(HttpError(f"failure {number + 1}", status=503)), now)


def is_open(circuit: CircuitBreaker, now: Instant) -> bool:
    """Tell whether a request fails at once."""
    try:
        circuit.check(now)
    except HttpError:
        return True
    return False


def test_a_new_circuit_is_closed() -> None:
    """Nothing has failed yet."""
    assert not is_open(CircuitBreaker(30.0), at(0.0))


def test_a_few_failures_do_not_open_it() -> None:
    """One lost packet is no outage."""
    circuit = CircuitBreaker(30.0)
    failing(circuit, THRESHOLD - 1, at(0.0))
    assert not is_open(circuit, at(0.0))


def test_failures_in_a_row_open_it_with_the_last_one() -> None:
    """Who fails at once learns what the last request learnt, in an exception of its own."""
    circuit = CircuitBreaker(30.0)
    failing(circuit, THRESHOLD, at(0.0))
    errors = []
    for _ in range(2):
        with pytest.raises(HttpError) as caught:
            circuit.check(at(1.0))
        errors.append(caught.value)
    assert [(str(error), error.status) for error in errors] == [(f"failure {THRESHOLD}", 503)] * 2
    assert errors[0] is not errors[1]


def test_a_success_between_failures_starts_the_count_again() -> None:
    """Only failures in a row count."""
    circuit = CircuitBreaker(30.0)
    failing(circuit, THRESHOLD - 1, at(0.0))
    circuit.succeeded()
    failing(circuit, THRESHOLD - 1, at(0.0))
    assert not is_open(circuit, at(0.0))


@pytest.mark.parametrize(("pause", "expected"), [(2.0, 2.0), (30.0, MAX_PAUSE_SECONDS)])
def test_after_the_pause_one_request_probes(pause: float, expected: float) -> None:
    """To the moment; the others go on failing at once for another pause."""
    circuit = CircuitBreaker(pause)
    failing(circuit, THRESHOLD, at(100.0))
    assert is_open(circuit, at(100.0 + expected - 0.001))
    assert not is_open(circuit, at(100.0 + expected))
    assert is_open(circuit, at(100.0 + expected))
    assert is_open(circuit, at(100.0 + 2 * expected - 0.001))
    assert not is_open(circuit, at(100.0 + 2 * expected))


def test_a_probe_that_succeeds_closes_it() -> None:
    """From then on all requests pass."""
    circuit = CircuitBreaker(5.0)
    failing(circuit, THRESHOLD, at(0.0))
    circuit.check(at(5.0))
    circuit.succeeded()
    assert not is_open(circuit, at(5.0))
    assert not is_open(circuit, at(5.0))


def test_a_probe_that_fails_opens_it_for_another_pause() -> None:
    """The pause starts when the probe ended, so that a hanging server is not probed at once again."""
    circuit = CircuitBreaker(5.0)
    failing(circuit, THRESHOLD, at(0.0))
    circuit.check(at(5.0))
    failing(circuit, 1, at(15.0))
    assert is_open(circuit, at(19.9))
    assert not is_open(circuit, at(20.0))


def test_without_a_pause_it_never_opens() -> None:
    """A cool-down of 0 asks for a request each time."""
    circuit = CircuitBreaker(0.0)
    failing(circuit, 2 * THRESHOLD, at(0.0))
    assert not is_open(circuit, at(0.0))
