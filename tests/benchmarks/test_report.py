"""The goals, the limits of CI, and their format."""

from __future__ import annotations

import pytest

from .harness import Measurement
from .report import Bar, Section, render_section, render_value


def _ratio(*samples: float) -> Measurement:
    return Measurement("", samples, "x")


@pytest.mark.parametrize(
    ("bar", "met", "tolerated"),
    [
        (Bar.at_most(2, "", _ratio(1, 2, 9), guard=3), True, True),
        (Bar.at_most(2, "", _ratio(2.5, 2.6, 2.7), guard=3), False, True),
        (Bar.at_most(2, "", _ratio(2.9, 8, 9), guard=3), False, True),  # one good round
        (Bar.at_most(2, "", _ratio(3.1, 3.2, 3.3), guard=3), False, False),
        (Bar.at_most(2, "", _ratio(9, 9, 9)), False, True),  # CI has no limit
        (Bar.at_least(2, "", _ratio(1, 2, 9), guard=1.5), True, True),
        (Bar.at_least(2, "", _ratio(1, 1, 1.6), guard=1.5), False, True),
        (Bar.at_least(2, "", _ratio(1, 1.1, 1.4), guard=1.5), False, False),
    ],
)
def test_the_median_decides_what_is_met_and_the_best_round_what_is_tolerated(
    bar: Bar, met: bool, tolerated: bool
) -> None:
    """Goals apply to the median; CI fails only if the best round misses its limit."""
    assert (bar.met, bar.tolerated) == (met, tolerated)


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (0.0000123, "s", "12.3 us"),
        (0.05, "s", "50 ms"),
        (1.0, "s", "1 s"),
        (3.5 * 2**20, "B", "3.5 MiB"),
        (12345.6, "requests/s", "12,346 requests/s"),
        (1.234, "x", "1.23 x"),
        (250_000.0, "", "250,000"),
    ],
)
def test_figures_get_a_unit_of_their_size(value: float, unit: str, written: str) -> None:
    """Figures have three digits, in a suitable unit."""
    assert render_value(value, unit) == written


def test_a_table_shows_ratios_to_its_first_line_and_says_what_was_missed() -> None:
    """Each figure is shown with its ratio; a check shows the best round and the limit instead."""
    bare, ours = Measurement("bare", (1e-6, 1e-6)), Measurement("ours", (2e-6, 4e-6))
    bars = (
        Bar.at_most(2, "ours to bare", ours.over(bare), guard=2.5),
        Bar.at_most(1, "no limit in CI", bare),
    )
    section = Section(name="work", title="work", measurements=(bare, ours), bars=bars)
    lines = [line.split() for line in render_section(section)]
    assert ["ours", "3", "us", "2.5", "-", "3.5", "3.00"] in lines
    assert ["MISS", *["ours", "to", "bare:", "3", "x", "(at", "most", "2", "x)"]] in lines
    checked = [line.split() for line in render_section(section, check=True)]
    assert checked[-1] == ["ok", *["ours", "to", "bare:", "2", "x", "(at", "most", "2.5", "x)"]]
