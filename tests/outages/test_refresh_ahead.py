"""Refreshes ahead of the expiry: no request waits, and cancelling one does not end the refresh."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import pytest

from monocloud_mw import AsyncBackendClient
from monocloud_mw.testing import LocalTenant
from monocloud_mw.testing._tenant.endpoints import EndpointName

from .harness import (
    ACCEPTED,
    COOLDOWN,
    DUE,
    LIFETIME,
    SETTINGS,
    Clock,
    Gate,
    Harness,
    new_tokens,
    outcomes_of,
)

pytestmark = pytest.mark.slow

DOCUMENTS: Final[tuple[EndpointName, ...]] = ("discovery", "jwks")


def count_documents(tenant: LocalTenant) -> dict[str, int]:
    """Return how often each document was fetched."""
    return {name: tenant.requests.count(name) for name in DOCUMENTS}


def test_a_cold_start_is_one_fetch_of_each_document(
    harness: Harness, tenant: LocalTenant, gate: Gate
) -> None:
    """However many requests come first, each document is fetched once; the tenant waits until all have
    come.
    """
    tenant.fail(gate)
    results = harness.submit(new_tokens(tenant))
    gate.await_request()
    gate.open()
    assert outcomes_of(results) == {ACCEPTED}
    assert count_documents(tenant) == {"discovery": 1, "jwks": 1}


def test_no_request_waits_for_a_refresh_ahead(
    warm: Harness, clock: Clock, tenant: LocalTenant, gate: Gate
) -> None:
    """During the refresh all requests are served, before and after the document expires."""
    seen = tenant.mint()
    assert warm.outcome(seen) == ACCEPTED
    clock.advance(DUE)
    tenant.fail(gate)
    for _ in range(3):
        assert warm.outcomes([seen, *new_tokens(tenant)]) == {ACCEPTED}
        clock.advance(COOLDOWN * 0.9)
    for document in DOCUMENTS:
        tenant.requests.wait_for(document, 2)
    gate.open()
    warm.settle()
    assert warm.outcome(seen) == ACCEPTED
    assert count_documents(tenant) == {"discovery": 2, "jwks": 2}


def test_a_refresh_ahead_may_take_longer_than_a_cooldown(
    new_harness: Callable[..., Harness], clock: Clock, tenant: LocalTenant, gate: Gate
) -> None:
    """The refresh hangs until after the expiry, and no request waits for it."""
    harness = new_harness(response_timeout=45.0, refresh_cooldown=COOLDOWN)
    harness.call("prefetch")
    clock.advance(DUE)
    tenant.fail(gate)
    for _ in range(4):
        assert harness.outcomes(new_tokens(tenant)) == {ACCEPTED}
        gate.await_request()
        clock.advance(COOLDOWN + 0.1)
    assert tenant.requests.count("jwks") == 2


def test_steady_traffic_costs_one_refresh_per_lifetime(
    warm: Harness, clock: Clock, tenant: LocalTenant
) -> None:
    """With a request every ten seconds for a quarter of an hour, each document is fetched when it is due."""
    step, steps = 10.0, 96
    for token in new_tokens(tenant, steps):
        clock.advance(step)
        assert warm.outcome(token) == ACCEPTED
        warm.settle()
    fetches = 1 + steps * step // DUE
    assert count_documents(tenant) == {"discovery": fetches, "jwks": fetches}


def test_one_refresh_after_a_time_without_traffic(
    warm: Harness, clock: Clock, tenant: LocalTenant, gate: Gate
) -> None:
    """Keys that expired without traffic are refreshed before they are used; concurrent requests share the
    refresh.
    """
    old = tenant.mint()
    tenant.rotate_keys(withdraw=True)
    clock.advance(LIFETIME)
    tenant.fail(gate, endpoint="jwks")
    results = warm.submit(new_tokens(tenant))
    gate.await_request()
    gate.open()
    assert outcomes_of(results) == {ACCEPTED}
    assert tenant.requests.count("jwks") == 2
    assert warm.outcome(old) == "unknown_key"


@pytest.mark.parametrize("age", [DUE, DUE + COOLDOWN, LIFETIME - 1])
def test_a_refresh_ahead_survives_the_request_that_started_it(
    age: float, clock: Clock, tenant: LocalTenant
) -> None:
    """The request is cancelled during the refresh, which still replaces the keys."""
    gate = Gate()

    async def main() -> None:
        async with AsyncBackendClient(**SETTINGS | tenant.settings()) as client:
            client._driver.now = clock
            await client.prefetch()
            before = await client.get_jwks()
            clock.advance(age)
            tenant.fail(gate, endpoint="jwks")
            request = asyncio.create_task(_validate_and_work(client, tenant.mint()))
            await asyncio.to_thread(gate.await_request)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            gate.open()
            await asyncio.gather(*client._driver._tasks)
            assert await client.get_jwks() is not before
            assert tenant.requests.count("jwks") == 2

    _run(main(), gate)


def test_a_fetch_survives_the_request_that_started_it(clock: Clock, tenant: LocalTenant) -> None:
    """The first request is cancelled while it waits for keys; other waiting requests get them."""
    gate = Gate()

    async def main() -> None:
        async with AsyncBackendClient(**SETTINGS | tenant.settings()) as client:
            client._driver.now = clock
            tenant.fail(gate, endpoint="jwks")
            first, *others = [
                asyncio.create_task(client.validate_access_token(token)) for token in new_tokens(tenant)
            ]
            await asyncio.to_thread(gate.await_request)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            gate.open()
            assert len(await asyncio.gather(*others)) == len(others)
            assert tenant.requests.count("jwks") == 1

    _run(main(), gate)


async def _validate_and_work(client: AsyncBackendClient, token: str) -> None:
    await client.validate_access_token(token)
    await asyncio.Event().wait()


def _run(main: Coroutine[Any, Any, None], gate: Gate) -> None:
    try:
        asyncio.run(main)
    finally:
        gate.open()
