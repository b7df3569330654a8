"""The system clock: both clocks read together."""

from __future__ import annotations

import time

from monocloud_mw.core.effects import Instant
from monocloud_mw.drivers.clock import system_clock


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
