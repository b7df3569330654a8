"""Call an asynchronous transport from threads, on an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Self

from monocloud_mw.http import HttpRequest, HttpResponse
from monocloud_mw.transports.httpcore2 import Httpcore2Transport

__all__ = ["OnEventLoop"]


class OnEventLoop:
    """Calls a transport on its own event loop; leaving closes the loop and not the transport's
    connections.
    """

    def __init__(self, transport: Httpcore2Transport) -> None:
        self._transport = transport
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    async def _live(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        await self._stopped.wait()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return asyncio.run_coroutine_threadsafe(self._transport(request), self._loop).result()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._transport.aclose(), self._loop).result()
