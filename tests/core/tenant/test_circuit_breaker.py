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
MANY = [f"token {number + 1}" for number in range(THRESHOLD)]  # as many as open it for all
MADE_UP = [f"made up {number + 1}" for number in range(MIN_FAILURES)]
POISON = "a token that the server chokes on"
OTHER = "a token that has not failed"
ACTIVE = "a token that was active before"


def at(seconds: float) -> Instant:
    """Return a moment at which the wall clock says nothing of use."""
    return Instant(unix=0.0, monotonic=seconds)


def failing(
    circuit: CircuitBreaker,
    tokens: Iterable[str],
    now: float,
    status: int | None = None,
    retry_after: float | None = None,
) -> None:
    """Let a request fail for each token, and say so in its message."""
    for token in tokens:
        error = HttpError(f"failure of {token}", status=status, retry_after=retry_after)
        circuit.record_failure(token, error, at(now))


def succeeding(
    circuit: CircuitBreaker, tokens: Iterable[str], now: float, active: bool | None = True
) -> None:
    """Let a request succeed for each token."""
    for token in tokens:
        circuit.record_success(token, at(now), active=active)


def is_open(circuit: CircuitBreaker, token: str, now: float) -> bool:
    """Tell whether a request fails at once."""
    return error_of(circuit, token, now) is not None


def error_of(circuit: CircuitBreaker, token: str, now: float) -> HttpError | None:
    """Return what a request fails with at once."""
    try:
        circuit.check(token, at(now))
    except HttpError as error:
        return error
    return None


def opened(known: Iterable[str] = (), status: int | None = None) -> CircuitBreaker:
    """Return a circuit that is open for all, since 0; some tokens were active before."""
    circuit = CircuitBreaker(PAUSE)
    succeeding(circuit, known, -100.0)
    failing(circuit, MANY if status is None else MADE_UP, 0.0, status)
    return circuit


def test_a_new_circuit_is_closed() -> None:
    """Nothing has failed yet."""
    assert not is_open(CircuitBreaker(30.0), OTHER, 0.0)


# -- Requests that are not answered ------------------------------------------------------------------------


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
    assert [str(error) for error in errors] == [f"failure of {MANY[-1]}"] * 2
    assert errors[0] is not errors[1]


@pytest.mark.parametrize("tokens", [MANY, [POISON] * THRESHOLD])
def test_a_success_between_failures_starts_the_count_again(tokens: list[str]) -> None:
    """Only failures in a row count, of different tokens or of one."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, tokens[1:], 0.0)
    succeeding(circuit, ["yet another"], 0.0)
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


@pytest.mark.parametrize("active", [True, False, None])
def test_a_probe_that_succeeds_closes_it(active: bool | None) -> None:
    """From then on all requests pass, whatever the server said: it answers."""
    circuit = opened()
    circuit.check(OTHER, at(PAUSE))
    succeeding(circuit, [OTHER], PAUSE, active)
    assert not any(is_open(circuit, token, PAUSE) for token in [*MANY, OTHER])


def test_a_probe_that_fails_opens_it_for_another_pause() -> None:
    """The pause starts when the probe ended, so that a hanging server is not probed at once again."""
    circuit = opened()
    circuit.check("a", at(5.0))
    failing(circuit, ["a"], 15.0)
    assert is_open(circuit, "b", 19.9)
    assert not is_open(circuit, "b", 20.0)


@pytest.mark.parametrize("status", [None, 500])
def test_without_a_pause_it_never_opens(status: int | None) -> None:
    """A cool-down of 0 asks for a request each time."""
    circuit = CircuitBreaker(0.0)
    failing(circuit, MADE_UP * 2, 0.0, status)
    assert not any(is_open(circuit, token, 0.0) for token in [*MADE_UP, OTHER])


def test_those_who_fail_at_once_learn_when_the_next_request_may_probe() -> None:
    """The caller gets it as ``Retry-After``, in whole seconds, so that 0 never comes out."""
    circuit = opened()
    errors = [error_of(circuit, OTHER, now) for now in (0.0, 2.0, PAUSE - 0.5)]
    assert [error and error.retry_after for error in errors] == [PAUSE, PAUSE - 2.0, 1.0]


# -- Requests that are answered ----------------------------------------------------------------------------


def test_it_opens_where_nearly_every_answer_is_a_failure() -> None:
    """That of a server which is down: a load balancer answers for it."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, MADE_UP[1:], 0.0, 500)
    assert not is_open(circuit, OTHER, 0.0)
    failing(circuit, MADE_UP[:1], 0.0, 500)
    assert is_open(circuit, OTHER, 0.0)


@pytest.mark.parametrize("status", [200, 302, 429, 500])
@pytest.mark.parametrize("made_up", [1, 2, 9, 18])
def test_one_caller_does_not_open_it_for_others(made_up: int, status: int) -> None:
    """Whose made-up tokens all fail, while good ones come at a fraction of his speed."""
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
    assert refused == (9 if made_up >= MIN_FAILURES else 0)  # in the beginning, when he came first


@pytest.mark.parametrize("status", [None, 429, 500])
@pytest.mark.parametrize("retry_after", [None, 60.0])
def test_no_caller_at_any_speed_cuts_off_tokens_that_were_active(
    status: int | None, retry_after: float | None
) -> None:
    """However many tokens he makes up, and whatever the server does about those."""
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
def test_a_flood_in_a_fresh_process_holds_it_open_for_seconds_only(made_up: int, status: int) -> None:
    """The flood comes first and opens it; sooner or later it is a good token that probes."""
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
def test_several_requests_probe_where_a_failure_holds_nobody_up(status: int | None, probes: int) -> None:
    """A server that answers is asked about several tokens at once: one of them may be good."""
    circuit = opened(status=status)
    assert [is_open(circuit, f"probe {number}", PAUSE) for number in range(probes + 2)] == [
        *[False] * probes, True, True
    ]  # fmt: skip
    succeeding(circuit, [f"probe {probes - 1}"], PAUSE)
    assert not is_open(circuit, OTHER, PAUSE)


def test_from_pause_to_pause_other_requests_probe() -> None:
    """The first that comes, and two that are further and further behind; then as in the beginning."""
    circuit = opened(status=500)
    chosen = []
    for second in range(1, ROUNDS + 2):
        tokens = [f"token {second} {number}" for number in range(100)]
        chosen.append([number for number, token in enumerate(tokens) if not is_open(circuit, token, second)])
        failing(circuit, [tokens[number] for number in chosen[-1]], second, 500)
    assert chosen[:4] == [[0, 1, 2], [0, 2, 4], [0, 3, 6], [0, 4, 8]]
    assert chosen[ROUNDS - 1 :] == [[0, 32, 64], [0, 1, 2]]


@pytest.mark.parametrize(("cooldown", "expected"), [(0.5, 0.5), (30.0, MAX_ANSWERED_PAUSE_SECONDS)])
def test_the_pause_is_short_where_failures_are_answered(cooldown: float, expected: float) -> None:
    """To ask again costs little."""
    circuit = CircuitBreaker(cooldown)
    failing(circuit, MADE_UP, 0.0, 500)
    assert is_open(circuit, OTHER, expected - 0.001)
    assert not is_open(circuit, OTHER, expected)


def test_how_many_probe_depends_on_the_last_failure() -> None:
    """A server that hung and now answers with failures is probed by several, and the other way round."""
    circuit = opened()
    circuit.check("a", at(PAUSE))
    failing(circuit, ["a"], PAUSE, 503)
    assert sum(not is_open(circuit, f"probe {number}", 3 * PAUSE) for number in range(9)) > 1
    failing(circuit, ["probe 0"], 3 * PAUSE)
    assert sum(not is_open(circuit, f"probe {number}", 4 * PAUSE) for number in range(9)) == 1


def test_after_it_has_closed_the_failures_from_before_do_not_count() -> None:
    """A server that is back is not held for down because of one failure more."""
    circuit = opened(status=500)
    succeeding(circuit, [OTHER], PAUSE)
    failing(circuit, MADE_UP, PAUSE, 500)
    assert not is_open(circuit, OTHER, PAUSE)


def test_tokens_count_and_not_requests() -> None:
    """One token that fails again and again is one failure of the rate."""
    circuit = CircuitBreaker(1.0)
    for second in range(MIN_FAILURES * 2):
        failing(circuit, [POISON], second, 500)
    assert not is_open(circuit, OTHER, MIN_FAILURES * 2)


# -- Retry-After -------------------------------------------------------------------------------------------


def test_one_token_waits_as_long_as_the_server_asks() -> None:
    """After the first such answer; the others are asked about."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, [POISON], 0.0, 429, retry_after=20.0)
    error = error_of(circuit, POISON, 1.0)
    assert error is not None
    assert (str(error), error.status, error.retry_after) == (f"failure of {POISON}", 429, 19.0)
    assert is_open(circuit, POISON, 19.999)
    assert not is_open(circuit, POISON, 20.0)
    assert not is_open(circuit, OTHER, 1.0)


def test_all_wait_as_long_as_the_server_asks_where_it_asks_all() -> None:
    """A few answers are enough where nothing succeeds; a success of another token ends no such pause."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, MANY, 0.0, 429, retry_after=20.0)
    assert is_open(circuit, OTHER, 19.999)
    assert not is_open(circuit, OTHER, 20.0)
    failing(circuit, [OTHER], 20.0, 503, retry_after=30.0)
    assert is_open(circuit, "another", 49.999)
    assert not is_open(circuit, "another", 50.0)


def test_a_shorter_wait_than_the_pause_does_not_count() -> None:
    """The pause is the least."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, [POISON], 0.0, 429, retry_after=1.0)
    assert is_open(circuit, POISON, PAUSE - 0.001)
    assert not is_open(circuit, POISON, PAUSE)


def test_a_server_that_asks_one_caller_to_wait_is_asked_by_others() -> None:
    """While tokens of others succeed, their number decides."""
    circuit = CircuitBreaker(PAUSE)
    succeeding(circuit, [OTHER], 0.0)
    failing(circuit, MANY * 2, 0.0, 429, retry_after=20.0)
    assert not is_open(circuit, "another", 0.0)
    assert all(is_open(circuit, token, 0.0) for token in MANY)


def test_the_success_of_a_token_ends_its_own_wait() -> None:
    """It was asked about before the server asked it to wait."""
    circuit = CircuitBreaker(PAUSE)
    failing(circuit, [POISON], 0.0, 429, retry_after=20.0)
    succeeding(circuit, [POISON], 1.0)
    assert not is_open(circuit, POISON, 1.0)


# -- Tokens that were active before ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [None, 500])
def test_a_token_that_was_active_probes_first(status: int | None) -> None:
    """At once, since only tokens that nobody knows have failed; made-up ones cannot use up its probes."""
    circuit = opened([ACTIVE, "active, too"], status)
    assert is_open(circuit, OTHER, 0.0)
    assert not is_open(circuit, ACTIVE, 0.0)
    failing(circuit, [f"made up {number}" for number in range(100)], PAUSE, status)
    assert is_open(circuit, OTHER, PAUSE) is (status is None)
    assert not is_open(circuit, "active, too", PAUSE)


def test_where_such_a_token_gets_no_answer_all_wait() -> None:
    """That is an outage: nobody is better off than the others."""
    circuit = opened([ACTIVE, "active, too"])
    circuit.check(ACTIVE, at(0.0))
    failing(circuit, [ACTIVE], 1.0)
    assert is_open(circuit, "active, too", 1.0 + PAUSE - 0.001)
    assert is_open(circuit, OTHER, 1.0 + PAUSE - 0.001)
    assert not is_open(circuit, "active, too", 1.0 + PAUSE)
    assert not is_open(circuit, OTHER, 1.0 + PAUSE)


def test_such_tokens_probe_as_often_as_others() -> None:
    """A server that fails at them as well is not asked about each of them."""
    known = [f"active {number}" for number in range(100)]
    circuit = opened(known, 500)
    asked = [token for token in known if not is_open(circuit, token, 0.0)]
    failing(circuit, asked, 0.0, 500)
    assert asked == known[:3]


def test_a_token_that_was_active_and_failed_before_is_no_reason_to_probe_at_once() -> None:
    """The failures that opened it were not those of one caller alone."""
    circuit = CircuitBreaker(PAUSE)
    succeeding(circuit, [ACTIVE, "active, too"], 0.0)
    failing(circuit, [ACTIVE, *MANY[1:]], 0.0)
    assert is_open(circuit, "active, too", PAUSE - 0.001)
    assert not is_open(circuit, "active, too", PAUSE)


@pytest.mark.parametrize(("active", "first"), [(True, True), (False, False), (None, True)])
def test_a_token_that_is_no_longer_active_is_like_any_other(active: bool | None, first: bool) -> None:
    """Where the server refuses our client it says nothing about the token."""
    circuit = CircuitBreaker(PAUSE)
    succeeding(circuit, [ACTIVE], 0.0)
    succeeding(circuit, [ACTIVE], 1.0, active)
    failing(circuit, MANY, 2.0)
    assert is_open(circuit, ACTIVE, 2.0) is not first


# -- One token ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [None, 500])
def test_one_token_never_opens_it_for_others(status: int | None) -> None:
    """However often it fails; whoever presents it is refused at once, and probes as all would."""
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


def test_where_nobody_else_asks_the_last_one_probes_at_last() -> None:
    """One client may be all there is when the server is back."""
    circuit = opened()
    assert is_open(circuit, MANY[-1], 2 * PAUSE - 0.001)
    assert not is_open(circuit, MANY[-1], 2 * PAUSE)


@pytest.mark.parametrize("status", [None, 429])
def test_it_remembers_no_more_tokens_than_it_takes(status: int | None) -> None:
    """However long an outage, and however many requests hang when it begins."""
    circuit = CircuitBreaker(PAUSE)
    tokens = [f"token {number}" for number in range(2 * TOKENS_REMEMBERED)]
    succeeding(circuit, tokens, 0.0)
    failing(circuit, tokens, 0.0, status, None if status is None else 20.0)
    assert len(circuit._unanswered) <= THRESHOLD
    for memory in circuit._active, circuit._failures, circuit._open_for_one:
        assert len(memory) <= TOKENS_REMEMBERED


def test_it_keeps_no_traceback() -> None:
    """Its frames would hold tokens for as long as the circuit remembers the failure."""
    circuit = CircuitBreaker(PAUSE)
    for token in MANY:
        try:
            raise HttpError("away") from OSError(token)
        except HttpError as error:
            circuit.record_failure(token, error, at(0.0))
    kept = error_of(circuit, OTHER, 0.0)
    assert kept is not None
    assert (kept.__cause__, kept.__context__) == (None, None)
