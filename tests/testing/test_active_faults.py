"""Which fault meets which request."""

from __future__ import annotations

from monocloud_mw.testing._tenant.active_faults import FaultBoard
from monocloud_mw.testing.faults import garbage, hang, status


def test_without_faults_all_is_well() -> None:
    """An empty board has no fault for anybody."""
    assert FaultBoard().take("jwks") is None


def test_a_fault_is_for_its_endpoint() -> None:
    """A fault with an endpoint meets only requests to it; one without meets all."""
    board, jwks_only, everywhere = FaultBoard(), status(500), status(501)
    board.add(jwks_only, "jwks", None)
    assert (board.take("jwks"), board.take("discovery")) == (jwks_only, None)
    board.add(everywhere, None, None)
    assert (board.take("jwks"), board.take("discovery")) == (everywhere, everywhere)


def test_the_last_fault_goes_first() -> None:
    """A fault covers those before it until it is taken off."""
    board, first, last = FaultBoard(), status(), hang()
    board.add(first, None, None)
    remove = board.add(last, None, None)
    assert board.take("token") is last
    remove()
    assert board.take("token") is first
    remove()
    assert board.take("token") is first


def test_a_fault_ends_after_its_times() -> None:
    """Only requests to its endpoint count."""
    board, fault = FaultBoard(), garbage()
    remove = board.add(fault, "jwks", 2)
    taken = [board.take(endpoint) for endpoint in ("jwks", "token", "jwks", "jwks")]
    assert taken == [fault, None, fault, None]
    remove()


def test_all_faults_can_be_taken_off() -> None:
    """Afterwards all is well, and taking one off again does nothing."""
    board = FaultBoard()
    remove = board.add(status(), None, None)
    board.clear()
    remove()
    assert board.take("jwks") is None
