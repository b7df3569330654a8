"""Key rotation: new keys work at once, withdrawn ones stop, and unknown keys cause few requests."""

from __future__ import annotations

import pytest

from monocloud_mw.testing import LocalTenant, faults
from monocloud_mw.testing.faults import Fault

from .harness import (
    ACCEPTED,
    CALLERS,
    COOLDOWN,
    DUE,
    LIFETIME,
    MAX_STALE,
    TOO_OLD,
    Clock,
    Gate,
    Harness,
    OldAnswer,
    forgeries,
    new_tokens,
    outcomes_of,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("age", [0.0, COOLDOWN, DUE])
@pytest.mark.parametrize("header", [{}, {"kid": None}], ids=["kid", "no kid"])
def test_a_new_key_works_at_once(
    warm: Harness, age: float, header: dict[str, None], clock: Clock, tenant: LocalTenant, gate: Gate
) -> None:
    """All waiting requests share one refresh, however fresh the key set is."""
    clock.advance(age)
    tenant.rotate_keys()
    tenant.fail(gate, endpoint="jwks")
    results = warm.submit(new_tokens(tenant, header=header))
    gate.await_request()
    gate.open()
    assert outcomes_of(results) == {ACCEPTED}
    assert tenant.requests.count("jwks") == 2


def test_known_keys_do_not_wait_for_a_new_one(warm: Harness, tenant: LocalTenant, gate: Gate) -> None:
    """While some requests wait for a new key, tokens of known keys are accepted."""
    known = new_tokens(tenant)
    tenant.rotate_keys()
    tenant.fail(gate, endpoint="jwks")
    waiting = warm.submit(new_tokens(tenant))
    gate.await_request()
    assert warm.outcomes(known) == {ACCEPTED}
    gate.open()
    assert outcomes_of(waiting) == {ACCEPTED}


def test_a_withdrawn_key_stops_at_the_next_refresh(warm: Harness, clock: Clock, tenant: LocalTenant) -> None:
    """Tokens that were verified before are refused as well."""
    seen, unseen = tenant.mint(), tenant.mint()
    assert warm.outcome(seen) == ACCEPTED
    tenant.rotate_keys(withdraw=True)
    clock.advance(DUE)
    assert warm.outcome(seen) == ACCEPTED  # starts the refresh
    warm.settle()
    assert warm.outcome(seen) == "unknown_key"
    assert warm.outcome(unseen) == "unknown_key"


def test_a_refresh_for_a_new_key_removes_the_withdrawn_one(warm: Harness, tenant: LocalTenant) -> None:
    """Any refresh removes withdrawn keys."""
    seen = tenant.mint()
    assert warm.outcome(seen) == ACCEPTED
    tenant.rotate_keys(withdraw=True)
    assert warm.outcome(seen) == ACCEPTED
    assert warm.outcome(tenant.mint()) == ACCEPTED
    assert warm.outcome(seen) == "unknown_key"


def test_an_older_key_works_for_as_long_as_it_is_published(
    warm: Harness, clock: Clock, tenant: LocalTenant
) -> None:
    """A rotation invalidates no token while its key is published."""
    seen = tenant.mint()
    for _ in range(3):
        tenant.rotate_keys()
        clock.advance(LIFETIME)
        assert warm.outcomes([seen, tenant.mint()]) == {ACCEPTED}
        warm.settle()


def test_a_withdrawn_key_stops_at_the_first_refresh_after_an_outage(
    warm: Harness, clock: Clock, tenant: LocalTenant
) -> None:
    """In an outage the withdrawal is unknown; the first refresh afterwards applies it."""
    token = tenant.mint(lifetime_seconds=TOO_OLD)
    assert warm.outcome(token) == ACCEPTED
    tenant.rotate_keys(withdraw=True)
    with tenant.failing(faults.status(503)):
        clock.advance(LIFETIME + MAX_STALE / 2)
        assert warm.outcome(token) == ACCEPTED
    clock.advance(COOLDOWN)
    assert warm.outcome(token) == ACCEPTED  # starts the refresh
    warm.settle()
    assert warm.outcome(token) == "unknown_key"


def test_many_unknown_keys_cause_one_request_per_cooldown(
    warm: Harness, clock: Clock, tenant: LocalTenant
) -> None:
    """There is one request, however many unknown keys are presented, and other tokens are accepted."""
    known = tenant.mint()
    for rounds in range(1, 4):
        for _ in range(2):
            assert warm.outcomes(forgeries(tenant)) == {"unknown_key"}
            assert warm.outcome(known) == ACCEPTED
            clock.advance(COOLDOWN / 2)
        assert tenant.requests.count("jwks") == 1 + rounds


def test_many_unknown_keys_delay_no_other_token(warm: Harness, tenant: LocalTenant, gate: Gate) -> None:
    """Known keys are used while requests with unknown keys wait for their refresh."""
    tenant.fail(gate, endpoint="jwks")
    flood = warm.submit(forgeries(tenant))
    gate.await_request()
    assert warm.outcomes(new_tokens(tenant)) == {ACCEPTED}
    gate.open()
    assert outcomes_of(flood) == {"unknown_key"}
    assert tenant.requests.count("jwks") == 2


def test_a_new_key_among_unknown_ones_works_one_cooldown_later(
    warm: Harness, clock: Clock, tenant: LocalTenant
) -> None:
    """Unknown keys can delay a new key by one cool-down at most."""
    assert warm.outcomes(forgeries(tenant)) == {"unknown_key"}
    tenant.rotate_keys()
    token = tenant.mint()
    assert warm.outcome(token) == "unknown_key"
    clock.advance(COOLDOWN)
    assert warm.outcomes([*forgeries(tenant), token]) - {"unknown_key"} == {ACCEPTED}
    assert tenant.requests.count("jwks") == 3


def test_unknown_keys_in_an_outage_are_refused_at_once(
    warm: Harness, clock: Clock, tenant: LocalTenant, gate: Gate
) -> None:
    """Whether the key is new is unknown: 503 at once, with one attempt per cool-down."""
    with tenant.failing(faults.status(500), endpoint="jwks"):
        assert warm.outcomes(forgeries(tenant)) == {"503"}
        assert warm.outcomes(forgeries(tenant)) == {"503"}
    assert tenant.requests.count("jwks") == 2
    tenant.fail(gate, endpoint="jwks")
    for _ in range(3):
        clock.advance(COOLDOWN)
        assert warm.outcomes([*forgeries(tenant), tenant.mint()]) == {"503", ACCEPTED}
        gate.await_request()
    assert tenant.requests.count("jwks") == 3
    gate.open()
    warm.settle()
    assert warm.outcomes(forgeries(tenant)) == {"unknown_key"}


@pytest.mark.parametrize("fault", [faults.reset(), faults.status(503)], ids=["reset", "status 503"])
def test_a_new_key_is_never_the_callers_fault(
    warm: Harness, fault: Fault, clock: Clock, tenant: LocalTenant
) -> None:
    """If the refresh fails at a rotation, tokens of new keys get 503 with Retry-After, and are accepted
    later.
    """
    tenant.rotate_keys()
    token = tenant.mint()
    with tenant.failing(fault, endpoint="jwks"):
        assert warm.outcome(token) == "503"
    assert warm.outcome(token) == "503"
    clock.advance(COOLDOWN)
    assert warm.outcome(token) == "503"  # starts the refresh
    warm.settle()
    assert warm.outcome(token) == ACCEPTED


def test_a_new_key_does_not_join_an_older_refresh(warm: Harness, clock: Clock, tenant: LocalTenant) -> None:
    """The response to a running refresh may be older than the rotation, so a new key causes another
    refresh.
    """
    old = OldAnswer()
    clock.advance(DUE)
    tenant.fail(old, endpoint="jwks", times=1)
    assert warm.outcome(tenant.mint()) == ACCEPTED  # starts the refresh
    old.await_request()
    clock.advance(1)
    tenant.rotate_keys()
    results = warm.submit(new_tokens(tenant))
    tenant.requests.wait_for("jwks", 3)
    old.open()
    assert outcomes_of(results) == {ACCEPTED}
    warm.settle()
    assert tenant.requests.count("jwks") == 3
    assert warm.outcome(tenant.mint()) == ACCEPTED


def test_a_key_replaced_under_its_id_works_at_once(warm: Harness, clock: Clock, tenant: LocalTenant) -> None:
    """Forged signatures of known keys cause one request per cool-down, like unknown keys."""
    impostors = [tenant.mint(signed_by="impostor", subject=f"user {number}") for number in range(CALLERS)]
    for rounds in range(1, 4):
        for _ in range(2):
            assert warm.outcomes(impostors) == {"bad_signature"}
            clock.advance(COOLDOWN / 2)
        assert tenant.requests.count("jwks") == 1 + rounds


@pytest.mark.parametrize("garbage", ["a.b.c", "..", "unsigned"])
def test_malformed_tokens_cause_no_request(warm: Harness, garbage: str, tenant: LocalTenant) -> None:
    """Only a well-formed token whose signature no known key verifies causes a request."""
    token = tenant.mint(header={"alg": "none"}) if garbage == "unsigned" else garbage
    assert warm.outcomes([token] * CALLERS) <= {"malformed", "unsupported_algorithm"}
    assert warm.transport.count() == 0
