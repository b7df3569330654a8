"""The circuit breaker: closed, open for all or for one token, probing."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from monocloud_mw.core.effects import Failure, Instant
from monocloud_mw.core.tenant.circuit_breaker import MAX_PAUSE_SECONDS, THRESHOLD, CircuitBreaker
from monocloud_mw.errors import HttpError

PAUSE = 5.0
MANY = [f"token {number + 1}" for number in range(THRESHOLD)]  # as many as open it for all
POISON = "a token that the server chokes on"
OTHER = "a token that has not failed"


def at(seconds: float) -> Instant:
    """Return a moment at which the wall clock says nothing of use."""
    return Instant(unix=0.0, monotonic=seconds)


def failing(circuit: CircuitBreaker, tokens: Iterable[str], now: float) -> None:
    """Let a request fail for each token, and say so in its message."""
    for token in tokens:
        circuit.failed(token, Failure(HttpError(f"failure of {token}", status=503)), at(now))


def is_open(circuit: CircuitBreaker, token: str, now: float) -> bool:
    """Tell whether a request fails at once."""
    try:
        circuit.check(token, at(now))
    except HttpError:
        return True
    return False


def opened() -> CircuitBreaker:
    """Return a circuit that is open for all, since 0."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, MANY, 0.0)
    return circuit


def test_a_new_circuit_is_closed() -> None:
    """Nothing has failed yet."""
    assert not is_open(CircuitBreaker(30.0), OTHER, 0.0)


def test_a_few_failures_do_not_open_it() -> None:
    """One lost packet is no outage."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, MANY[1:], 0.0)
    assert not any(is_open(circuit, token, 0.0) for token in [*MANY, OTHER])


def test_failures_in_a_row_open_it_with_the_last_one() -> None:
    """Who fails at once learns what the last request learnt, in an exception of its own."""
    circuit, errors = opened(), []
    for _ in range(2):
        with pytest.raises(HttpError) as caught:
            circuit.check(OTHER, at(1.0))
        errors.append(caught.value)
    assert [(str(error), error.status) for error in errors] == [(f"failure of {MANY[-1]}", 503)] * 2
    assert errors[0] is not errors[1]


@pytest.mark.parametrize("tokens", [MANY, [POISON] * THRESHOLD])
def test_a_success_between_failures_starts_the_count_again(tokens: list[str]) -> None:
    """Only failures in a row count, of different tokens or of one."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, tokens[1:], 0.0)
    circuit.succeeded()
    failing(circuit, tokens[:-1], 0.0)
    assert not any(is_open(circuit, token, 0.0) for token in [*tokens, OTHER])


@pytest.mark.parametrize(("pause", "expected"), [(2.0, 2.0), (30.0, MAX_PAUSE_SECONDS)])
def test_after_the_pause_one_request_probes(pause: float, expected: float) -> None:
    """To the moment; the others go on failing at once for another pause."""
    circuit = CircuitBreaker(pause)
    failing(circuit, MANY, 100.0)
    assert is_open(circuit, "a", 100.0 + expected - 0.001)
    assert not is_open(circuit, "a", 100.0 + expected)
    assert is_open(circuit, "b", 100.0 + expected)
    assert is_open(circuit, "b", 100.0 + 2 * expected - 0.001)
    assert not is_open(circuit, "b", 100.0 + 2 * expected)


def test_a_probe_that_succeeds_closes_it() -> None:
    """From then on all requests pass."""
    circuit = opened()
    circuit.check(OTHER, at(PAUSE))
    circuit.succeeded()
    assert not any(is_open(circuit, token, PAUSE) for token in [*MANY, OTHER])


def test_a_probe_that_fails_opens_it_for_another_pause() -> None:
    """The pause starts when the probe ended, so that a hanging server is not probed at once again."""
    circuit = opened()
    circuit.check("a", at(5.0))
    failing(circuit, ["a"], 15.0)
    assert is_open(circuit, "b", 19.9)
    assert not is_open(circuit, "b", 20.0)


def test_without_a_pause_it_never_opens() -> None:
    """A cool-down of 0 asks for a request each time."""
    circuit = CircuitBreaker(0.0)
    failing(circuit, MANY * 2, 0.0)
    assert not any(is_open(circuit, token, 0.0) for token in [*MANY, OTHER])


def test_one_token_never_opens_it_for_others() -> None:
    """However often it fails; whoever presents it is refused at once, and probes as all would."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, [POISON] * (THRESHOLD - 1), 0.0)
    assert not is_open(circuit, POISON, 0.0)
    for round_ in range(10):
        now = round_ * PAUSE
        failing(circuit, [POISON], now)
        assert is_open(circuit, POISON, now)
        assert not is_open(circuit, OTHER, now)
        assert is_open(circuit, POISON, now + PAUSE - 0.001)
        assert not is_open(circuit, POISON, now + PAUSE)


def test_one_token_adds_one_failure_to_those_of_others() -> None:
    """A few of its failures and one lost packet are no outage either."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, [POISON, MANY[0], POISON, POISON], 0.0)
    assert is_open(circuit, POISON, 0.0)
    assert not is_open(circuit, MANY[0], 0.0)
    assert not is_open(circuit, OTHER, 0.0)


def test_the_token_that_failed_last_lets_the_others_go_first() -> None:
    """Or whoever asks most often would be every probe, and hold it open when the server is back."""
    circuit = opened()
    circuit.check(POISON, at(PAUSE))
    failing(circuit, [POISON], PAUSE)
    assert is_open(circuit, POISON, 3 * PAUSE - 0.001)
    assert not is_open(circuit, OTHER, 3 * PAUSE - 0.001)


def test_a_token_that_probes_does_not_probe_again_before_others_could() -> None:
    """A probe that hangs for longer than the pause has not failed yet."""
    circuit = opened()
    circuit.check(POISON, at(PAUSE))
    assert is_open(circuit, POISON, 2 * PAUSE)
    assert not is_open(circuit, OTHER, 2 * PAUSE)


def test_two_tokens_refused_alone_take_turns() -> None:
    """One that keeps failing does not keep the other from being asked about."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, [MANY[0]] * THRESHOLD + [POISON] * THRESHOLD, 0.0)
    assert is_open(circuit, POISON, PAUSE)
    assert not is_open(circuit, MANY[0], PAUSE)


def test_where_nobody_else_asks_the_last_one_probes_at_last() -> None:
    """One client may be all there is when the server is back."""
    circuit = opened()
    assert is_open(circuit, MANY[-1], 2 * PAUSE - 0.001)
    assert not is_open(circuit, MANY[-1], 2 * PAUSE)


def test_it_remembers_no_more_tokens_than_it_takes() -> None:
    """However long an outage, and however many requests hang when it begins."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, (f"token {number}" for number in range(1000)), 0.0)
    assert len(circuit._failures) == THRESHOLD
