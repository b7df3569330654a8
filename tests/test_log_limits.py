"""Limiting repeated log records."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from monocloud_mw.log_limits import BURST, MAX_KINDS, REFILL_SECONDS, LimitedLog, RecordAllowance


def test_the_first_records_are_written_and_then_one_at_a_time() -> None:
    """After the burst, one record per interval has the number of records left out."""
    allowance = RecordAllowance()
    assert [allowance.take(100.0) for _ in range(BURST + 3)] == [0] * BURST + [None] * 3
    assert allowance.take(100.0 + REFILL_SECONDS / 2) is None
    assert allowance.take(100.0 + REFILL_SECONDS) == 4
    assert allowance.take(100.0 + REFILL_SECONDS) is None


def test_a_pause_restores_the_allowance() -> None:
    """The allowance is the same after any pause."""
    allowance = RecordAllowance()
    for _ in range(BURST):
        allowance.take(0.0)
    assert [allowance.take(1e9) for _ in range(BURST + 1)] == [0] * BURST + [None]


def test_a_clock_that_is_set_back() -> None:
    """After the clock is set back, time continues from there."""
    allowance = RecordAllowance()
    assert [allowance.take(1000.0) for _ in range(BURST + 1)] == [0] * BURST + [None]
    assert allowance.take(0.0) is None
    assert allowance.take(REFILL_SECONDS) == 2


@pytest.fixture
def time_of_records() -> Iterator[list[float]]:
    """Return a function that sets the time of records."""
    time, make = [0.0], logging.getLogRecordFactory()

    def make_record(*arguments: object, **more: object) -> logging.LogRecord:
        record = make(*arguments, **more)
        record.created = time[0]
        return record

    logging.setLogRecordFactory(make_record)
    yield time
    logging.setLogRecordFactory(make)


def test_the_next_record_counts_those_left_out(
    time_of_records: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """The number is in the text and an attribute."""
    log = LimitedLog(logging.getLogger("monocloud_mw"))
    for _ in range(BURST + 7):
        log.write(logging.WARNING, "kind", "it failed with %s", "this")
    time_of_records[0] += REFILL_SECONDS
    log.write(logging.WARNING, "kind", "it failed with %s", "this", extra={"reason": "x"})
    assert caplog.messages == [
        *["it failed with this"] * BURST,
        "it failed with this (7 similar records were skipped before)",
    ]
    assert [vars(record)["left_out"] for record in caplog.records] == [0] * BURST + [7]
    assert vars(caplog.records[-1])["reason"] == "x"


def test_kinds_and_levels_have_allowances_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    """Limiting one kind does not affect others, and a disabled level writes nothing."""
    caplog.set_level(logging.INFO, "monocloud_mw")
    log = LimitedLog(logging.getLogger("monocloud_mw"))
    assert (log.is_enabled_for(logging.INFO), log.is_enabled_for(logging.DEBUG)) == (True, False)
    for level in (logging.WARNING, logging.INFO, logging.DEBUG):
        for kind in ("one", "other"):
            for _ in range(100):
                log.write(level, kind, kind)
    assert len(caplog.records) == 4 * BURST


def test_kinds_beyond_the_bound_share_an_allowance(caplog: pytest.LogCaptureFixture) -> None:
    """The number of kinds in memory is bounded."""
    log = LimitedLog(logging.getLogger("monocloud_mw"))
    for kind in range(MAX_KINDS + 100):
        log.write(logging.WARNING, kind, "%s", kind)
    assert len(caplog.records) == MAX_KINDS + BURST
