"""Ages, pauses and waiting times, at and beside every limit."""

from __future__ import annotations

import math

import pytest

from monocloud_mw.core.effects import Instant
from monocloud_mw.core.tenant.refresh_policy import Age, RefreshPolicy, elapsed, is_late

BEGAN = Instant(unix=1_700_000_000.0, monotonic=1000.0)
POLICY = RefreshPolicy(lifetime=100.0, max_stale=200.0, cooldown=30.0, load_timeout=20.0)


def after(monotonic: float, unix: float | None = None) -> Instant:
    """Return a later instant; both clocks advance alike unless the second is given."""
    return Instant(BEGAN.unix + (monotonic if unix is None else unix), BEGAN.monotonic + monotonic)


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (0.0, Age.FRESH),
        (79.999, Age.FRESH),
        (80.0, Age.DUE),
        (99.999, Age.DUE),
        (100.0, Age.STALE),
        (299.999, Age.STALE),
        (300.0, Age.GONE),
        (1e9, Age.GONE),
    ],
)
def test_the_ages(seconds: float, age: Age) -> None:
    """Each age begins where the last one ends, by either clock."""
    assert POLICY.age(BEGAN, after(seconds)) is age
    assert POLICY.age(BEGAN, after(seconds, unix=0.0)) is age
    assert POLICY.age(BEGAN, after(0.0, unix=seconds)) is age


@pytest.mark.parametrize(
    ("monotonic", "unix", "expected"),
    [
        (10.0, 10.0, 10.0),
        (10.0, 200_000.0, 200_000.0),
        (10.0, -200_000.0, 10.0),
        (0.0, -5.0, 0.0),
        (-1.0, 5.0, 5.0),
    ],
    ids=["together", "suspended", "set back", "set back at once", "restored snapshot"],
)
def test_the_clock_that_says_more_counts(monotonic: float, unix: float, expected: float) -> None:
    """Neither a stopped clock nor one that is set back makes a document younger."""
    assert elapsed(BEGAN, after(monotonic, unix)) == expected


@pytest.mark.parametrize(("seconds", "runs"), [(0.0, True), (19.999, True), (20.0, False), (1e9, False)])
def test_a_load_may_run_for_so_long(seconds: float, runs: bool) -> None:
    """An older load without a result was interrupted."""
    assert POLICY.may_run(BEGAN, after(seconds)) is runs
    assert POLICY.may_run(BEGAN, after(0.0, unix=seconds)) is runs


@pytest.mark.parametrize(
    ("timeout", "seconds", "late"),
    [
        (10.0, 10.2, False),
        (10.0, 15.0, False),
        (10.0, 15.1, True),
        (0.5, 1.5, False),
        (0.5, 1.6, True),
        (0.0, 0.9, False),
    ],
)
def test_late_is_far_past_a_timeout(timeout: float, seconds: float, late: bool) -> None:
    """A busy machine is a little late; one that is this late was stopped."""
    assert is_late(BEGAN, after(seconds), timeout) is late
    assert is_late(BEGAN, after(0.0, unix=seconds), timeout) is late


@pytest.mark.parametrize(
    ("interrupted", "wait"), [(0, 1.0), (1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 20.0), (10**6, 20.0)]
)
def test_a_request_waits_longer_the_more_attempts_were_interrupted(interrupted: int, wait: float) -> None:
    """The wait grows up to the load timeout; it is at least a second."""
    assert POLICY.short_wait(interrupted) == wait
    impatient = RefreshPolicy(lifetime=1.0, max_stale=1.0, cooldown=1.0, load_timeout=0.1)
    assert impatient.short_wait(interrupted) == 1.0


@pytest.mark.parametrize(
    ("failures", "pause"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 16.0), (6, 30.0), (10**6, 30.0)]
)
def test_with_nothing_to_serve_pauses_double(failures: int, pause: float) -> None:
    """Pauses double up to the cool-down, which is the pause while a document can be served."""
    assert POLICY.pause(BEGAN, failures, None, servable=False) == pause
    assert POLICY.pause(BEGAN, failures, None, servable=True) == 30.0


@pytest.mark.parametrize("cooldown", [0.0, 0.5, 1.0])
def test_a_short_cooldown_is_the_pause(cooldown: float) -> None:
    """A cool-down below a second is the pause."""
    policy = RefreshPolicy(lifetime=1.0, max_stale=1.0, cooldown=cooldown, load_timeout=1.0)
    assert policy.pause(BEGAN, 1, None, servable=False) == cooldown


def test_pauses_differ_from_one_process_to_the_next() -> None:
    """Pauses vary by up to a fifth, so that processes do not retry together; they never exceed the cool-
    down.
    """
    moments = [Instant(BEGAN.unix + number / 7919.0, 0.0) for number in range(100)]
    pauses = [POLICY.pause(moment, 3, None, servable=False) for moment in moments]
    assert len(set(pauses)) > 90
    assert 3.2 <= min(pauses) < 3.3 < 3.9 < max(pauses) <= 4.0
    assert {POLICY.pause(moment, 9, None, servable=False) for moment in moments} == {30.0}


@pytest.mark.parametrize(("retry_after", "pause"), [(None, 1.0), (0.5, 1.0), (7.0, 7.0), (300.0, 300.0)])
def test_a_longer_retry_after_counts(retry_after: float | None, pause: float) -> None:
    """The tenant's Retry-After is used if it is longer (RFC 9110 section 10.2.3)."""
    assert POLICY.pause(BEGAN, 1, retry_after, servable=False) == pause
    assert POLICY.pause(BEGAN, 1, retry_after, servable=True) == max(pause, 30.0)


@pytest.mark.parametrize(
    ("lifetime", "seconds", "current"),
    [(100.0, 99.9, True), (100.0, 100.0, False), (0.0, 0.0, True), (0.0, 50.0, True)],
)
def test_what_may_be_served_to_who_has_waited(lifetime: float, seconds: float, current: bool) -> None:
    """A current document is used; if none is ever current, any document is."""
    policy = RefreshPolicy(lifetime=lifetime, max_stale=0.0, cooldown=1.0, load_timeout=1.0)
    assert policy.is_current(BEGAN, after(seconds)) is current


def test_fresh_until_is_by_each_clock() -> None:
    """The instant at which a document stops being fresh, by each clock."""
    assert POLICY.fresh_until(BEGAN) == after(80.0)
    assert math.isinf(
        RefreshPolicy(lifetime=math.inf, max_stale=0.0, cooldown=1.0, load_timeout=1.0)
        .fresh_until(BEGAN)
        .unix
    )
