"""Runs a synchronous fetcher in a worker thread; its timeout excludes the wait for a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..http import HttpRequest

__all__ = ["FetchInWorker", "bounds_exchanges"]


class FetchInWorker:
    """A synchronous fetcher whose timeout starts when a worker thread calls it, not while it is queued."""

    timeout: asyncio.Timeout

    def __init__(self, fetch: Callable[[HttpRequest], Any]) -> None:
        self._fetch = fetch
        self._loop = asyncio.get_running_loop()
        self.has_begun = False

    def __call__(self, request: HttpRequest) -> Any:
        self._loop.call_soon_threadsafe(self._begin, request.timeout_seconds)
        return self._fetch(request)

    def _begin(self, timeout_seconds: float) -> None:
        self.has_begun = True
        until = None if bounds_exchanges(self._fetch) else self._loop.time() + timeout_seconds
        with suppress(RuntimeError):  # the caller has stopped waiting
            self.timeout.reschedule(until)


def bounds_exchanges(fetch: object) -> bool:
    """Return whether a fetcher limits the time of an exchange itself, as the transports do."""
    return getattr(fetch, "bounds_exchanges", False) is True
