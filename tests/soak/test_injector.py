"""The plan of a run depends on its seed only, and ends without faults."""

from __future__ import annotations

import pytest

from .durations import LONG, SHORT, Durations
from .injector import FAULTS, plan_of


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("seconds", "durations"), [(14.0, SHORT), (180.0, LONG)])
def test_a_plan_lasts_about_as_long_as_asked_for(seed: int, seconds: float, durations: Durations) -> None:
    """It has at least two faults, and ends with a rotation and enough time without faults."""
    plan = plan_of(seed, seconds, durations)
    length = sum(step.fault_seconds + step.healthy_seconds for step in plan)
    assert 0.9 * seconds < length < 1.2 * seconds + durations.settle
    assert len(plan) >= 2
    assert plan[-1].rotation == "withdraw"
    assert plan[-1].healthy_seconds * 2 / 3 > durations.settle + durations.lifetime


def test_the_same_seed_is_the_same_plan() -> None:
    """Another seed gives another plan."""
    assert plan_of(1, 60.0, LONG) == plan_of(1, 60.0, LONG) != plan_of(2, 60.0, LONG)


def test_a_long_run_tries_every_fault() -> None:
    """Each fault is injected once before any is repeated."""
    names = [step.fault for step in plan_of(1, 3600.0, LONG)]
    assert set(names[: len(FAULTS)]) == set(FAULTS)
