"""Figures are compared within a round, and the order changes from round to round."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .harness import Measurement, compare


def test_ratios_and_differences_are_taken_round_by_round() -> None:
    """A machine that is slow for a while slows both down, so the ratio stays the same."""
    ours, theirs = Measurement("ours", (2.0, 20.0, 3.0)), Measurement("theirs", (1.0, 10.0, 1.0))
    assert ours.over(theirs).samples == (2.0, 2.0, 3.0)
    assert ours.over(theirs).median == 2.0
    assert ours.less(theirs, "more").samples == (1.0, 10.0, 2.0)


def test_spread_is_given_as_quartiles() -> None:
    """One figure has no spread; several have a first and a third quartile."""
    assert Measurement("one", (7.0,)).spread == (7.0, 7.0)
    assert Measurement("five", (1.0, 2.0, 3.0, 4.0, 5.0)).spread == (2.0, 4.0)


def test_rounds_are_interleaved() -> None:
    """Each contender is timed once per round; the first one is the last of the next round."""
    turns: list[str] = []

    def work(name: str, seconds: float) -> Callable[[int], float]:
        def run(times: int) -> float:
            turns.append(name)
            return seconds * times

        return run

    found = compare({"slow": work("slow", 0.01), "quick": work("quick", 0.001)}, rounds=2)
    assert turns[-4:] == ["slow", "quick", "quick", "slow"]
    assert found["slow"].samples == pytest.approx((0.01, 0.01))
    assert found["quick"].samples == pytest.approx((0.001, 0.001))


def test_the_first_call_is_not_measured() -> None:
    """A slow first call, which may load keys, does not make the rounds short."""
    calls: list[int] = []

    def run(times: int) -> float:
        calls.append(times)
        return 60.0 if len(calls) == 1 else 0.001 * times

    compare({"slow at first": run}, rounds=1)
    assert calls[-1] == 30
