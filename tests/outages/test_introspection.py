"""Opaque tokens need the tenant: while it does not answer they fail fast, and then probe."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from werkzeug import Response

from monocloud_mw.core.tenant.circuit_breaker import MAX_PAUSE_SECONDS, MIN_FAILURES, THRESHOLD
from monocloud_mw.stores import MemoryCache
from monocloud_mw.testing import LocalTenant, faults
from monocloud_mw.testing.faults import Exchange, Fault

from .scene import ACCEPTED, CROWD, GONE, LIFETIME, Clock, Face, Gate, judge, new_tokens

PAUSE = MAX_PAUSE_SECONDS  # shorter than the cool-down here


def opaque_tokens(tenant: LocalTenant, count: int = CROWD) -> list[str]:
    """Return good opaque tokens, all different, so that no two share a request."""
    return [tenant.mint_opaque() for _ in range(count)]


def hang_until_it_opens(face: Face, tenant: LocalTenant) -> None:
    """Let introspection hang until the client has had enough of it."""
    face.line.count()
    with face.line.impatient(path="/introspect"), tenant.failing(faults.hang(), endpoint="introspection"):
        for token in opaque_tokens(tenant, THRESHOLD):
            assert face.verdict(token) == "503"
    assert face.line.count() == THRESHOLD


def test_after_repeated_failures_it_fails_fast(warm: Face, clock: Clock, tenant: LocalTenant) -> None:
    """Whole crowds of requests, and the tenant is not even asked: so none of them waits."""
    hang_until_it_opens(warm, tenant)
    for _ in range(3):
        assert warm.verdicts(opaque_tokens(tenant)) == {"503"}
        clock.advance(PAUSE / 4)
    assert warm.line.count() == 0


def test_one_request_probes_and_the_others_fail_meanwhile(
    warm: Face, clock: Clock, tenant: LocalTenant, gate: Gate
) -> None:
    """While the probe hangs nobody joins it; when it is through, everybody is served."""
    hang_until_it_opens(warm, tenant)
    tenant.fail(gate, endpoint="introspection")
    clock.advance(PAUSE)
    probe = warm.submit(opaque_tokens(tenant, 1))
    gate.await_request()
    for _ in range(3):
        assert warm.verdicts(opaque_tokens(tenant)) == {"503"}
        clock.advance(PAUSE / 4)
    assert warm.line.count() == 1
    gate.open()
    assert judge(probe) == {ACCEPTED}
    assert warm.verdicts(opaque_tokens(tenant)) == {ACCEPTED}


def test_a_probe_that_fails_is_followed_by_another_pause(
    warm: Face, clock: Clock, tenant: LocalTenant
) -> None:
    """An outage costs one request per pause, however long it is and however many ask."""
    hang_until_it_opens(warm, tenant)
    with warm.line.impatient(path="/introspect"), tenant.failing(faults.hang(), endpoint="introspection"):
        for _ in range(5):
            clock.advance(PAUSE)
            assert warm.verdict(tenant.mint_opaque()) == "503"
            assert warm.verdicts(opaque_tokens(tenant)) == {"503"}
            assert warm.line.count() == 1
    clock.advance(PAUSE)
    assert warm.verdict(tenant.mint_opaque()) == ACCEPTED
    assert warm.verdicts(opaque_tokens(tenant)) == {ACCEPTED}


def test_those_who_hang_already_are_all_who_hang(warm: Face, tenant: LocalTenant) -> None:
    """A crowd that came before the first failure gets free again, and nobody takes its place."""
    with warm.line.impatient(path="/introspect"), tenant.failing(faults.hang(), endpoint="introspection"):
        assert warm.verdicts(opaque_tokens(tenant, 10)) == {"503"}
        assert warm.line.count() <= 10
        assert warm.verdicts(opaque_tokens(tenant)) == {"503"}
        assert warm.line.count() == 0


def test_jwts_do_not_mind(warm: Face, tenant: LocalTenant, gate: Gate) -> None:
    """While some hang and while the circuit is open."""
    tenant.fail(gate, endpoint="introspection")
    hanging = warm.submit(opaque_tokens(tenant, THRESHOLD))
    gate.await_request()
    assert warm.verdicts(new_tokens(tenant)) == {ACCEPTED}
    gate.open()
    assert judge(hanging) == {ACCEPTED}
    hang_until_it_opens(warm, tenant)
    assert warm.verdicts(new_tokens(tenant)) == {ACCEPTED}


def test_remembered_answers_do_not_mind(
    new_face: Callable[..., Face], clock: Clock, tenant: LocalTenant
) -> None:
    """A claims cache bridges the outage for the tokens that it knows, for as long as it may."""
    face = new_face(cache=MemoryCache(clock=clock.unix), introspection_cache_duration=LIFETIME)
    known = opaque_tokens(tenant)
    assert face.verdicts(known) == {ACCEPTED}
    face.line.count()
    hang_until_it_opens(face, tenant)
    with tenant.outage():
        clock.advance(LIFETIME - 1)
        assert face.verdicts(known) == {ACCEPTED}


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
def test_talking_nonsense_opens_it_too(
    warm: Face, fault: Fault, failures: int, clock: Clock, tenant: LocalTenant
) -> None:
    """A token that the tenant says nothing sensible about is neither good nor bad: 503."""
    with tenant.failing(fault, endpoint="introspection"):
        for token in opaque_tokens(tenant, failures):
            assert warm.verdict(token) == "503"
        assert warm.verdicts(opaque_tokens(tenant)) == {"503"}
        assert tenant.requests.count("introspection") == failures
    clock.advance(PAUSE)
    assert warm.verdict(tenant.mint_opaque()) == ACCEPTED


@pytest.mark.parametrize("status", [429, 500])
def test_one_caller_with_made_up_tokens_stops_nobody_else(
    warm: Face, status: int, clock: Clock, tenant: LocalTenant
) -> None:
    """The tenant fails at his tokens only, and he is twice as fast as all others together."""

    def fail_at_made_up(exchange: Exchange) -> Response:
        made_up = exchange.request.form["token"].startswith("made-up")
        return Response(status=status) if made_up else exchange.answer()

    with tenant.failing(fail_at_made_up, endpoint="introspection"):
        for number in range(50):
            assert warm.verdicts(f"made-up-{number}-{letter}" for letter in "ab") == {"503"}
            assert warm.verdict(tenant.mint_opaque()) == ACCEPTED
            clock.advance(0.2)


def test_tokens_that_were_active_are_served_while_made_up_ones_hang(
    warm: Face, clock: Clock, tenant: LocalTenant
) -> None:
    """Those open the circuit for tokens that nobody has seen before, and for no others."""
    known = opaque_tokens(tenant, 5)
    assert warm.verdicts(known) == {ACCEPTED}
    hang_until_it_opens(warm, tenant)
    assert warm.verdict(known[0]) == ACCEPTED
    assert warm.verdicts(opaque_tokens(tenant)) == {ACCEPTED}


@pytest.mark.parametrize("fault", [faults.redirect(), faults.status(404)], ids=["redirect", "status 404"])
def test_an_endpoint_that_was_there_is_away(warm: Face, fault: Fault, tenant: LocalTenant) -> None:
    """A redirect or a 404 is a mistake at first; after an answer it is an outage, of a gateway perhaps."""
    with tenant.failing(fault, endpoint="introspection"):
        assert warm.verdict(tenant.mint_opaque()) == "500"
    assert warm.verdict(tenant.mint_opaque()) == ACCEPTED
    with tenant.failing(fault, endpoint="introspection"):
        assert warm.verdict(tenant.mint_opaque()) == "503"
    assert warm.verdict(tenant.mint_opaque()) == ACCEPTED


@pytest.mark.parametrize(
    "fault",
    [faults.status(401), faults.status(403), faults.status(404), faults.redirect()],
    ids=["401", "403", "404", "redirect"],
)
def test_a_refusal_is_no_outage(warm: Face, fault: Fault, tenant: LocalTenant) -> None:
    """A tenant that refuses us is there: 500 for the developer to mend, and it is asked every time."""
    with tenant.failing(fault, endpoint="introspection"):
        assert warm.verdicts(opaque_tokens(tenant, 2 * THRESHOLD)) == {"500"}
    assert warm.verdicts(opaque_tokens(tenant)) == {ACCEPTED}


def test_discovery_from_before_the_outage_will_do(warm: Face, clock: Clock, tenant: LocalTenant) -> None:
    """Introspection works on while only the discovery document cannot be had."""
    with tenant.failing(faults.status(500), endpoint="discovery"):
        clock.advance(GONE / 2)
        assert warm.verdicts(opaque_tokens(tenant)) == {ACCEPTED}
