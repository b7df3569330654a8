"""Which fault applies to which request."""

from __future__ import annotations

from monocloud_mw.testing._tenant.active_faults import ActiveFaults
from monocloud_mw.testing.faults import garbage, hang, status


def test_without_faults_no_request_fails() -> None:
    """Without faults no request fails."""
    assert ActiveFaults().take("jwks") is None


def test_a_fault_is_for_its_endpoint() -> None:
    """A fault with an endpoint applies to requests to it; one without applies to all."""
    board, jwks_only, everywhere = ActiveFaults(), status(500), status(501)
    board.add(jwks_only, "jwks", None)
    assert (board.take("jwks"), board.take("discovery")) == (jwks_only, None)
    board.add(everywhere, None, None)
    assert (board.take("jwks"), board.take("discovery")) == (everywhere, everywhere)


def test_the_last_fault_applies_first() -> None:
    """The last fault applies until it is removed."""
    board, first, last = ActiveFaults(), status(), hang()
    board.add(first, None, None)
    remove = board.add(last, None, None)
    assert board.take("token") is last
    remove()
    assert board.take("token") is first
    remove()
    assert board.take("token") is first


def test_a_fault_ends_after_its_times() -> None:
    """Only requests to the fault's endpoint count."""
    board, fault = ActiveFaults(), garbage()
    remove = board.add(fault, "jwks", 2)
    taken = [board.take(endpoint) for endpoint in ("jwks", "token", "jwks", "jwks")]
    assert taken == [fault, None, fault, None]
    remove()


def test_all_faults_can_be_removed() -> None:
    """Afterwards no request fails, and removing a fault again does nothing."""
    board = ActiveFaults()
    remove = board.add(status(), None, None)
    board.clear()
    remove()
    assert board.take("jwks") is None
