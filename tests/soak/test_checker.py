"""The checker of a run: what it accepts and what it reports."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from .checker import Observations, find_problems
from .durations import Durations
from .fault_periods import FaultPeriod
from .tokens import Generation
from .traffic import KINDS, Sample

DURATIONS = Durations(lifetime=10.0, max_stale=100.0, cooldown=2.0, response_timeout=1.0)
SETTLE = DURATIONS.settle
FAULT = FaultPeriod("down", 1000.0, 1050.0)
HEALTHY, IN_FAULT, GONE = 500.0, 1020.0, 1220.0
LONG_FAULT = FaultPeriod("down", 1100.0, 1300.0)
HEADERS = {
    200: {},
    400: {"www-authenticate": "Bearer"},
    401: {"www-authenticate": "Bearer"},
    403: {"www-authenticate": "Bearer"},
    503: {"retry-after": "30"},
}


def sample_of(kind: str, status: int, began: float, **more: Any) -> Sample:
    """Return a request that took 10 ms."""
    settings: dict[str, Any] = {
        "generation": 0,
        "ended": began + 0.01,
        "headers": HEADERS.get(status, {}),
    } | more
    return Sample(kind=kind, server="ASGI", began=began, status=status, **settings)


def observations_of(*samples: Sample, **more: Any) -> Observations:
    """Return the observations of a run without other problems."""
    settings: dict[str, Any] = {
        "faults": [FAULT],
        "generations": [Generation(0.0)],
        "memory": {},
        "documents_asked": 0,
    }
    return Observations(durations=DURATIONS, samples=samples, **settings | more)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("began", [HEALTHY, IN_FAULT, FAULT.ended + 0.1, FAULT.ended + SETTLE + 0.1])
def test_responses_that_are_always_allowed(kind: str, began: float) -> None:
    """The response for a tenant without faults is always allowed."""
    assert find_problems(observations_of(sample_of(kind, KINDS[kind].status, began))) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [0, 200, 400, 401, 403, 404, 500, 502])
def test_responses_that_are_never_allowed(kind: str, status: int) -> None:
    """Without faults any other response is reported, and a missing one too."""
    if status != KINDS[kind].status:
        expected = "no response" if status == 0 else f"{status} instead of {KINDS[kind].status}"
        assert find_problems(observations_of(sample_of(kind, status, HEALTHY))) == [
            f"1 x ASGI: {kind}: {expected}"
        ]


@pytest.mark.parametrize(
    ("kind", "began", "fault", "right"),
    [
        ("opaque", HEALTHY, FAULT, False),
        ("opaque", IN_FAULT, FAULT, True),
        ("opaque", FAULT.ended + SETTLE - 0.1, FAULT, True),
        ("opaque", FAULT.ended + SETTLE + 0.1, FAULT, False),
        ("opaque, unknown", IN_FAULT, FAULT, True),
        ("good", IN_FAULT, FAULT, False),  # keys are used until max_stale
        ("forged", IN_FAULT, FAULT, True),  # it is unknown whether its key is new
        ("forged", FAULT.ended + SETTLE + DURATIONS.cooldown + 0.1, FAULT, False),
        ("impostor", IN_FAULT, FAULT, False),
        ("good", GONE, LONG_FAULT, True),  # for max_stale, and not longer
        ("good", LONG_FAULT.began + DURATIONS.max_stale - 1, LONG_FAULT, False),
        ("forged", GONE, LONG_FAULT, True),
        ("no token", GONE, LONG_FAULT, False),
        ("public", GONE, LONG_FAULT, False),
        ("garbage", GONE, LONG_FAULT, False),
    ],
)
def test_when_a_503_is_allowed(kind: str, began: float, fault: FaultPeriod, right: bool) -> None:
    """For opaque tokens in an outage, and for JWTs in an outage longer than max_stale."""
    problems = find_problems(observations_of(sample_of(kind, 503, began), faults=[fault]))
    assert problems == ([] if right else [f"1 x ASGI: {kind}: 503 instead of {KINDS[kind].status}"])


@pytest.mark.parametrize(
    ("generation", "began", "status", "right"),
    [
        (Generation(HEALTHY - 0.1), HEALTHY, 401, True),  # brand-new, in a flood of forged keys
        (Generation(HEALTHY - SETTLE - DURATIONS.cooldown - 0.1), HEALTHY, 401, False),
        (Generation(FAULT.began - 1), IN_FAULT, 401, True),  # its key could not be fetched
        (Generation(FAULT.began - SETTLE - DURATIONS.cooldown - 0.1), IN_FAULT, 401, False),
        (Generation(0.0, withdrawn=FAULT.began - SETTLE - DURATIONS.lifetime - 1), IN_FAULT, 200, False),
        (Generation(0.0, withdrawn=HEALTHY - 1), HEALTHY, 200, True),  # before the next refresh
        (Generation(0.0, withdrawn=HEALTHY - 1), HEALTHY, 401, True),
        (Generation(0.0, withdrawn=HEALTHY - SETTLE - DURATIONS.lifetime - 1), HEALTHY, 200, False),
        (Generation(0.0, withdrawn=FAULT.began + 1), FAULT.ended + 1, 200, True),  # it could not be known
    ],
)
def test_when_a_key_counts(generation: Generation, began: float, status: int, right: bool) -> None:
    """A new key counts from the first refresh on, a withdrawn one until the next refresh."""
    problems = find_problems(observations_of(sample_of("good", status, began), generations=[generation]))
    assert (problems == []) is right


@pytest.mark.parametrize(
    ("others", "right"),
    [
        ([("forged", -0.015), ("forged", -0.008)], True),
        ([("impostor", -0.015), ("forged", -0.008)], True),
        ([("good", -0.015), ("forged", -0.008)], False),  # its key is known
        ([("withdrawn", -0.015), ("withdrawn", -0.008)], True),
        ([("forged", -0.008)], False),  # one load, and the request waits for it
        ([("forged", -0.03), ("forged", -0.008)], False),  # the first load had ended
        ([("forged", -0.03), ("forged", -0.02)], False),  # both had ended
        ([("garbage", -0.015), ("opaque", -0.008)], False),
    ],
)
def test_a_503_during_the_second_load_of_a_cool_down(others: list[tuple[str, float]], right: bool) -> None:
    """Two other requests for unknown keys, one after the other and overlapping, may cause two loads."""
    generations = [Generation(0.0), Generation(0.0, withdrawn=1.0)]
    samples = [
        sample_of("good", 401, HEALTHY + moment, generation=1)
        if kind == "withdrawn"
        else sample_of(kind, KINDS[kind].status, HEALTHY + moment)
        for kind, moment in others
    ]
    observations = observations_of(*samples, sample_of("forged", 503, HEALTHY), generations=generations)
    assert (find_problems(observations) == []) is right


def test_a_slow_response_is_named() -> None:
    """It is reported whatever its status and the tenant's state."""
    slow = sample_of("good", 200, IN_FAULT, ended=IN_FAULT + DURATIONS.bound + 0.1)
    assert find_problems(observations_of(slow)) == [f"1 x ASGI: good: longer than {DURATIONS.bound:g} s"]


@pytest.mark.parametrize(
    ("kind", "status", "problem"),
    [
        ("opaque", 503, "503 without Retry-After"),
        ("forged", 401, "401 without a challenge"),
        ("missing scope", 403, "403 without a challenge"),
        ("malformed header", 400, "400 without a challenge"),
    ],
)
def test_a_missing_header_is_named(kind: str, status: int, problem: str) -> None:
    """The headers are checked as well as the status."""
    assert find_problems(observations_of(sample_of(kind, status, IN_FAULT, headers={}))) == [
        f"1 x ASGI: {kind}: {problem}"
    ]


def test_growing_memory_is_named() -> None:
    """A leak of some MiB is reported; the memory of start-up is not."""
    good = sample_of("good", 200, HEALTHY)
    start = [(moment, 10.0 + moment) for moment in range(40)]
    flat = [*start, *((40.0 + moment, 50.0) for moment in range(60))]
    leak = [*start, *((40.0 + moment, 50.0 + moment / 4) for moment in range(60))]
    assert find_problems(observations_of(good, memory={"ASGI": flat, "WSGI": []})) == []
    assert find_problems(observations_of(good, memory={"ASGI": leak})) == [
        "1 x ASGI: memory grew from 52 to 62 MiB"
    ]


def test_a_flooded_tenant_is_named() -> None:
    """Forged keys and failures may not become requests to the tenant."""
    samples = [sample_of("good", 200, HEALTHY), sample_of("good", 200, HEALTHY + 20)]
    assert find_problems(observations_of(*samples, documents_asked=27)) == []
    assert find_problems(observations_of(*samples, documents_asked=30)) == [
        "1 x 30 requests for documents, at most 28 are allowed"
    ]


def test_a_run_without_traffic_is_reported() -> None:
    """A run without requests is reported."""
    assert find_problems(observations_of()) == ["1 x no requests were sent"]


def test_problems_are_counted() -> None:
    """The most frequent problem is first."""
    few, many = sample_of("good", 401, HEALTHY), sample_of("good", 500, HEALTHY)
    assert find_problems(observations_of(few, many, attrs.evolve(many))) == [
        "2 x ASGI: good: 500 instead of 200",
        "1 x ASGI: good: 401 instead of 200",
    ]
