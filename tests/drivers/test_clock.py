"""The system clock: both clocks read together."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from monocloud_mw.core.effects import Instant
from monocloud_mw.drivers.clock import system_clock
from monocloud_mw.errors import ConfigurationError


def test_the_system_clock_reads_both_clocks() -> None:
    """Wall time for claims, monotonic time for freshness."""
    before = Instant(time.time(), time.monotonic())
    now = system_clock()()
    after = Instant(time.time(), time.monotonic())
    assert before.unix <= now.unix <= after.unix
    assert before.monotonic <= now.monotonic <= after.monotonic


def test_the_wall_time_can_be_replaced() -> None:
    """Freshness still uses the system's monotonic time, which cannot be set back."""
    times = iter([1.0, 2.0])
    read = system_clock(lambda: next(times))
    first, second = read(), read()
    assert (first.unix, second.unix) == (1.0, 2.0)
    assert first.monotonic <= second.monotonic


@pytest.mark.parametrize(
    "seconds",
    [None, "5", math.nan, math.inf, -math.inf, 10**400, b"5"],
    ids=lambda seconds: type(seconds).__name__,
)
def test_a_clock_that_returns_no_time_is_a_mistake(seconds: Any) -> None:
    """No check of a date ever meets it."""
    with pytest.raises(ConfigurationError, match=r"^clock: must return Unix seconds, not this "):
        system_clock(lambda: seconds)()


def test_a_clock_that_raises_is_a_mistake() -> None:
    """Its exception does not leave the package, since its message may say anything."""

    def fail() -> float:
        raise ValueError("canary")

    with pytest.raises(ConfigurationError, match=r"^clock: raised ValueError$"):
        system_clock(fail)()
