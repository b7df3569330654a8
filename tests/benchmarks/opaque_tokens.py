"""Measures concurrent introspections of opaque tokens at a slow tenant, on one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Coroutine, Iterator
from typing import Any, Final

from monocloud_mw import AsyncBackendClient

from .apps import TENANT_SECONDS
from .harness import Measurement
from .processes import uvicorn
from .report import Bar, Effort, Section
from .tokens import AUDIENCE

__all__ = ["measure_opaque_tokens"]

TOKENS: Final = 200
SINGLE_TOKENS: Final = 20  # all of them, one after the other, would only take longer
MAX_ROUNDS: Final = 5
TICK_SECONDS: Final = 0.001

ONE_BY_ONE: Final = "one after the other, each"
AT_ONCE: Final = f"{TOKENS} at once, each"
STEP: Final = "its longest step"
DELAY: Final = "longest delay of a task beside"
NOISE: Final = "the same, if all only sleep"


def measure_opaque_tokens(effort: Effort) -> Iterator[Section]:
    """Distinct opaque tokens; the tenant responds to each introspection after 50 ms."""
    with uvicorn("tenant_app") as server:
        rounds = [
            asyncio.run(_round(f"http://127.0.0.1:{server.port}", number))
            for number in range(min(effort.rounds, MAX_ROUNDS))
        ]
    found = {name: Measurement(name, tuple(one[name] for one in rounds)) for name in rounds[0]}
    one_by_one, at_once = found.pop(ONE_BY_ONE), found.pop(AT_ONCE)
    yield Section(
        name="opaque",
        title=f"opaque tokens, tenant answers in {TENANT_SECONDS * 1000:.0f} ms",
        measurements=(one_by_one, at_once),
        bars=(Bar.at_least(15, "at once to one after the other", one_by_one.over(at_once)),),
    )
    yield Section(
        name="opaque-loop",
        title=f"the event loop, with {TOKENS} at once",
        measurements=tuple(found.values()),
        bars=(Bar.at_most(TENANT_SECONDS, "no step of it waits for the tenant", found[STEP]),),
        notes=(f"the task wants to run every {TICK_SECONDS * 1000:.0f} ms",),
    )


async def _round(tenant: str, number: int) -> dict[str, float]:
    """Return the seconds per token, in sequence and concurrently, and the delays of the event loop."""
    settings: dict[str, Any] = {
        "tenant_domain": tenant,
        "audience": AUDIENCE,
        "client_id": "api",
        "client_secret": "benchmark-secret",  # the tenant accepts any secret
    }
    async with AsyncBackendClient(**settings) as client:
        await _all_at_once(client, f"warm-{number}")
        start = time.perf_counter()
        for token in range(SINGLE_TOKENS):
            await client.validate_access_token(f"single-{number}-{token}")
        one_by_one = (time.perf_counter() - start) / SINGLE_TOKENS
        start = time.perf_counter()
        await _all_at_once(client, f"many-{number}")
        at_once = (time.perf_counter() - start) / TOKENS
        return {
            ONE_BY_ONE: one_by_one,
            AT_ONCE: at_once,
            STEP: await _longest_step(_all_at_once(client, f"watched-{number}")),
            DELAY: await _longest_delay(_all_at_once(client, f"beside-{number}")),
            NOISE: await _longest_delay(
                asyncio.gather(*(asyncio.sleep(TENANT_SECONDS) for _ in range(TOKENS)))
            ),
        }


async def _all_at_once(client: AsyncBackendClient, name: str) -> None:
    await asyncio.gather(*(client.validate_access_token(f"{name}-{token}") for token in range(TOKENS)))


async def _longest_delay(activity: Awaitable[Any]) -> float:
    """Return the longest delay, in seconds, of a task that only sleeps."""
    working = asyncio.ensure_future(activity)
    longest = 0.0
    while not working.done():
        due = time.perf_counter() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        longest = max(longest, time.perf_counter() - due)
    await working
    return longest


async def _longest_step(activity: Coroutine[Any, Any, None]) -> float:
    """Return the duration of the longest callback on the event loop, in seconds.

    The loop's debug mode would tell as well, but it makes every step longer.
    """
    run_step, longest = asyncio.Handle._run, 0.0

    def timed(handle: asyncio.Handle) -> None:
        nonlocal longest
        start = time.perf_counter()
        run_step(handle)
        longest = max(longest, time.perf_counter() - start)

    asyncio.Handle._run = timed  # type: ignore[method-assign, assignment]
    try:
        await asyncio.create_task(activity)
    finally:
        asyncio.Handle._run = run_step  # type: ignore[method-assign]
    return longest
