"""One resource per event loop: who gets it and when it is closed."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import attrs

from monocloud_mw.lifecycle.event_loops import PerLoop


@attrs.define(eq=False)
class Resource:
    """A resource that records the loop on which it was closed."""

    closed_on: asyncio.AbstractEventLoop | None = None

    async def close(self) -> None:
        assert self.closed_on is None
        self.closed_on = asyncio.get_running_loop()


def _per_loop() -> tuple[PerLoop[Resource], list[Resource]]:
    made: list[Resource] = []

    def make() -> Resource:
        made.append(Resource())
        return made[-1]

    return PerLoop(make, Resource.close), made


def test_tasks_of_one_loop_share_one_resource() -> None:
    """However many tasks need it at once, one resource is created."""
    per_loop, made = _per_loop()

    async def ask() -> None:
        resources = await asyncio.gather(*(per_loop.get() for _ in range(100)))
        assert set(resources) == {made[0]}

    asyncio.run(ask())
    assert len(made) == 1


def test_a_loop_that_shuts_down_closes_its_resource() -> None:
    """The resource is closed on its own loop while that still runs."""
    per_loop, made = _per_loop()

    async def ask() -> asyncio.AbstractEventLoop:
        assert (await per_loop.get()).closed_on is None
        return asyncio.get_running_loop()

    loops = [asyncio.run(ask()) for _ in range(3)]
    assert [resource.closed_on for resource in made] == loops


def test_loops_in_threads_do_not_share() -> None:
    """Each of several concurrent loops has its own resource."""
    per_loop, made = _per_loop()
    together = Barrier(4)

    async def ask() -> Resource:
        together.wait(timeout=30)
        resource = await per_loop.get()
        together.wait(timeout=30)
        assert await per_loop.get() is resource
        return resource

    with ThreadPoolExecutor(4) as threads:
        resources = list(threads.map(lambda _: asyncio.run(ask()), range(4)))
    assert len(set(resources)) == 4
    assert all(resource.closed_on is not None for resource in made)


def test_closing_affects_the_running_loop() -> None:
    """Closing early happens once, and the next call creates a new resource."""
    per_loop, made = _per_loop()

    async def ask() -> None:
        await per_loop.aclose()
        first = await per_loop.get()
        await per_loop.aclose()
        await per_loop.aclose()
        assert first.closed_on is asyncio.get_running_loop()
        assert await per_loop.get() is not first

    asyncio.run(ask())
    assert len(made) == 2
    assert all(resource.closed_on is not None for resource in made)


def test_a_loop_closed_without_shutdown_is_forgotten() -> None:
    """A loop that was closed without closing its generators leaks no memory and does not affect the next
    loop.
    """
    per_loop, made = _per_loop()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(per_loop.get())
    loop.close()

    async def ask() -> Resource:
        return await per_loop.get()

    second = asyncio.run(ask())
    gc.collect()
    assert made == [made[0], second]
    assert (made[0].closed_on, per_loop._lifespans) == (None, {})
