"""Introspection in an outage: requests fail at once, and one of them probes after each pause."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from werkzeug import Response

from monocloud_mw.core.tenant.circuit_breaker import MAX_PAUSE_SECONDS, MIN_FAILURES, THRESHOLD
from monocloud_mw.stores import MemoryCache
from monocloud_mw.testing import LocalTenant, faults
from monocloud_mw.testing.faults import Exchange, Fault

from .harness import ACCEPTED, CALLERS, LIFETIME, TOO_OLD, Clock, Gate, Harness, new_tokens, outcomes_of

pytestmark = pytest.mark.slow

PAUSE = MAX_PAUSE_SECONDS  # shorter than the cool-down here


def opaque_tokens(tenant: LocalTenant, count: int = CALLERS) -> list[str]:
    """Return valid opaque tokens, all different, so that no two share a request."""
    return [tenant.mint_opaque() for _ in range(count)]


def hang_until_it_opens(harness: Harness, tenant: LocalTenant) -> None:
    """Let introspection hang until the circuit opens."""
    harness.transport.count()
    with (
        harness.transport.short_timeout(path="/introspect"),
        tenant.failing(faults.hang(), endpoint="introspection"),
    ):
        for token in opaque_tokens(tenant, THRESHOLD):
            assert harness.outcome(token) == "503"
    assert harness.transport.count() == THRESHOLD


def test_after_repeated_failures_it_fails_fast(warm: Harness, clock: Clock, tenant: LocalTenant) -> None:
    """Many concurrent requests fail without a request to the tenant, so none waits."""
    hang_until_it_opens(warm, tenant)
    for _ in range(3):
        assert warm.outcomes(opaque_tokens(tenant)) == {"503"}
        clock.advance(PAUSE / 4)
    assert warm.transport.count() == 0


def test_one_request_probes_and_the_others_fail_meanwhile(
    warm: Harness, clock: Clock, tenant: LocalTenant, gate: Gate
) -> None:
    """No request waits for a hanging probe; when it succeeds, all are served."""
    hang_until_it_opens(warm, tenant)
    tenant.fail(gate, endpoint="introspection")
    clock.advance(PAUSE)
    probe = warm.submit(opaque_tokens(tenant, 1))
    gate.await_request()
    for _ in range(3):
        assert warm.outcomes(opaque_tokens(tenant)) == {"503"}
        clock.advance(PAUSE / 4)
    assert warm.transport.count() == 1
    gate.open()
    assert outcomes_of(probe) == {ACCEPTED}
    assert warm.outcomes(opaque_tokens(tenant)) == {ACCEPTED}


def test_a_probe_that_fails_is_followed_by_another_pause(
    warm: Harness, clock: Clock, tenant: LocalTenant
) -> None:
    """An outage costs one request per pause, however many tokens are presented."""
    hang_until_it_opens(warm, tenant)
    with (
        warm.transport.short_timeout(path="/introspect"),
        tenant.failing(faults.hang(), endpoint="introspection"),
    ):
        for _ in range(5):
            clock.advance(PAUSE)
            assert warm.outcome(tenant.mint_opaque()) == "503"
            assert warm.outcomes(opaque_tokens(tenant)) == {"503"}
            assert warm.transport.count() == 1
    clock.advance(PAUSE)
    assert warm.outcome(tenant.mint_opaque()) == ACCEPTED
    assert warm.outcomes(opaque_tokens(tenant)) == {ACCEPTED}


def test_no_further_requests_hang(warm: Harness, tenant: LocalTenant) -> None:
    """Requests that hang before the first failure end, and no others hang."""
    with (
        warm.transport.short_timeout(path="/introspect"),
        tenant.failing(faults.hang(), endpoint="introspection"),
    ):
        assert warm.outcomes(opaque_tokens(tenant, 10)) == {"503"}
        assert warm.transport.count() <= 10
        assert warm.outcomes(opaque_tokens(tenant)) == {"503"}
        assert warm.transport.count() == 0


def test_jwts_are_not_affected(warm: Harness, tenant: LocalTenant, gate: Gate) -> None:
    """JWTs are validated while introspections hang and while the circuit is open."""
    tenant.fail(gate, endpoint="introspection")
    hanging = warm.submit(opaque_tokens(tenant, THRESHOLD))
    gate.await_request()
    assert warm.outcomes(new_tokens(tenant)) == {ACCEPTED}
    gate.open()
    assert outcomes_of(hanging) == {ACCEPTED}
    hang_until_it_opens(warm, tenant)
    assert warm.outcomes(new_tokens(tenant)) == {ACCEPTED}


def test_cached_responses_are_not_affected(
    new_harness: Callable[..., Harness], clock: Clock, tenant: LocalTenant
) -> None:
    """Tokens in the claims cache are accepted during the outage until their entries expire."""
    harness = new_harness(cache=MemoryCache(clock=clock.unix), introspection_cache_duration=LIFETIME)
    known = opaque_tokens(tenant)
    assert harness.outcomes(known) == {ACCEPTED}
    harness.transport.count()
    hang_until_it_opens(harness, tenant)
    with tenant.outage():
        clock.advance(LIFETIME - 1)
        assert harness.outcomes(known) == {ACCEPTED}


UNANSWERED: dict[str, Fault] = {
    "close": faults.close(),
    "reset": faults.reset(),
    "half body": faults.half_body(),
}
ANSWERED: dict[str, Fault] = {
    "status 500": faults.status(500),
    "status 429": faults.status(429),
    "html": faults.html(),
    "garbage": faults.garbage(),
    "wrong document": faults.document(),
    "array": faults.document([]),
    "active as a string": faults.document({"active": "true"}),
}


@pytest.mark.parametrize(
    ("fault", "failures"),
    [
        *((fault, THRESHOLD) for fault in UNANSWERED.values()),
        *((fault, MIN_FAILURES) for fault in ANSWERED.values()),
        (faults.status(429, {"Retry-After": str(int(PAUSE))}), THRESHOLD),
    ],
    ids=[*UNANSWERED, *ANSWERED, "status 429 with Retry-After"],
)
def test_invalid_responses_open_the_circuit(
    warm: Harness, fault: Fault, failures: int, clock: Clock, tenant: LocalTenant
) -> None:
    """An invalid response says nothing about the token: 503."""
    with tenant.failing(fault, endpoint="introspection"):
        for token in opaque_tokens(tenant, failures):
            assert warm.outcome(token) == "503"
        assert warm.outcomes(opaque_tokens(tenant)) == {"503"}
        assert tenant.requests.count("introspection") == failures
    clock.advance(PAUSE)
    assert warm.outcome(tenant.mint_opaque()) == ACCEPTED


@pytest.mark.parametrize("status", [429, 500])
def test_made_up_tokens_of_one_caller_affect_no_other(
    warm: Harness, status: int, clock: Clock, tenant: LocalTenant
) -> None:
    """The tenant fails only for one caller's tokens, which come twice as often as all others."""

    def fail_at_made_up(exchange: Exchange) -> Response:
        made_up = exchange.request.form["token"].startswith("made-up")
        return Response(status=status) if made_up else exchange.answer()

    with tenant.failing(fail_at_made_up, endpoint="introspection"):
        for number in range(50):
            assert warm.outcomes(f"made-up-{number}-{letter}" for letter in "ab") == {"503"}
            assert warm.outcome(tenant.mint_opaque()) == ACCEPTED
            clock.advance(0.2)


def test_tokens_that_were_active_are_served_while_made_up_ones_hang(
    warm: Harness, clock: Clock, tenant: LocalTenant
) -> None:
    """Hanging made-up tokens open the circuit only for tokens that were not active before."""
    known = opaque_tokens(tenant, 5)
    assert warm.outcomes(known) == {ACCEPTED}
    hang_until_it_opens(warm, tenant)
    assert warm.outcome(known[0]) == ACCEPTED
    assert warm.outcomes(opaque_tokens(tenant)) == {ACCEPTED}


@pytest.mark.parametrize("fault", [faults.redirect(), faults.status(404)], ids=["redirect", "status 404"])
def test_an_endpoint_that_was_there_is_away(warm: Harness, fault: Fault, tenant: LocalTenant) -> None:
    """A redirect or a 404 is a configuration error at first, and an outage after a valid response."""
    with tenant.failing(fault, endpoint="introspection"):
        assert warm.outcome(tenant.mint_opaque()) == "500"
    assert warm.outcome(tenant.mint_opaque()) == ACCEPTED
    with tenant.failing(fault, endpoint="introspection"):
        assert warm.outcome(tenant.mint_opaque()) == "503"
    assert warm.outcome(tenant.mint_opaque()) == ACCEPTED


@pytest.mark.parametrize(
    "fault",
    [faults.status(401), faults.status(403), faults.status(404), faults.redirect()],
    ids=["401", "403", "404", "redirect"],
)
def test_a_refusal_is_not_an_outage(warm: Harness, fault: Fault, tenant: LocalTenant) -> None:
    """A tenant that refuses the client works: 500, and every request is sent."""
    with tenant.failing(fault, endpoint="introspection"):
        assert warm.outcomes(opaque_tokens(tenant, 2 * THRESHOLD)) == {"500"}
    assert warm.outcomes(opaque_tokens(tenant)) == {ACCEPTED}


def test_discovery_from_before_the_outage_is_used(warm: Harness, clock: Clock, tenant: LocalTenant) -> None:
    """Introspection works while only the discovery document cannot be loaded."""
    with tenant.failing(faults.status(500), endpoint="discovery"):
        clock.advance(TOO_OLD / 2)
        assert warm.outcomes(opaque_tokens(tenant)) == {ACCEPTED}
