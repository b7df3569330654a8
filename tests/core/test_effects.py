"""Effects: plain values that show no secrets, and failures that are raised afresh."""

from __future__ import annotations

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
)
from monocloud_mw.errors import Reason, TokenError
from monocloud_mw.http import HttpRequest

from .by_hand import NOW, result_of, step

REQUEST = HttpRequest(
    url="https://acme.example",
    headers={"authorization": "secret"},
    body=b"secret",
    timeout_seconds=1.0,
    max_body_bytes=1,
)


def secret_flow(_now: Instant) -> Flow[None]:
    """A flow whose name must not be shown."""
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
    """Whatever the answer is, a failure included."""
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
def test_no_effect_shows_what_it_carries(effect: Effect) -> None:
    """Tokens, secrets and claims pass through effects, and reprs end up in logs."""
    assert "secret" not in repr(effect)


def test_a_failure_is_raised_as_a_copy() -> None:
    """Many callers share one failure; none may find another's traceback or changes on it."""
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
