"""The tenant changes its keys: new ones work at first sight, withdrawn ones no longer; floods are cheap."""

from __future__ import annotations

import pytest

from monocloud_mw.testing import LocalTenant, faults
from monocloud_mw.testing.faults import Fault

from .scene import (
    ACCEPTED,
    COOLDOWN,
    CROWD,
    DUE,
    GONE,
    LIFETIME,
    MAX_STALE,
    Clock,
    Face,
    Gate,
    OldAnswer,
    forgeries,
    judge,
    new_tokens,
)


@pytest.mark.parametrize("age", [0.0, COOLDOWN, DUE])
@pytest.mark.parametrize("header", [{}, {"kid": None}], ids=["kid", "no kid"])
def test_a_brand_new_key_works_at_first_sight(
    warm: Face, age: float, header: dict[str, None], clock: Clock, tenant: LocalTenant, gate: Gate
) -> None:
    """The whole crowd waits for one refresh, however young the key set at hand is."""
    clock.advance(age)
    tenant.rotate_keys()
    tenant.fail(gate, endpoint="jwks")
    results = warm.submit(new_tokens(tenant, header=header))
    gate.await_request()
    gate.open()
    assert judge(results) == {ACCEPTED}
    assert tenant.requests.count("jwks") == 2


def test_who_knows_the_key_does_not_wait_for_the_new_one(warm: Face, tenant: LocalTenant, gate: Gate) -> None:
    """While some wait for a brand-new key, tokens of the keys at hand pass."""
    known = new_tokens(tenant)
    tenant.rotate_keys()
    tenant.fail(gate, endpoint="jwks")
    waiting = warm.submit(new_tokens(tenant))
    gate.await_request()
    assert warm.verdicts(known) == {ACCEPTED}
    gate.open()
    assert judge(waiting) == {ACCEPTED}


def test_a_withdrawn_key_stops_at_the_next_refresh(warm: Face, clock: Clock, tenant: LocalTenant) -> None:
    """Tokens that were verified before are no exception."""
    seen, unseen = tenant.mint(), tenant.mint()
    assert warm.verdict(seen) == ACCEPTED
    tenant.rotate_keys(withdraw=True)
    clock.advance(DUE)
    assert warm.verdict(seen) == ACCEPTED  # starts the refresh
    warm.settle()
    assert warm.verdict(seen) == "unknown_key"
    assert warm.verdict(unseen) == "unknown_key"


def test_a_brand_new_key_takes_the_withdrawn_one_along(warm: Face, tenant: LocalTenant) -> None:
    """A refresh for whatever reason is a refresh."""
    seen = tenant.mint()
    assert warm.verdict(seen) == ACCEPTED
    tenant.rotate_keys(withdraw=True)
    assert warm.verdict(seen) == ACCEPTED
    assert warm.verdict(tenant.mint()) == ACCEPTED
    assert warm.verdict(seen) == "unknown_key"


def test_an_older_key_works_for_as_long_as_it_is_published(
    warm: Face, clock: Clock, tenant: LocalTenant
) -> None:
    """Rotation takes nobody's token away."""
    seen = tenant.mint()
    for _ in range(3):
        tenant.rotate_keys()
        clock.advance(LIFETIME)
        assert warm.verdicts([seen, tenant.mint()]) == {ACCEPTED}
        warm.settle()


def test_a_withdrawn_key_stops_at_the_first_refresh_after_an_outage(
    warm: Face, clock: Clock, tenant: LocalTenant
) -> None:
    """What cannot be known is not acted on; what becomes known is, and at once."""
    token = tenant.mint(lifetime_seconds=GONE)
    assert warm.verdict(token) == ACCEPTED
    tenant.rotate_keys(withdraw=True)
    with tenant.failing(faults.status(503)):
        clock.advance(LIFETIME + MAX_STALE / 2)
        assert warm.verdict(token) == ACCEPTED
    clock.advance(COOLDOWN)
    assert warm.verdict(token) == ACCEPTED  # starts the refresh
    warm.settle()
    assert warm.verdict(token) == "unknown_key"


def test_a_flood_of_unknown_keys_is_one_request_per_cooldown(
    warm: Face, clock: Clock, tenant: LocalTenant
) -> None:
    """However many there are, and whoever else is served meanwhile."""
    known = tenant.mint()
    for rounds in range(1, 4):
        for _ in range(2):
            assert warm.verdicts(forgeries(tenant)) == {"unknown_key"}
            assert warm.verdict(known) == ACCEPTED
            clock.advance(COOLDOWN / 2)
        assert tenant.requests.count("jwks") == 1 + rounds


def test_a_flood_keeps_nobody_waiting(warm: Face, tenant: LocalTenant, gate: Gate) -> None:
    """Known keys serve while the flood waits for its one request."""
    tenant.fail(gate, endpoint="jwks")
    flood = warm.submit(forgeries(tenant))
    gate.await_request()
    assert warm.verdicts(new_tokens(tenant)) == {ACCEPTED}
    gate.open()
    assert judge(flood) == {"unknown_key"}
    assert tenant.requests.count("jwks") == 2


def test_a_new_key_works_in_a_flood_one_cooldown_later(warm: Face, clock: Clock, tenant: LocalTenant) -> None:
    """The flood can delay it for so long, and no longer."""
    assert warm.verdicts(forgeries(tenant)) == {"unknown_key"}
    tenant.rotate_keys()
    token = tenant.mint()
    assert warm.verdict(token) == "unknown_key"
    clock.advance(COOLDOWN)
    assert warm.verdicts([*forgeries(tenant), token]) - {"unknown_key"} == {ACCEPTED}
    assert tenant.requests.count("jwks") == 3


def test_a_flood_during_an_outage_is_turned_away_at_once(
    warm: Face, clock: Clock, tenant: LocalTenant, gate: Gate
) -> None:
    """Whose fault it is cannot be told: 503. Nobody waits for the next refresh, one per cool-down."""
    with tenant.failing(faults.status(500), endpoint="jwks"):
        assert warm.verdicts(forgeries(tenant)) == {"503"}
        assert warm.verdicts(forgeries(tenant)) == {"503"}
    assert tenant.requests.count("jwks") == 2
    tenant.fail(gate, endpoint="jwks")
    for _ in range(3):
        clock.advance(COOLDOWN)
        assert warm.verdicts([*forgeries(tenant), tenant.mint()]) == {"503", ACCEPTED}
        gate.await_request()
    assert tenant.requests.count("jwks") == 3
    gate.open()
    warm.settle()
    assert warm.verdicts(forgeries(tenant)) == {"unknown_key"}


@pytest.mark.parametrize("fault", [faults.reset(), faults.status(503)], ids=["reset", "status 503"])
def test_a_brand_new_key_is_never_the_callers_fault(
    warm: Face, fault: Fault, clock: Clock, tenant: LocalTenant
) -> None:
    """A blip at a rotation: good tokens get 503 and the time to wait, and then pass."""
    tenant.rotate_keys()
    token = tenant.mint()
    with tenant.failing(fault, endpoint="jwks"):
        assert warm.verdict(token) == "503"
    assert warm.verdict(token) == "503"
    clock.advance(COOLDOWN)
    assert warm.verdict(token) == "503"  # starts the refresh
    warm.settle()
    assert warm.verdict(token) == ACCEPTED


def test_a_brand_new_key_joins_no_refresh_that_began_before(
    warm: Face, clock: Clock, tenant: LocalTenant
) -> None:
    """The answer to a refresh under way was made before the rotation: the new key is worth another one."""
    old = OldAnswer()
    clock.advance(DUE)
    tenant.fail(old, endpoint="jwks", times=1)
    assert warm.verdict(tenant.mint()) == ACCEPTED  # starts the refresh
    old.await_request()
    clock.advance(1)
    tenant.rotate_keys()
    results = warm.submit(new_tokens(tenant))
    tenant.requests.wait_for("jwks", 3)
    old.open()
    assert judge(results) == {ACCEPTED}
    warm.settle()
    assert tenant.requests.count("jwks") == 3
    assert warm.verdict(tenant.mint()) == ACCEPTED


def test_a_key_replaced_under_its_name_works_at_first_sight(
    warm: Face, clock: Clock, tenant: LocalTenant
) -> None:
    """Forged signatures of known keys cost the tenant one request per cool-down, as unknown keys do."""
    impostors = [tenant.mint(signed_by="impostor", subject=f"user {number}") for number in range(CROWD)]
    for rounds in range(1, 4):
        for _ in range(2):
            assert warm.verdicts(impostors) == {"bad_signature"}
            clock.advance(COOLDOWN / 2)
        assert tenant.requests.count("jwks") == 1 + rounds


@pytest.mark.parametrize("garbage", ["a.b.c", "..", "unsigned"])
def test_what_is_refused_at_sight_costs_the_tenant_nothing(
    warm: Face, garbage: str, tenant: LocalTenant
) -> None:
    """Only a well-formed token that no key at hand has signed is worth a question."""
    token = tenant.mint(header={"alg": "none"}) if garbage == "unsigned" else garbage
    assert warm.verdicts([token] * CROWD) <= {"malformed", "unsupported_algorithm"}
    assert warm.line.count() == 0
