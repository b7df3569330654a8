"""The table of runs itself; test_sharing.py has those who join."""

from __future__ import annotations

import pytest

from monocloud_mw.core.effects import Instant
from monocloud_mw.drivers.run_once import INTERRUPTED, RunOnceTable

from .harness import NOW


def at(monotonic: float) -> Instant:
    """Return an instant."""
    return Instant(NOW.unix, monotonic)


def test_a_run_cannot_be_cancelled() -> None:
    """Cancelling a task that waits reaches for what it waits for, and must not take it from the others."""
    run, leads = RunOnceTable().join("key", NOW)
    assert leads
    assert not run.future.cancel()
    assert run.future.running()


def test_a_run_finishes_once() -> None:
    """What comes second (forgotten, or finished by a callback as well) changes nothing."""
    table = RunOnceTable()
    run, _ = table.join("key", NOW)
    table.finish(run, "first")
    table.finish(run, INTERRUPTED)
    assert run.future.result() == "first"


def test_a_leader_may_be_garbage_collected_at_any_point() -> None:
    """It finishes on whatever thread happens to be collecting, which may be in the middle of joining."""
    table = RunOnceTable()
    run, _ = table.join("key", NOW)
    with table._lock:
        table.finish(run, INTERRUPTED)
    assert run.future.result() is INTERRUPTED


def test_a_run_that_was_forgotten_leaves_its_successor_alone() -> None:
    """It still finishes for those who wait for it."""
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
    """Whoever needs a younger one leads it; the others join that one, and the first still has its result."""
    table = RunOnceTable()
    first, _ = table.join("key", at(100.0))
    second, leads = table.join("key", at(150.0), since)
    assert (second is first, leads) == (joins, not joins)
    assert table.join("key", at(160.0))[0] is second
    table.finish(first, "first")
    assert table.join("key", at(160.0)) == (second, False) or joins
    assert first.future.result() == "first"
