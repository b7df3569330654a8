"""A tenant that is down or returns invalid responses: known keys are used, then 503, then recovery."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from monocloud_mw.testing import LocalTenant, faults
from monocloud_mw.testing._tenant.endpoints import EndpointName
from monocloud_mw.testing.faults import FAULTS, Fault

from .harness import (
    ACCEPTED,
    COOLDOWN,
    DUE,
    LIFETIME,
    MAX_STALE,
    TOO_OLD,
    Clock,
    Gate,
    Harness,
    forgeries,
    new_tokens,
)

pytestmark = pytest.mark.slow

Outage = Callable[[LocalTenant], AbstractContextManager[None]]

SYMMETRIC_KEY = {"kty": "oct", "kid": "shared", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}


def _failing(fault: Fault) -> Outage:
    return lambda tenant: tenant.failing(fault)


# Faults that end only by the client's timeout.
ENDLESS: dict[str, Outage] = {
    "hang": _failing(faults.hang()),
    "stall": _failing(faults.stall()),
    "trickle": _failing(faults.trickle()),
    "fast trickle": _failing(faults.trickle(0.01)),
}
PROMPT: dict[str, Outage] = {
    "down": LocalTenant.outage,
    "close": _failing(faults.close()),
    "reset": _failing(faults.reset()),
    "status 500": _failing(faults.status(500)),
    "status 503": _failing(faults.status(503)),
    "status 404": _failing(faults.status(404)),
    "status 429": _failing(faults.status(429)),
    "html": _failing(faults.html()),
    "html of a proxy": _failing(faults.html(502)),
    "half body": _failing(faults.half_body()),
    "garbage": _failing(faults.garbage()),
    "late garbage": _failing(faults.delay(0.01, faults.garbage())),
    "wrong document": _failing(faults.document()),
    "array": _failing(faults.document([])),
    "null": _failing(faults.document(None)),
    "empty key set": _failing(faults.empty_key_set()),
    "keys of no use": _failing(faults.document({"keys": [SYMMETRIC_KEY]})),
    "keys that are no list": _failing(faults.document({"keys": "none"})),
    "redirect": _failing(faults.redirect()),
    "oversized": _failing(faults.oversized(2 * 1024 * 1024)),
    "gzip bomb": _failing(faults.gzip_bomb(1024 * 1024)),
}
OUTAGES = ENDLESS | PROMPT


def test_every_fault_of_the_local_tenant_is_tried() -> None:
    """A new fault of the local tenant has to be added here; a wrong content type alone is not an outage."""
    tried = {name.replace(" ", "_") for name in OUTAGES}
    assert {name for name in FAULTS if name not in tried} == {"content_type", "status", "delay", "document"}


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage_from_start_to_end(warm: Harness, clock: Clock, tenant: LocalTenant, name: str) -> None:
    """Known keys are used, with one attempt per cool-down; then the response is 503, until the tenant
    recovers.
    """
    seen = tenant.mint(lifetime_seconds=10 * TOO_OLD)
    assert warm.outcome(seen) == ACCEPTED
    refused = {"503"}  # 404 too, since the tenant worked before

    def concurrent_tokens() -> list[str]:
        return [seen, *new_tokens(tenant, 3)]

    def attempts() -> int:
        assert warm.outcomes(concurrent_tokens()) == {ACCEPTED}
        warm.settle()
        return warm.transport.count()

    clock.advance(DUE)
    with warm.transport.short_timeout(name in ENDLESS), OUTAGES[name](tenant):
        assert attempts() == 2  # one per document, in the background
        assert attempts() == 0
        clock.advance(LIFETIME - DUE)
        assert attempts() == 2
        clock.advance(COOLDOWN - 1)
        assert attempts() == 0
        clock.advance(MAX_STALE - COOLDOWN)
        assert attempts() == 2

        clock.advance(COOLDOWN)
        assert warm.outcome(seen) in refused
        assert warm.outcomes(concurrent_tokens()) == refused
        assert warm.transport.count() == 1  # without a discovery document, no key set is requested

    clock.advance(COOLDOWN - 1)
    assert warm.outcomes(concurrent_tokens()) == refused
    assert warm.transport.count() == 0
    clock.advance(1)
    assert warm.outcome(seen) == ACCEPTED  # this request tries; concurrent ones would fail at once
    assert warm.outcomes(concurrent_tokens()) == {ACCEPTED}
    assert warm.transport.count() == 2


def test_there_is_one_attempt_per_cooldown(warm: Harness, clock: Clock, tenant: LocalTenant) -> None:
    """While it fails there is one request per document and cool-down."""
    clock.advance(DUE)
    tenant.fail(faults.status(500))
    for rounds in range(1, 20):
        for _ in range(4):
            assert warm.outcome(tenant.mint()) == ACCEPTED
            warm.settle()
            clock.advance(COOLDOWN / 4 + 0.001)
        assert tenant.requests.count("jwks") == tenant.requests.count("discovery") == 1 + rounds


@pytest.mark.parametrize("age", [DUE, LIFETIME, LIFETIME + MAX_STALE / 2])
def test_no_request_waits_for_a_tenant_that_fails_and_then_hangs(
    warm: Harness, age: float, clock: Clock, tenant: LocalTenant, gate: Gate
) -> None:
    """After a failed refresh, further attempts hang in the background, one at a time."""
    clock.advance(age)
    with tenant.failing(faults.status(500)):
        assert warm.outcome(tenant.mint()) == ACCEPTED
        warm.settle()
    tenant.fail(gate)
    for _ in range(5):
        clock.advance(COOLDOWN)
        assert warm.outcomes(new_tokens(tenant)) == {ACCEPTED}
        gate.await_request()
    tenant.requests.wait_for("jwks", 3)
    assert tenant.requests.count("jwks") == 3  # prefetched, failed, hanging
    gate.open()
    warm.settle()
    assert warm.outcome(tenant.mint()) == ACCEPTED


@pytest.mark.parametrize("endpoint", ["discovery", "jwks"])
def test_one_document_alone_may_fail(
    warm: Harness, endpoint: EndpointName, clock: Clock, tenant: LocalTenant
) -> None:
    """Each document has its own last known good version and its own recovery."""
    with tenant.failing(faults.html(), endpoint=endpoint):
        for _ in range(20):
            clock.advance(TOO_OLD / 22)
            assert warm.outcome(tenant.mint()) == ACCEPTED
            warm.settle()
    clock.advance(COOLDOWN)
    assert warm.outcome(tenant.mint()) == ACCEPTED
    warm.settle()
    clock.advance(TOO_OLD - 1)
    assert warm.outcome(tenant.mint()) == ACCEPTED


NO_KEYS: dict[str, Fault] = {
    "empty key set": faults.empty_key_set(),
    "keys of no use": faults.document({"keys": [SYMMETRIC_KEY]}),
    "keys that are no list": faults.document({"keys": "none"}),
    "wrong document": faults.document(),
    "garbage": faults.garbage(),
    "half body": faults.half_body(),
    "html": faults.html(),
}


@pytest.mark.parametrize("fault", NO_KEYS.values(), ids=NO_KEYS)
def test_good_keys_are_not_replaced(warm: Harness, fault: Fault, clock: Clock, tenant: LocalTenant) -> None:
    """A set without keys, or an invalid one, replaces no keys, whatever the reason of the refresh."""
    keys = warm.call("get_jwks")
    with tenant.failing(fault, endpoint="jwks"):
        assert warm.outcomes(forgeries(tenant, 3)) == {"503"}  # on demand
        assert warm.call("get_jwks") is keys
        for age in (DUE, LIFETIME):  # ahead, and because it was due
            clock.advance(age)
            assert warm.outcome(tenant.mint()) == ACCEPTED
            warm.settle()
            assert warm.call("get_jwks") is keys
    assert tenant.requests.count("jwks") == 4


def test_max_stale_of_zero_serves_nothing_old(
    new_harness: Callable[..., Harness], clock: Clock, tenant: LocalTenant
) -> None:
    """With max_stale of 0, an outage is preferred to old keys."""
    harness = new_harness(max_stale=0)
    harness.call("prefetch")
    tenant.fail(faults.status(500))
    clock.advance(LIFETIME - 1)
    assert harness.outcome(tenant.mint()) == ACCEPTED
    clock.advance(1)
    assert harness.outcome(tenant.mint()) == "503"
