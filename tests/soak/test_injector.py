"""The plan of a run: it follows from its seed, and leaves time to see that all is well again."""

from __future__ import annotations

import pytest

from .durations import LONG, SHORT, Durations
from .injector import FAULTS, plan_of


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("seconds", "durations"), [(14.0, SHORT), (180.0, LONG)])
def test_a_plan_lasts_about_as_long_as_asked_for(seed: int, seconds: float, durations: Durations) -> None:
    """It has at least two faults, and ends with a rotation and enough calm."""
    plan = plan_of(seed, seconds, durations)
    length = sum(step.storm_seconds + step.calm_seconds for step in plan)
    assert 0.9 * seconds < length < 1.2 * seconds + durations.settle
    assert len(plan) >= 2
    assert plan[-1].rotation == "withdraw"
    assert plan[-1].calm_seconds * 2 / 3 > durations.settle + durations.lifetime


def test_the_same_seed_is_the_same_plan() -> None:
    """And another one is another."""
    assert plan_of(1, 60.0, LONG) == plan_of(1, 60.0, LONG) != plan_of(2, 60.0, LONG)


def test_a_long_run_tries_every_fault() -> None:
    """Each once before any comes again."""
    names = [step.fault for step in plan_of(1, 3600.0, LONG)]
    assert set(names[: len(FAULTS)]) == set(FAULTS)
