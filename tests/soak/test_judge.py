"""The checker of a run: what it accepts and what it reports."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from .durations import Durations
from .judge import Evidence, judge
from .mint import Generation
from .traffic import KINDS, Sample
from .weather import Storm, Weather

DURATIONS = Durations(lifetime=10.0, max_stale=100.0, cooldown=2.0, response_timeout=1.0)
SETTLE = DURATIONS.settle
STORM = Storm("down", 1000.0, 1050.0)
CALM, IN_STORM, GONE = 500.0, 1020.0, 1220.0
LONG_STORM = Storm("down", 1100.0, 1300.0)
HEADERS = {
    200: {},
    400: {"www-authenticate": "Bearer"},
    401: {"www-authenticate": "Bearer"},
    403: {"www-authenticate": "Bearer"},
    503: {"retry-after": "30"},
}


def sample_of(kind: str, status: int, began: float, **more: Any) -> Sample:
    """Return a request that took a moment."""
    settings: dict[str, Any] = {
        "generation": 0,
        "ended": began + 0.01,
        "headers": HEADERS.get(status, {}),
    } | more
    return Sample(kind=kind, server="ASGI", began=began, status=status, **settings)


def evidence_of(*samples: Sample, **more: Any) -> Evidence:
    """Return a run of which nothing else is to be said."""
    settings: dict[str, Any] = {
        "storms": [STORM],
        "generations": [Generation(0.0)],
        "memory": {},
        "documents_asked": 0,
    }
    return Evidence(durations=DURATIONS, samples=samples, **settings | more)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("began", [CALM, IN_STORM, STORM.ended + 0.1, STORM.ended + SETTLE + 0.1])
def test_responses_that_are_always_allowed(kind: str, began: float) -> None:
    """The response for a tenant without faults is always allowed."""
    assert judge(evidence_of(sample_of(kind, KINDS[kind].status, began))) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [0, 200, 400, 401, 403, 404, 500, 502])
def test_responses_that_are_never_allowed(kind: str, status: int) -> None:
    """Without faults any other response is reported, and a missing one too."""
    if status != KINDS[kind].status:
        expected = "no response" if status == 0 else f"{status} instead of {KINDS[kind].status}"
        assert judge(evidence_of(sample_of(kind, status, CALM))) == [f"1 x ASGI: {kind}: {expected}"]


@pytest.mark.parametrize(
    ("kind", "began", "storm", "right"),
    [
        ("opaque", CALM, STORM, False),
        ("opaque", IN_STORM, STORM, True),
        ("opaque", STORM.ended + SETTLE - 0.1, STORM, True),
        ("opaque", STORM.ended + SETTLE + 0.1, STORM, False),
        ("opaque, unknown", IN_STORM, STORM, True),
        ("good", IN_STORM, STORM, False),  # keys serve on
        ("forged", IN_STORM, STORM, True),  # it is unknown whether its key is new
        ("forged", STORM.ended + SETTLE + DURATIONS.cooldown + 0.1, STORM, False),
        ("impostor", IN_STORM, STORM, False),
        ("good", GONE, LONG_STORM, True),  # for max_stale, and not longer
        ("good", LONG_STORM.began + DURATIONS.max_stale - 1, LONG_STORM, False),
        ("forged", GONE, LONG_STORM, True),
        ("no token", GONE, LONG_STORM, False),
        ("public", GONE, LONG_STORM, False),
        ("garbage", GONE, LONG_STORM, False),
    ],
)
def test_when_a_503_is_allowed(kind: str, began: float, storm: Storm, right: bool) -> None:
    """For opaque tokens in an outage, and for JWTs in one that is longer than keys may serve."""
    complaints = judge(evidence_of(sample_of(kind, 503, began), storms=[storm]))
    assert complaints == ([] if right else [f"1 x ASGI: {kind}: 503 instead of {KINDS[kind].status}"])


@pytest.mark.parametrize(
    ("generation", "began", "status", "right"),
    [
        (Generation(CALM - 0.1), CALM, 401, True),  # brand-new, in a flood of forged keys
        (Generation(CALM - SETTLE - DURATIONS.cooldown - 0.1), CALM, 401, False),
        (Generation(STORM.began - 1), IN_STORM, 401, True),  # its key could not be fetched
        (Generation(STORM.began - SETTLE - DURATIONS.cooldown - 0.1), IN_STORM, 401, False),
        (Generation(0.0, withdrawn=STORM.began - SETTLE - DURATIONS.lifetime - 1), IN_STORM, 200, False),
        (Generation(0.0, withdrawn=CALM - 1), CALM, 200, True),  # before the next refresh
        (Generation(0.0, withdrawn=CALM - 1), CALM, 401, True),
        (Generation(0.0, withdrawn=CALM - SETTLE - DURATIONS.lifetime - 1), CALM, 200, False),
        (Generation(0.0, withdrawn=STORM.began + 1), STORM.ended + 1, 200, True),  # it could not be known
    ],
)
def test_when_a_key_counts(generation: Generation, began: float, status: int, right: bool) -> None:
    """A new key from its first refresh on, a withdrawn one until the next refresh."""
    complaints = judge(evidence_of(sample_of("good", status, began), generations=[generation]))
    assert (complaints == []) is right


def test_a_slow_response_is_named() -> None:
    """It is reported whatever its status and the tenant's state."""
    slow = sample_of("good", 200, IN_STORM, ended=IN_STORM + DURATIONS.bound + 0.1)
    assert judge(evidence_of(slow)) == [f"1 x ASGI: good: longer than {DURATIONS.bound:g} s"]


@pytest.mark.parametrize(
    ("kind", "status", "complaint"),
    [
        ("opaque", 503, "503 without Retry-After"),
        ("forged", 401, "401 without a challenge"),
        ("missing scope", 403, "403 without a challenge"),
        ("malformed header", 400, "400 without a challenge"),
    ],
)
def test_a_missing_header_is_named(kind: str, status: int, complaint: str) -> None:
    """The headers are checked as well as the status."""
    assert judge(evidence_of(sample_of(kind, status, IN_STORM, headers={}))) == [
        f"1 x ASGI: {kind}: {complaint}"
    ]


def test_growing_memory_is_named() -> None:
    """A leak of some MiB is reported; the memory of start-up is not."""
    good = sample_of("good", 200, CALM)
    start = [(moment, 10.0 + moment) for moment in range(40)]
    flat = [*start, *((40.0 + moment, 50.0) for moment in range(60))]
    leak = [*start, *((40.0 + moment, 50.0 + moment / 4) for moment in range(60))]
    assert judge(evidence_of(good, memory={"ASGI": flat, "WSGI": []})) == []
    assert judge(evidence_of(good, memory={"ASGI": leak})) == ["1 x ASGI: memory grew from 52 to 62 MiB"]


def test_a_flooded_tenant_is_named() -> None:
    """Forged keys and failures may not become requests to the tenant."""
    samples = [sample_of("good", 200, CALM), sample_of("good", 200, CALM + 20)]
    assert judge(evidence_of(*samples, documents_asked=27)) == []
    assert judge(evidence_of(*samples, documents_asked=30)) == [
        "1 x the tenant was asked for 30 documents, and 28 would do"
    ]


def test_a_run_without_traffic_is_reported() -> None:
    """A run without requests is reported."""
    assert judge(evidence_of()) == ["1 x there was no traffic"]


def test_complaints_are_counted() -> None:
    """The most frequent complaint is first."""
    few, many = sample_of("good", 401, CALM), sample_of("good", 500, CALM)
    assert judge(evidence_of(few, many, attrs.evolve(many))) == [
        "2 x ASGI: good: 500 instead of 200",
        "1 x ASGI: good: 401 instead of 200",
    ]


def test_weather() -> None:
    """Storms with too little calm between them are one, and overlapping ones as well."""
    weather = Weather(
        [Storm("a", 10, 20), Storm("b", 12, 15), Storm("c", 24, 30), Storm("d", 60, 70)], settle=5
    )
    assert weather.calm_before(9, 9.5) == float("inf")
    assert weather.calm_before(9, 11) == 0
    assert weather.calm_before(22, 23) == 0
    assert weather.calm_before(40, 41) == 10
    assert weather.longest_calm(0, 26) == 10
    assert weather.longest_calm(11, 26) == 0
    assert weather.longest_calm(25, 90) == 30
    assert weather.longest_calm(31, 33) == 2
    assert weather.longest_calm(33, 31) == 0
    assert weather.away_until(26, 5) == 16
    assert weather.away_until(34, 5) == 24
    assert weather.away_until(36, 5) == 0
