"""Performing every effect: one suite for both drivers."""

from __future__ import annotations

import asyncio
import logging
from collections import UserDict
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

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
)
from monocloud_mw.errors import ConfigurationError, HttpError, MonoCloudError, OAuthResponseError
from monocloud_mw.frozen import FrozenDict
from monocloud_mw.http import HttpRequest, HttpResponse

from .harness import NOW, REQUEST, RESPONSE, Harness, ask, shared

SECRET = "top-secret-value"


@pytest.fixture(params=["sync", "async", "async with plain functions"])
def harness(request: pytest.FixtureRequest) -> Harness:
    """Return a harness for each driver."""
    return Harness(request.param)


class InterruptError(BaseException):
    """An exception that ``except Exception`` does not catch."""


def raising(error: BaseException) -> Any:
    """Return a function that raises an error, whatever its arguments."""

    def function(*_arguments: Any) -> Any:
        raise error

    return function


def failure(effect: Any) -> Flow[Any]:
    """Return the result of an effect as the flow gets it."""
    return (yield effect)


# Flows


@pytest.mark.parametrize("result", [None, 0, "text", (1, 2)])
def test_a_flow_without_effects_has_its_result(harness: Harness, result: object) -> None:
    """Nearly every request has no effects and no wait."""

    def flow() -> Flow[object]:
        yield from ()
        return result

    assert harness().run(flow()) == result


def test_each_effect_gets_its_result(harness: Harness) -> None:
    """Effects are performed in the flow's order, and each gets its own result."""

    def flow() -> Flow[list[object]]:
        answers = []
        for number in range(5):
            answers.append((yield Call(harness.function(lambda number=number: number), "function")))  # noqa: PERF401
        return answers

    assert harness().run(flow()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("error", [HttpError("x"), ValueError("x"), InterruptError("x")])
def test_an_error_of_a_flow_is_raised(harness: Harness, error: BaseException) -> None:
    """The caller gets the same exception object."""

    def flow() -> Flow[None]:
        yield ReadClock()
        raise error

    with pytest.raises(type(error)) as caught:
        harness().run(flow())
    assert caught.value is error


@pytest.mark.parametrize("error", [InterruptError(), KeyboardInterrupt(), SystemExit(3)], ids=repr)
@pytest.mark.parametrize("where", ["fetch", "call", "cache"])
def test_an_interrupt_ends_the_flow_and_is_raised(harness: Harness, error: BaseException, where: str) -> None:
    """The flow cannot handle it but is closed, so it can clean up."""

    class Cache:
        get = set = staticmethod(raising(error))

    effects: dict[str, Effect] = {
        "fetch": Fetch(REQUEST),
        "call": Call(harness.function(raising(error)), "function"),
        "cache": CacheGet("key"),
    }
    cleaned_up = []

    def flow() -> Flow[None]:
        try:
            yield effects[where]
        finally:
            cleaned_up.append(True)

    with pytest.raises(type(error)):
        harness(fetch=raising(error), cache=Cache()).run(flow())
    assert cleaned_up == [True]


# Fetch


def test_fetch_performs_an_exchange(harness: Harness) -> None:
    """Request and response are passed unchanged."""
    requests = []

    def fetch(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        return RESPONSE

    assert harness(fetch=fetch).run(ask(Fetch(REQUEST))) is RESPONSE
    assert requests == [REQUEST]


OUR_ERRORS = [
    HttpError("away", status=503),
    ConfigurationError("wrong"),
    OAuthResponseError("refused", error="invalid_client", error_description=None, status=401),
]
FOREIGN_ERRORS = [ValueError(SECRET), TimeoutError(SECRET), OSError(SECRET), KeyError(SECRET)]


@pytest.mark.parametrize("error", OUR_ERRORS)
def test_errors_of_the_library_are_unchanged(harness: Harness, error: MonoCloudError) -> None:
    """Errors of the library are returned to the flow as values, never thrown into it."""
    running = harness(fetch=raising(error))
    assert running.run(failure(Fetch(REQUEST))) == Failure(error)
    assert running.run(failure(Call(harness.function(raising(error)), "jwks_resolver"))) == Failure(error)


@pytest.mark.parametrize("error", FOREIGN_ERRORS, ids=lambda error: type(error).__name__)
def test_foreign_errors_become_http_errors(
    harness: Harness, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """To the flow a broken fetcher is an unreachable tenant; the foreign message may hold secrets and is
    dropped.
    """
    running = harness(fetch=raising(error))
    call = Call(harness.function(raising(error)), "jwks_resolver")
    for answer in running.run(failure(Fetch(REQUEST))), running.run(failure(call)):
        assert isinstance(answer, Failure)
        assert type(answer.error) is HttpError
        assert answer.error.status is None
        assert SECRET not in str(answer.error)
    assert SECRET not in caplog.text
    assert f"the jwks_resolver failed with {type(error).__name__}" in caplog.text


def test_a_function_that_runs_out_of_items_has_failed(harness: Harness) -> None:
    """A StopIteration of a function is an error, not the end of the flow."""
    running = harness(fetch=raising(StopIteration(SECRET)))
    call = Call(harness.function(raising(StopIteration(SECRET))), "jwks_resolver")
    for answer in running.run(failure(Fetch(REQUEST))), running.run(failure(call)):
        assert isinstance(answer, Failure)
        assert "failed with " in str(answer.error)


@pytest.mark.parametrize("answer", [None, b"{}", {"status": 200}, Failure(HttpError("x"))])
def test_a_fetcher_that_returns_no_response_has_failed(harness: Harness, answer: object) -> None:
    """The error says what a fetcher must return."""
    with pytest.raises(HttpError, match=f"the fetcher returned {type(answer).__name__}, not HttpResponse"):
        harness(fetch=lambda _request: answer).run(ask(Fetch(REQUEST)))


# Call and ReadClock


@pytest.mark.parametrize("result", [None, {"keys": []}, "text", ValueError("returned, not raised")])
def test_call_returns_what_the_function_returns(harness: Harness, result: object) -> None:
    """Any result is returned unchanged; the flow checks it."""
    assert harness().run(ask(Call(harness.function(lambda: result), "function"))) is result


def test_the_clock_is_read_on_demand(harness: Harness) -> None:
    """A flow that has waited gets the current time."""
    times = [Instant(1.0, 10.0), Instant(2.0, 20.0)]

    def flow() -> Flow[list[Instant]]:
        return [(yield ReadClock()), (yield ReadClock())]

    running = harness(clock=iter(times).__next__)
    assert running.run(flow()) == times


def test_a_clock_that_raises_stop_iteration_does_not_end_the_flow(harness: Harness) -> None:
    """StopIteration of a clock must not look like the result of a flow."""
    with pytest.raises((StopIteration, RuntimeError)):
        harness(clock=iter(()).__next__).run(ask(ReadClock()))


# The claims cache


class Cache:
    """A cache that records its calls."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[Mapping[str, Any], float]] = {}

    def get(self, key: str) -> Mapping[str, Any] | None:
        return self.entries[key][0] if key in self.entries else None

    def set(self, key: str, claims: Mapping[str, Any], expires_at: float) -> None:
        self.entries[key] = (claims, expires_at)

    def delete(self, key: str) -> None:
        self.entries.pop(key, None)


def test_the_cache_is_read_and_written(harness: Harness) -> None:
    """A stored value is found, and a missing entry is None."""
    cache = Cache()
    running = harness(cache=cache)
    claims = {"active": True}
    assert running.run(ask(CacheGet("key"))) is None
    assert running.run(ask(CacheSet("key", claims, 99.5))) is None
    assert cache.entries == {"key": (claims, 99.5)}
    assert running.run(ask(CacheGet("key"))) is claims
    assert running.run(ask(CacheDelete("key"))) is None
    assert running.run(ask(CacheGet("key"))) is None


@pytest.mark.parametrize("error", [GeneratorExit(SECRET), asyncio.CancelledError(SECRET)], ids=repr)
def test_a_function_that_ends_as_if_it_were_stopped_has_failed(
    harness: Harness, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Passed on, its exception would make each caller who waits lead in vain, for ever."""

    class Broken:
        get = set = delete = staticmethod(raising(error))

    running = harness(fetch=raising(error), cache=Broken())
    call = Call(harness.function(raising(error)), "jwks_resolver")
    shared_call = RunOnce("key", lambda _now: ask(call))
    for effect in Fetch(REQUEST), call, shared_call, CacheDelete("key"):
        answer = running.run(failure(effect))
        assert isinstance(answer, Failure)
        assert " failed " in str(answer.error)
        assert SECRET not in str(answer.error)
    assert running.run(failure(CacheGet("key"))) is None
    assert running.run(failure(CacheSet("key", {}, 1.0))) is None
    assert SECRET not in caplog.text


class _Unreadable(dict[str, Any]):
    """An object whose methods do not work, as that of a lazy mapping whose connection is gone."""

    def get(self, *_: Any) -> Any:
        raise KeyError(SECRET)

    def items(self) -> Any:
        raise OSError(SECRET)

    def keys(self) -> Any:
        raise OSError(SECRET)


def _nested(depth: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"active": True}
    for _ in range(depth):
        entry = {"active": True, "nested": entry}
    return entry


def _endless() -> dict[str, Any]:
    entry: dict[str, Any] = {"active": True}
    entry["itself"] = [entry]
    return entry


NOT_JSON = {
    "nested deeply": _nested(5000),
    "endless": _endless(),
    "object": UserDict({"active": True, "aud": object()}),
    "decimal": {"active": True, "exp": Decimal(1)},
    "bytes": {"active": True, "iss": b"x"},
    "set": {"active": True, "aud": {"x"}},
    "name in cnf": {"active": True, "cnf": {1: "x"}},
    "name": {"active": True, ("a",): 1},
    "unreadable": {"active": True, "cnf": _Unreadable(a=1)},
}


@pytest.mark.parametrize("entry", NOT_JSON.values(), ids=NOT_JSON)
def test_an_entry_of_a_cache_that_is_not_json_is_a_miss(
    harness: Harness, entry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a cache returns, no check of a claim ever meets it; the cache has failed, and is reported."""
    cache = Cache()
    cache.entries["key"] = (entry, 99.5)
    assert harness(cache=cache).run(failure(CacheGet("key"))) is None
    assert "the claims cache failed to get with " in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("kind", [UserDict, MappingProxyType, FrozenDict, _Unreadable])
def test_an_entry_of_a_cache_may_be_any_mapping(harness: Harness, kind: Any) -> None:
    """Its members count, and not its methods."""
    entry = {"active": True, "aud": ["a", {"b": None}], "exp": 1.5}
    cache = Cache()
    cache.entries["key"] = (kind(entry), 99.5)
    assert harness(cache=cache).run(failure(CacheGet("key"))) == entry


@pytest.mark.parametrize("error", [*OUR_ERRORS, *FOREIGN_ERRORS, StopIteration(SECRET)], ids=repr)
def test_a_cache_that_fails_is_a_miss(
    harness: Harness, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The failure is logged and the request continues."""

    class Broken:
        get = set = staticmethod(raising(error))

    running = harness(cache=Broken())
    assert running.run(failure(CacheGet("key"))) is None
    assert running.run(failure(CacheSet("key", {"sub": SECRET}, 1.0))) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.WARNING]
    assert "the claims cache failed to get with " in caplog.text
    assert "the claims cache failed to set with " in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("error", [*OUR_ERRORS, *FOREIGN_ERRORS, StopIteration(SECRET)], ids=repr)
def test_a_cache_that_cannot_delete_is_a_failure(harness: Harness, error: Exception) -> None:
    """Otherwise an entry that may still be there would look deleted."""

    class Broken:
        delete = staticmethod(raising(error))

    with pytest.raises(MonoCloudError) as caught:
        harness(cache=Broken()).run(ask(CacheDelete("key")))
    assert str(caught.value).startswith("the claims cache failed to delete with ")
    assert str(caught.value).endswith("; it may still have the token's claims")
    assert SECRET not in str(caught.value)


# RunOnce and RunOnceInBackground without concurrency; for that see test_sharing.py


def test_share_runs_what_it_starts(harness: Harness) -> None:
    """The flow starts at the current time, and again for the next caller, since results are not kept."""
    instants = [Instant(1.0, 10.0), Instant(2.0, 20.0)]
    begun = []

    def start(now: Instant) -> Flow[object]:
        begun.append(now)
        return (yield Fetch(REQUEST))

    running = harness(clock=iter(instants).__next__)
    assert running.run(shared(start)) is RESPONSE
    assert running.run(shared(start)) is RESPONSE
    assert begun == instants


def test_shares_nest(harness: Harness) -> None:
    """The flow of the key set shares that of the metadata."""

    def inner(_now: Instant) -> Flow[object]:
        return (yield Fetch(REQUEST))

    def outer(_now: Instant) -> Flow[object]:
        return (yield RunOnce("inner", inner))

    assert harness().run(shared(outer, "outer")) is RESPONSE


@pytest.mark.parametrize("error", OUR_ERRORS)
def test_an_error_of_a_shared_flow_is_a_failure(harness: Harness, error: MonoCloudError) -> None:
    """The error is a value in the flow, and each caller that raises it raises a copy."""

    def start(_now: Instant) -> Flow[None]:
        yield ReadClock()
        raise error

    answer = harness().run(failure(RunOnce("key", start)))
    assert answer == Failure(error)
    with pytest.raises(type(error)) as caught:
        harness().run(shared(start))
    assert caught.value is not error
    assert (str(caught.value), vars(caught.value)) == (str(error), vars(error))


@pytest.mark.parametrize(
    "defect", [ValueError(SECRET), StopIteration(SECRET), RecursionError(SECRET)], ids=repr
)
def test_a_defect_in_a_shared_flow_is_a_failure_too(
    harness: Harness, defect: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Waiting callers get the failure, whether it happens at the start of the flow or later."""

    def start(_now: Instant) -> Flow[None]:
        raise defect

    def flow(_now: Instant) -> Flow[None]:
        yield ReadClock()
        raise defect

    for begin in start, flow:
        answer = harness().run(failure(RunOnce("key", begin)))
        assert isinstance(answer, Failure)
        assert type(answer.error) is MonoCloudError
        assert "a shared flow failed with " in str(answer.error)
        assert SECRET not in str(answer.error)
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.ERROR]
    assert SECRET not in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_an_interrupted_leader_leaves_nothing_behind(harness: Harness, error: BaseException) -> None:
    """The next caller starts a new run at once."""
    running = harness(fetch=raising(error))
    with pytest.raises(type(error)):
        running.run(shared(lambda _now: ask(Fetch(REQUEST))))
    assert running.driver._runs._runs == {}
    assert running.run(shared(lambda now: ask(ReadClock()))) == NOW


def test_an_interrupt_of_a_leader(harness: Harness) -> None:
    """In a thread that leads, it is raised; in a task that leads for others, it becomes a failure."""
    running = harness(fetch=raising(InterruptError()))
    with pytest.raises((InterruptError, MonoCloudError)):
        running.run(shared(lambda _now: ask(Fetch(REQUEST))))
    assert running.driver._runs._runs == {}


def test_background_runs_return_none(harness: Harness) -> None:
    """The background run completes, and its result is dropped."""
    done = []

    def start(now: Instant) -> Flow[str]:
        yield Fetch(REQUEST)
        done.append(now)
        return "result"

    running = harness()
    assert running.run(failure(RunOnceInBackground("key", start))) is None
    assert done == [NOW]
    assert running.driver._runs._runs == {}


@pytest.mark.parametrize("error", [HttpError("x"), ValueError("x")])
def test_a_failure_in_the_background_is_not_raised(harness: Harness, error: Exception) -> None:
    """The failure is not raised; a later caller tries again."""

    def start(_now: Instant) -> Flow[None]:
        yield ReadClock()
        raise error

    running = harness()
    assert running.run(failure(RunOnceInBackground("key", start))) is None
    assert running.driver._runs._runs == {}
