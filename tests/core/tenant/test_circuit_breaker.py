"""The circuit breaker: closed, open for all or for one token, probing."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from monocloud_mw.core.effects import Instant
from monocloud_mw.core.tenant.circuit_breaker import (
    MAX_ANSWERED_PAUSE_SECONDS,
    MAX_PAUSE_SECONDS,
    MIN_FAILURES,
    ROUNDS,
    THRESHOLD,
    TOKENS_REMEMBERED,
    CircuitBreaker,
)
from monocloud_mw.errors import HttpError

PAUSE = 5.0
MANY = [
    f"token {number + 1}" for number in range(THRESHOLD)
]  # the number of failed tokens that opens the circuit
MADE_UP = [f"made up {number + 1}" for number in range(MIN_FAILURES)]
POISON = "a token that makes the server fail"
OTHER = "a token that has not failed"
ACTIVE = "a token that was active before"


def at(seconds: float) -> Instant:
    """Return an instant with a wall clock that must not be used."""
    return Instant(unix=0.0, monotonic=seconds)


def failing(
    circuit: CircuitBreaker,
    tokens: Iterable[str],
    now: float,
    status: int | None = None,
    retry_after: float | None = None,
) -> None:
    """Record a failure for each token, with the token in the message."""
    for token in tokens:
        error = HttpError(f"failure of {token}", status=status, retry_after=retry_after)
        circuit.record_failure(token, error, at(now))


def succeeding(
    circuit: CircuitBreaker, tokens: Iterable[str], now: float, active: bool | None = True
) -> None:
    """Record a success for each token."""
    for token in tokens:
        circuit.record_success(token, at(now), active=active)


def is_open(circuit: CircuitBreaker, token: str, now: float) -> bool:
    """Return whether a request fails at once."""
    return error_of(circuit, token, now) is not None


def error_of(circuit: CircuitBreaker, token: str, now: float) -> HttpError | None:
    """Return the error with which a request fails at once."""
    try:
        circuit.check(token, at(now))
    except HttpError as error:
        return error
    return None


def opened(known: Iterable[str] = (), status: int | None = None) -> CircuitBreaker:
    """Return a circuit that is open for all since 0; the given tokens were active before."""
    circuit = CircuitBreaker(PAUSE)
    succeeding(circuit, known, -100.0)
    failing(circuit, MANY if status is None else MADE_UP, 0.0, status)
    return circuit


def test_a_new_circuit_is_closed() -> None:
    """A new circuit lets all requests through."""
    assert not is_open(CircuitBreaker(30.0), OTHER, 0.0)


# -- Requests without a response ---------------------------------------------------------------------------


def test_a_few_failures_do_not_open_it() -> None:
    """A few lost packets are not an outage."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, MANY[1:], 0.0)
    assert not any(is_open(circuit, token, 0.0) for token in [*MANY, OTHER])


def test_failures_in_a_row_open_it_with_the_last_one() -> None:
    """Requests that fail at once get a copy of the last request's error."""
    circuit, errors = opened(), []
    for _ in range(2):
        with pytest.raises(HttpError) as caught:
            circuit.check(OTHER, at(1.0))
        errors.append(caught.value)
    assert [str(error) for error in errors] == [f"failure of {MANY[-1]}"] * 2
    assert errors[0] is not errors[1]


@pytest.mark.parametrize("tokens", [MANY, [POISON] * THRESHOLD])
def test_a_success_between_failures_starts_the_count_again(tokens: list[str]) -> None:
    """Only failures in a row count, whether of different tokens or of one."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, tokens[1:], 0.0)
    succeeding(circuit, ["yet another"], 0.0)
    failing(circuit, tokens[:-1], 0.0)
    assert not any(is_open(circuit, token, 0.0) for token in [*tokens, OTHER])


@pytest.mark.parametrize(("pause", "expected"), [(2.0, 2.0), (30.0, MAX_PAUSE_SECONDS)])
def test_after_the_pause_one_request_probes(pause: float, expected: float) -> None:
    """Exactly after the pause one request probes; the others fail at once for another pause."""
    circuit = CircuitBreaker(pause)
    failing(circuit, MANY, 100.0)
    assert is_open(circuit, "a", 100.0 + expected - 0.001)
    assert not is_open(circuit, "a", 100.0 + expected)
    assert is_open(circuit, "b", 100.0 + expected)
    assert is_open(circuit, "b", 100.0 + 2 * expected - 0.001)
    assert not is_open(circuit, "b", 100.0 + 2 * expected)


@pytest.mark.parametrize("active", [True, False, None])
def test_a_probe_that_succeeds_closes_it(active: bool | None) -> None:
    """After a successful probe all requests pass, whatever the status of the response."""
    circuit = opened()
    circuit.check(OTHER, at(PAUSE))
    succeeding(circuit, [OTHER], PAUSE, active)
    assert not any(is_open(circuit, token, PAUSE) for token in [*MANY, OTHER])


def test_a_probe_that_fails_opens_it_for_another_pause() -> None:
    """The pause starts at the end of the probe, so a hanging server is not probed again at once."""
    circuit = opened()
    circuit.check("a", at(5.0))
    failing(circuit, ["a"], 15.0)
    assert is_open(circuit, "b", 19.9)
    assert not is_open(circuit, "b", 20.0)


@pytest.mark.parametrize("status", [None, 500])
def test_without_a_pause_it_never_opens(status: int | None) -> None:
    """With a cool-down of 0, every request is sent."""
    circuit = CircuitBreaker(0.0)
    failing(circuit, MADE_UP * 2, 0.0, status)
    assert not any(is_open(circuit, token, 0.0) for token in [*MADE_UP, OTHER])


def test_retry_after_is_the_time_until_the_next_probe() -> None:
    """The time until the next probe is the ``Retry-After`` of requests that fail at once, at least 1
    second.
    """
    circuit = opened()
    errors = [error_of(circuit, OTHER, now) for now in (0.0, 2.0, PAUSE - 0.5)]
    assert [error and error.retry_after for error in errors] == [PAUSE, PAUSE - 2.0, 1.0]


# -- Requests with a response ------------------------------------------------------------------------------


def test_it_opens_when_nearly_every_response_is_a_failure() -> None:
    """It opens if nearly every response is a failure, as when a load balancer answers for a server that is
    down.
    """
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, MADE_UP[1:], 0.0, 500)
    assert not is_open(circuit, OTHER, 0.0)
    failing(circuit, MADE_UP[:1], 0.0, 500)
    assert is_open(circuit, OTHER, 0.0)


@pytest.mark.parametrize("status", [200, 302, 429, 500])
@pytest.mark.parametrize("made_up", [1, 2, 9, 18])
def test_one_caller_does_not_open_it_for_others(made_up: int, status: int) -> None:
    """One caller with many failing made-up tokens does not open the circuit for valid tokens, even if these
    are rare.
    """
    circuit = CircuitBreaker(PAUSE)
    refused = 0
    for second in range(149):
        for number in range(made_up):
            if not is_open(circuit, bad := f"made up {second} {number}", second):
                failing(circuit, [bad], second, status)
        good = f"good {second}"
        if is_open(circuit, good, second):
            refused += 1
        else:
            succeeding(circuit, [good], second)
    assert refused == (
        9 if made_up >= MIN_FAILURES else 0
    )  # at the start, when the failing caller came first


@pytest.mark.parametrize("status", [None, 429, 500])
@pytest.mark.parametrize("retry_after", [None, 60.0])
def test_made_up_tokens_do_not_stop_active_tokens(status: int | None, retry_after: float | None) -> None:
    """However many made-up tokens a caller sends, and however the server responds, active tokens pass."""
    circuit = CircuitBreaker(PAUSE)
    succeeding(circuit, [ACTIVE], 0.0)
    refused = 0
    for second in range(1, 40):
        for number in range(100):
            made_up = f"made up {second} {number}"
            if not is_open(circuit, made_up, second):
                failing(circuit, [made_up], second, status, retry_after)
        if is_open(circuit, ACTIVE, second):
            refused += 1
        else:
            succeeding(circuit, [ACTIVE], second)
    assert refused == 0


@pytest.mark.parametrize("made_up", [10, 18, 40, 60])
@pytest.mark.parametrize("status", [429, 500])
def test_made_up_tokens_in_a_new_process_open_it_only_for_seconds(made_up: int, status: int) -> None:
    """If made-up tokens come first and open the circuit, a valid token soon probes and closes it."""
    circuit, served = CircuitBreaker(PAUSE), []
    for second in range(149):
        for number in range(made_up):
            if not is_open(circuit, bad := f"made up {second} {number}", second):
                failing(circuit, [bad], second, status)
        if not is_open(circuit, good := f"good {second}", second):
            succeeding(circuit, [good], second)
            served.append(second)
    assert served[0] <= ROUNDS


@pytest.mark.parametrize(("status", "probes"), [(None, 1), (500, 3)])
def test_several_requests_probe_while_the_server_responds(status: int | None, probes: int) -> None:
    """While the server responds, several tokens may probe at once, since one of them may be valid."""
    circuit = opened(status=status)
    assert [is_open(circuit, f"probe {number}", PAUSE) for number in range(probes + 2)] == [
        *[False] * probes, True, True
    ]  # fmt: skip
    succeeding(circuit, [f"probe {probes - 1}"], PAUSE)
    assert not is_open(circuit, OTHER, PAUSE)


def test_different_tokens_probe_in_each_pause() -> None:
    """In each pause the first token probes, and two others that are further behind each time; then it starts
    again.
    """
    circuit = opened(status=500)
    chosen = []
    for second in range(1, ROUNDS + 2):
        tokens = [f"token {second} {number}" for number in range(100)]
        chosen.append([number for number, token in enumerate(tokens) if not is_open(circuit, token, second)])
        failing(circuit, [tokens[number] for number in chosen[-1]], second, 500)
    assert chosen[:4] == [[0, 1, 2], [0, 2, 4], [0, 3, 6], [0, 4, 8]]
    assert chosen[ROUNDS - 1 :] == [[0, 32, 64], [0, 1, 2]]


@pytest.mark.parametrize(("cooldown", "expected"), [(0.5, 0.5), (30.0, MAX_ANSWERED_PAUSE_SECONDS)])
def test_the_pause_is_short_while_the_server_responds(cooldown: float, expected: float) -> None:
    """The pause is short while failures are responses, since another request costs little."""
    circuit = CircuitBreaker(cooldown)
    failing(circuit, MADE_UP, 0.0, 500)
    assert is_open(circuit, OTHER, expected - 0.001)
    assert not is_open(circuit, OTHER, expected)


def test_how_many_probe_depends_on_the_last_failure() -> None:
    """The number of probes depends on whether the last failure was a timeout or a response."""
    circuit = opened()
    circuit.check("a", at(PAUSE))
    failing(circuit, ["a"], PAUSE, 503)
    assert sum(not is_open(circuit, f"probe {number}", 3 * PAUSE) for number in range(9)) > 1
    failing(circuit, ["probe 0"], 3 * PAUSE)
    assert sum(not is_open(circuit, f"probe {number}", 4 * PAUSE) for number in range(9)) == 1


def test_after_it_has_closed_the_failures_from_before_do_not_count() -> None:
    """After it has closed, earlier failures no longer count."""
    circuit = opened(status=500)
    succeeding(circuit, [OTHER], PAUSE)
    failing(circuit, MADE_UP, PAUSE, 500)
    assert not is_open(circuit, OTHER, PAUSE)


def test_tokens_count_and_not_requests() -> None:
    """One token that fails repeatedly counts as one failure of the rate."""
    circuit = CircuitBreaker(1.0)
    for second in range(MIN_FAILURES * 2):
        failing(circuit, [POISON], second, 500)
    assert not is_open(circuit, OTHER, MIN_FAILURES * 2)


# -- Retry-After -------------------------------------------------------------------------------------------


def test_retry_after_applies_to_one_token() -> None:
    """After one response with Retry-After, its token waits and other tokens do not."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, [POISON], 0.0, 429, retry_after=20.0)
    error = error_of(circuit, POISON, 1.0)
    assert error is not None
    assert (str(error), error.status, error.retry_after) == (f"failure of {POISON}", 429, 19.0)
    assert is_open(circuit, POISON, 19.999)
    assert not is_open(circuit, POISON, 20.0)
    assert not is_open(circuit, OTHER, 1.0)


def test_retry_after_applies_to_all_if_nothing_succeeds() -> None:
    """If nothing succeeds, a few such responses make all tokens wait; another token's success does not end
    that.
    """
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, MANY, 0.0, 429, retry_after=20.0)
    assert is_open(circuit, OTHER, 19.999)
    assert not is_open(circuit, OTHER, 20.0)
    failing(circuit, [OTHER], 20.0, 503, retry_after=30.0)
    assert is_open(circuit, "another", 49.999)
    assert not is_open(circuit, "another", 50.0)


def test_a_retry_after_shorter_than_the_pause_is_ignored() -> None:
    """A Retry-After shorter than the pause has no effect."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, [POISON], 0.0, 429, retry_after=1.0)
    assert is_open(circuit, POISON, PAUSE - 0.001)
    assert not is_open(circuit, POISON, PAUSE)


def test_retry_after_for_one_caller_does_not_stop_others() -> None:
    """While other tokens succeed, Retry-After applies to the token alone."""
    circuit = CircuitBreaker(PAUSE)
    succeeding(circuit, [OTHER], 0.0)
    failing(circuit, MANY * 2, 0.0, 429, retry_after=20.0)
    assert not is_open(circuit, "another", 0.0)
    assert all(is_open(circuit, token, 0.0) for token in MANY)


def test_the_success_of_a_token_ends_its_own_wait() -> None:
    """A token whose request was sent before the Retry-After ends its own wait when it succeeds."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, [POISON], 0.0, 429, retry_after=20.0)
    succeeding(circuit, [POISON], 1.0)
    assert not is_open(circuit, POISON, 1.0)


# -- Tokens that were active earlier -----------------------------------------------------------------------


@pytest.mark.parametrize("status", [None, 500])
def test_a_token_that_was_active_probes_first(status: int | None) -> None:
    """An active token probes at once, since only unknown tokens have failed; made-up tokens cannot use up its
    probes.
    """
    circuit = opened([ACTIVE, "active, too"], status)
    assert is_open(circuit, OTHER, 0.0)
    assert not is_open(circuit, ACTIVE, 0.0)
    failing(circuit, [f"made up {number}" for number in range(100)], PAUSE, status)
    assert is_open(circuit, OTHER, PAUSE) is (status is None)
    assert not is_open(circuit, "active, too", PAUSE)


def test_without_a_response_for_an_active_token_all_wait() -> None:
    """If an active token gets no response, it is an outage and all tokens wait."""
    circuit = opened([ACTIVE, "active, too"])
    circuit.check(ACTIVE, at(0.0))
    failing(circuit, [ACTIVE], 1.0)
    assert is_open(circuit, "active, too", 1.0 + PAUSE - 0.001)
    assert is_open(circuit, OTHER, 1.0 + PAUSE - 0.001)
    assert not is_open(circuit, "active, too", 1.0 + PAUSE)
    assert not is_open(circuit, OTHER, 1.0 + PAUSE)


def test_active_tokens_probe_as_often_as_others() -> None:
    """Active tokens probe as often as others, so an outage does not cause one request for each of them."""
    known = [f"active {number}" for number in range(100)]
    circuit = opened(known, 500)
    asked = [token for token in known if not is_open(circuit, token, 0.0)]
    failing(circuit, asked, 0.0, 500)
    assert asked == known[:3]


def test_an_active_token_that_failed_before_does_not_probe_at_once() -> None:
    """An active token that has failed before the circuit opened does not probe at once."""
    circuit = CircuitBreaker(PAUSE)
    succeeding(circuit, [ACTIVE, "active, too"], 0.0)
    failing(circuit, [ACTIVE, *MANY[1:]], 0.0)
    assert is_open(circuit, "active, too", PAUSE - 0.001)
    assert not is_open(circuit, "active, too", PAUSE)


@pytest.mark.parametrize(("active", "first"), [(True, True), (False, False), (None, True)])
def test_a_token_that_is_no_longer_active_is_like_any_other(active: bool | None, first: bool) -> None:
    """A token that is no longer active has no priority; a refusal of the client says nothing about the
    token.
    """
    circuit = CircuitBreaker(PAUSE)
    succeeding(circuit, [ACTIVE], 0.0)
    succeeding(circuit, [ACTIVE], 1.0, active)
    failing(circuit, MANY, 2.0)
    assert is_open(circuit, ACTIVE, 2.0) is not first


# -- One token ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [None, 500])
def test_one_token_never_opens_it_for_others(status: int | None) -> None:
    """However often one token fails, only that token is refused at once; it probes after each pause."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, [POISON] * (THRESHOLD - 1), 0.0, status)
    assert not is_open(circuit, POISON, 0.0)
    for round_ in range(30):
        now = round_ * PAUSE
        failing(circuit, [POISON], now, status)
        assert is_open(circuit, POISON, now)
        assert not is_open(circuit, OTHER, now)
        assert is_open(circuit, POISON, now + PAUSE - 0.001)
        assert not is_open(circuit, POISON, now + PAUSE)


def test_one_token_adds_one_failure_to_those_of_others() -> None:
    """Some failures of one token and one lost packet do not open the circuit."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, [POISON, MANY[0], POISON, POISON], 0.0)
    assert is_open(circuit, POISON, 0.0)
    assert not is_open(circuit, MANY[0], 0.0)
    assert not is_open(circuit, OTHER, 0.0)


def test_other_tokens_probe_before_the_one_that_failed_last() -> None:
    """Otherwise the most frequent token would be every probe and hold the circuit open."""
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


def test_a_single_token_probes_in_the_end() -> None:
    """If only the last token is presented, it probes in the end."""
    circuit = opened()
    assert is_open(circuit, MANY[-1], 2 * PAUSE - 0.001)
    assert not is_open(circuit, MANY[-1], 2 * PAUSE)


@pytest.mark.parametrize("status", [None, 429])
def test_the_number_of_remembered_tokens_is_bounded(status: int | None) -> None:
    """The number of remembered tokens is bounded, however long the outage and however many requests hang."""
    circuit = CircuitBreaker(PAUSE)
    tokens = [f"token {number}" for number in range(2 * TOKENS_REMEMBERED)]
    succeeding(circuit, tokens, 0.0)
    failing(circuit, tokens, 0.0, status, None if status is None else 20.0)
    assert len(circuit._unanswered) <= THRESHOLD
    for memory in circuit._active, circuit._failures, circuit._open_for_one:
        assert len(memory) <= TOKENS_REMEMBERED


def test_it_keeps_no_traceback() -> None:
    """The frames of a traceback would keep tokens in memory."""
    circuit = CircuitBreaker(PAUSE)
    for token in MANY:
        try:
            raise HttpError("away") from OSError(token)
        except HttpError as error:
            circuit.record_failure(token, error, at(0.0))
    kept = error_of(circuit, OTHER, 0.0)
    assert kept is not None
    assert (kept.__cause__, kept.__context__) == (None, None)
