"""Durations as text."""

from __future__ import annotations

import pytest

from monocloud_mw.durations import describe_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1e-7, "0 seconds"),
        (90.5, "90.5 seconds"),
        (119.9994, "119.999 seconds"),
        (120, "2 minutes"),
        (7199, "120 minutes"),
        (7200, "2 hours"),
        (86400, "24 hours"),
        (218053000, "2524 days"),
        (86399999999, "1000000 days"),
        (1e12, "more than 1000000 days"),
        (1e300, "more than 1000000 days"),
    ],
)
def test_a_duration_is_in_a_unit_that_fits(seconds: float, text: str) -> None:
    """No duration is written with an exponent, or with more digits than are read."""
    assert describe_duration(seconds) == text
