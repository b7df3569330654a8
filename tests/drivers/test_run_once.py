"""The table of flights itself; test_sharing.py has those who board."""

from __future__ import annotations

from monocloud_mw.drivers.run_once import INTERRUPTED, SingleFlight


def test_a_flight_cannot_be_cancelled() -> None:
    """Cancelling a task that waits reaches for what it waits for, and must not take it from the others."""
    flight, leads = SingleFlight().board("key")
    assert leads
    assert not flight.cancel()
    assert flight.running()


def test_a_flight_lands_once() -> None:
    """What comes second (given up, or landed by a callback as well) changes nothing."""
    table = SingleFlight()
    flight, _ = table.board("key")
    table.land("key", flight, "first")
    table.land("key", flight, INTERRUPTED)
    assert flight.result() == "first"


def test_a_leader_may_be_garbage_collected_at_any_point() -> None:
    """It lands on whatever thread happens to be collecting, which may be in the middle of boarding."""
    table = SingleFlight()
    flight, _ = table.board("key")
    with table._lock:
        table.land("key", flight, INTERRUPTED)
    assert flight.result() is INTERRUPTED


def test_a_flight_that_was_given_up_leaves_its_successor_alone() -> None:
    """It still lands for those who wait for it."""
    table = SingleFlight()
    first, _ = table.board("key")
    table.give_up("key", first)
    second, leads = table.board("key")
    assert leads
    table.land("key", first, "late")
    assert first.result() == "late"
    assert table.board("key") == (second, False)
