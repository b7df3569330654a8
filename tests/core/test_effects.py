"""Effects: plain values without secrets in their repr, and failures that are raised as copies."""

from __future__ import annotations

from typing import Final

import pytest

from monocloud_mw.core.effects import (
    CacheDelete,
    CacheGet,
    CacheSet,
    Call,
    Effect,
    Failure,
    Fetch,
    Flow,
    Instant,
    ReadClock,
    RunOnce,
    RunOnceInBackground,
    call,
    fetch,
    read_clock,
    run_once,
    timed,
)
from monocloud_mw.errors import Reason, TokenError
from monocloud_mw.http import HttpRequest

from .fake_driver import NOW, result_of, step

REQUEST = HttpRequest(
    url="https://acme.example",
    headers={"authorization": "secret"},
    body=b"secret",
    timeout_seconds=1.0,
    max_body_bytes=1,
)


def secret_flow(_now: Instant) -> Flow[None]:
    """A flow whose name must not be in a repr."""
    yield ReadClock()


def function() -> None:
    """A user's function."""


@pytest.mark.parametrize(
    ("flow", "effect"),
    [
        (fetch(REQUEST), Fetch(REQUEST)),
        (run_once("key", secret_flow), RunOnce("key", secret_flow)),
        (call(function, "purpose"), Call(function, "purpose")),
        (read_clock(), ReadClock()),
    ],
    ids=["fetch", "run_once", "call", "read_clock"],
)
def test_a_flow_asks_for_one_effect_and_returns_its_answer(flow: Flow[object], effect: Effect) -> None:
    """An effect returns any result, including a failure."""
    answer = Failure(TokenError(Reason.EXPIRED))
    assert step(flow) == effect
    assert result_of(flow, answer) is answer


@pytest.mark.parametrize(
    "effect",
    [
        Fetch(REQUEST),
        RunOnce("key", secret_flow),
        RunOnceInBackground("key", secret_flow),
        CacheDelete("key"),
        CacheGet("key"),
        CacheSet("key", {"sub": "secret"}, 1.0),
        ReadClock(),
    ],
    ids=lambda effect: type(effect).__name__,
)
def test_the_repr_of_an_effect_is_redacted(effect: Effect) -> None:
    """Tokens, secrets and claims are in effects, so their repr must not show them."""
    assert "secret" not in repr(effect)


def test_a_failure_is_raised_as_a_copy() -> None:
    """Callers that share a failure do not share its traceback."""
    failure = Failure(TokenError(Reason.EXPIRED, "detail"))
    first, second = failure.copy(), failure.copy()
    assert isinstance(first, TokenError)
    assert isinstance(second, TokenError)
    first.issuer = "'mine'"
    assert (second.issuer, second.reason, str(second)) == (None, Reason.EXPIRED, str(failure.error))
    assert len({id(first), id(second), id(failure.error)}) == 3


def test_an_instant_has_both_clocks() -> None:
    """Wall time for claims, monotonic time for freshness."""
    assert (NOW.unix, NOW.monotonic) == (1_700_000_000.0, 1000.0)


# -- The time at which a flow ended -----------------------------------------------------------------------

LATER: Final = Instant(NOW.unix + 5, NOW.monotonic + 5)


def asking(*effects: Effect) -> Flow[list[object]]:
    """Yield some effects and return their results."""
    answers: list[object] = []
    for effect in effects:
        answers += [(yield effect)]
    return answers


def test_a_flow_without_effects_ends_when_it_began() -> None:
    """Without effects no time has passed, so the clocks are not read."""
    assert result_of(timed(asking(), NOW)) == ([], NOW)


def test_after_a_wait_the_clocks_are_read_again() -> None:
    """The flow gets each result, and the time is read last."""
    flow = timed(asking(CacheGet("a"), CacheGet("b")), NOW)
    assert step(flow) == CacheGet("a")
    assert step(flow, 1) == CacheGet("b")
    assert step(flow, 2) == ReadClock()
    assert result_of(flow, LATER) == ([1, 2], LATER)


def test_an_error_of_the_flow_is_raised() -> None:
    """An error is raised before and after a wait."""

    def failing(*effects: Effect) -> Flow[None]:
        yield from asking(*effects)
        raise TokenError(Reason.EXPIRED)

    with pytest.raises(TokenError):
        step(timed(failing(), NOW))
    flow = timed(failing(CacheGet("a")), NOW)
    step(flow)
    with pytest.raises(TokenError):
        step(flow)


def test_an_abandoned_flow_is_closed() -> None:
    """Closing the outer flow closes the inner one, so that it can clean up."""
    closed: list[bool] = []

    def tidy() -> Flow[None]:
        try:
            yield CacheGet("a")
        finally:
            closed.append(True)

    flow = timed(tidy(), NOW)
    step(flow)
    flow.close()
    assert closed == [True]
