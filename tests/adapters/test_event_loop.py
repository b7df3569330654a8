"""The event loop is not blocked while the tenant is slow."""

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

# On a busy machine even an idle loop has gaps. Each attempt therefore also measures a loop that only waits
# for the same responses, and allows for its gaps.
ATTEMPTS = 10
NOISE_FACTOR = 2


async def _longest_gap(activity: Awaitable[Any]) -> tuple[Any, float]:
    """Return the result and the longest time between two turns of the loop."""
    waiting_for = asyncio.ensure_future(activity)
    longest, last = 0.0, time.perf_counter()
    while not waiting_for.done():
        await asyncio.sleep(0)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return await waiting_for, longest


async def _serve(tenant: LocalTenant) -> tuple[list[int], float]:
    """Validate a JWT and an opaque token with empty caches; return the statuses and the longest gap."""
    tokens = [tenant.mint(scopes="api"), tenant.mint_opaque(scopes="api")]
    async with AsyncBackendClient(**tenant.settings(tenant.client)) as client:
        app = create_asgi_app(client)
        scopes = [http_scope("GET", "/me", [("Authorization", f"Bearer {token}")]) for token in tokens]
        started = time.perf_counter()
        answers, longest = await _longest_gap(asyncio.gather(*(exchange(app, scope) for scope in scopes)))
        assert time.perf_counter() - started >= TENANT_SECONDS
        return [messages[0]["status"] for messages in answers], longest


async def _only_wait(tenant: LocalTenant) -> float:
    """Return the longest gap while threads only fetch two documents of the same tenant."""

    def fetch() -> None:
        urllib.request.urlopen(f"{tenant.domain}/.well-known/openid-configuration").close()

    _, longest = await _longest_gap(asyncio.gather(asyncio.to_thread(fetch), asyncio.to_thread(fetch)))
    return longest


def test_a_slow_tenant_never_blocks_the_event_loop(tenant: LocalTenant) -> None:
    """Discovery, keys and introspection leave the event loop free for other tasks."""
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
