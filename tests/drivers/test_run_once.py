"""The table of runs; test_sharing.py tests joining it."""

from __future__ import annotations

import pytest

from monocloud_mw.core.effects import Instant
from monocloud_mw.drivers.run_once import INTERRUPTED, RunOnceTable

from .harness import NOW


def at(monotonic: float) -> Instant:
    """Return an instant."""
    return Instant(NOW.unix, monotonic)


def test_a_run_cannot_be_cancelled() -> None:
    """Cancelling a waiting task would cancel what it waits for, so a run refuses cancellation."""
    run, leads = RunOnceTable().join("key", NOW)
    assert leads
    assert not run.future.cancel()
    assert run.future.running()


def test_a_run_finishes_once() -> None:
    """A second end of a run has no effect."""
    table = RunOnceTable()
    run, _ = table.join("key", NOW)
    table.finish(run, "first")
    table.finish(run, INTERRUPTED)
    assert run.future.result() == "first"


def test_a_leader_may_be_garbage_collected_at_any_point() -> None:
    """A garbage collected leader finishes its run on any thread, possibly while that thread joins one."""
    table = RunOnceTable()
    run, _ = table.join("key", NOW)
    with table._lock:
        table.finish(run, INTERRUPTED)
    assert run.future.result() is INTERRUPTED


def test_a_forgotten_run_does_not_affect_its_successor() -> None:
    """The forgotten run still finishes for its waiting callers."""
    table = RunOnceTable()
    first, _ = table.join("key", NOW)
    table.forget(first)
    second, leads = table.join("key", NOW)
    assert leads
    table.finish(first, "late")
    assert first.future.result() == "late"
    assert table.join("key", NOW) == (second, False)


@pytest.mark.parametrize(
    ("since", "joins"), [(None, True), (99.0, True), (100.0, True), (100.001, False), (200.0, False)]
)
def test_a_run_that_began_too_early_is_replaced(since: float | None, joins: bool) -> None:
    """A caller that needs a younger run leads a new one, which others join; the first still has its
    result.
    """
    table = RunOnceTable()
    first, _ = table.join("key", at(100.0))
    second, leads = table.join("key", at(150.0), since)
    assert (second is first, leads) == (joins, not joins)
    assert table.join("key", at(160.0))[0] is second
    table.finish(first, "first")
    assert table.join("key", at(160.0)) == (second, False) or joins
    assert first.future.result() == "first"
