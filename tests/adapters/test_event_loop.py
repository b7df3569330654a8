"""The event loop is never blocked, however slowly the tenant answers."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Awaitable
from typing import Any

from monocloud_mw import AsyncBackendClient
from monocloud_mw.testing import LocalTenant
from monocloud_mw.testing.faults import FAULTS

from .exchange import exchange, http_scope
from .sample_api import create_asgi_app

TENANT_SECONDS = 0.15
MAX_GAP_SECONDS = 0.005

# A busy machine holds a loop up by itself, so what it does to a loop that only waits for the same answers
# is measured beside each attempt, and allowed for.
ATTEMPTS = 10
NOISE_FACTOR = 2


async def _longest_gap(activity: Awaitable[Any]) -> tuple[Any, float]:
    """Return a result, and the longest time for which the loop did not get round to us meanwhile."""
    waiting_for = asyncio.ensure_future(activity)
    longest, last = 0.0, time.perf_counter()
    while not waiting_for.done():
        await asyncio.sleep(0)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return await waiting_for, longest


async def _serve(tenant: LocalTenant) -> tuple[list[int], float]:
    """Serve a JWT and an opaque token with nothing in memory; return the statuses and the longest gap."""
    tokens = [tenant.mint(scopes="api"), tenant.mint_opaque(scopes="api")]
    async with AsyncBackendClient(**tenant.settings(tenant.client)) as client:
        app = create_asgi_app(client)
        scopes = [http_scope("GET", "/me", [("Authorization", f"Bearer {token}")]) for token in tokens]
        started = time.perf_counter()
        answers, longest = await _longest_gap(asyncio.gather(*(exchange(app, scope) for scope in scopes)))
        assert time.perf_counter() - started >= TENANT_SECONDS
        return [messages[0]["status"] for messages in answers], longest


async def _only_wait(tenant: LocalTenant) -> float:
    """Return the longest gap while threads do nothing but fetch two documents of the same tenant."""

    def fetch() -> None:
        urllib.request.urlopen(f"{tenant.domain}/.well-known/openid-configuration").close()

    _, longest = await _longest_gap(asyncio.gather(asyncio.to_thread(fetch), asyncio.to_thread(fetch)))
    return longest


def test_a_slow_tenant_never_blocks_the_event_loop(tenant: LocalTenant) -> None:
    """While discovery, keys and introspection take their time, everything else on the loop goes on."""
    seen = []
    with tenant.failing(FAULTS["delay"](TENANT_SECONDS)):
        for _ in range(ATTEMPTS):
            statuses, gap = asyncio.run(_serve(tenant))
            assert statuses == [200, 200]
            allowed = max(MAX_GAP_SECONDS, NOISE_FACTOR * asyncio.run(_only_wait(tenant)))
            seen.append((gap, allowed))
            if gap < allowed:
                return
    raise AssertionError(f"the event loop was blocked: {seen}")
