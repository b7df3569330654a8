"""Periods with faults: merged, and the time between them."""

from __future__ import annotations

from .fault_periods import FaultPeriod, FaultPeriods


def test_periods_are_merged() -> None:
    """Periods that overlap, or have too little time between them, are one."""
    faults = FaultPeriods(
        [
            FaultPeriod("a", 10, 20),
            FaultPeriod("b", 12, 15),
            FaultPeriod("c", 24, 30),
            FaultPeriod("d", 60, 70),
        ],
        settle=5,
    )
    assert faults.healthy_before(9, 9.5) == float("inf")
    assert faults.healthy_before(9, 11) == 0
    assert faults.healthy_before(22, 23) == 0
    assert faults.healthy_before(40, 41) == 10
    assert faults.longest_healthy(0, 26) == 10
    assert faults.longest_healthy(11, 26) == 0
    assert faults.longest_healthy(25, 90) == 30
    assert faults.longest_healthy(31, 33) == 2
    assert faults.longest_healthy(33, 31) == 0
    assert faults.faulty_for(26, 5) == 16
    assert faults.faulty_for(34, 5) == 24
    assert faults.faulty_for(36, 5) == 0
