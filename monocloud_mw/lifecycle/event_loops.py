"""The running event loop, and one resource per event loop, closed when its event loop shuts down.

Asynchronous connections belong to the event loop that opened them, but one cache may be used on several event
loops: one per thread, or one after another. An event loop that shuts down closes the asynchronous generators
that were started on it (``asyncio.run``, ``asyncio.Runner`` and the servers that use them do so; PEP 525).
Each resource is therefore owned by an asynchronous generator.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

__all__ = ["PerLoop", "running_loop"]

T = TypeVar("T")


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs the caller, or ``None``."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class _Lifespan(NamedTuple, Generic[T]):
    resource: T
    generator: AsyncGenerator[T, None]


class PerLoop(Generic[T]):
    """Creates a resource on first use in an event loop, and closes it in the same event loop.

    Args:
        make: returns a new resource, without waiting.
        close: closes it; must not raise.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._lifespans: dict[asyncio.AbstractEventLoop, _Lifespan[T]] = {}

    async def get(self) -> T:
        """Return the resource of the running event loop; never switches to another task."""
        loop = asyncio.get_running_loop()
        lifespan = self._lifespans.get(loop)
        if lifespan is None:
            self._forget_ended_loops()
            generator = self._generate(loop)
            lifespan = self._lifespans[loop] = _Lifespan(await anext(generator), generator)
        return lifespan.resource

    async def aclose(self) -> None:
        """Close the resource of the running event loop, if there is one."""
        lifespan = self._lifespans.get(asyncio.get_running_loop())
        if lifespan is not None:
            await lifespan.generator.aclose()

    async def _generate(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[T, None]:
        resource = self._make()
        try:
            yield resource
        finally:
            self._lifespans.pop(loop, None)
            await self._close(resource)

    def _forget_ended_loops(self) -> None:
        """Drop the resources of event loops that were closed without closing their generators."""
        for loop in list(self._lifespans):
            if loop.is_closed():
                self._lifespans.pop(loop, None)
