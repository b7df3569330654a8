"""The idle connections of a urllib3 pool, which are closed after a maximum idle time.

urllib3 itself keeps them for ever. If a gateway drops an idle connection silently, the next exchange on it
gets no response until its timeout.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from .limits import KEEP_IDLE_SECONDS

__all__ = ["IdleConnections", "new_connections_only"]

_new_only: Final = ContextVar("_new_only", default=False)


@contextmanager
def new_connections_only() -> Iterator[None]:
    """Within this context, let exchanges use only new connections."""
    token = _new_only.set(True)
    try:
        yield
    finally:
        _new_only.reset(token)


class IdleConnections(queue.LifoQueue[Any]):
    """The queue of a pool: connections, most recent first, and ``None`` for each that may still be opened."""

    def _init(self, maxsize: int) -> None:  # noqa: ARG002
        self._entries: list[tuple[float, Any]] = []  # oldest first

    def _qsize(self) -> int:
        return len(self._entries)

    def _put(self, item: Any) -> None:
        self._entries.append((time.monotonic(), item))

    def _get(self) -> Any:
        self._close_expired()
        _, connection = self._entries.pop()
        if connection is not None and _new_only.get():
            connection.close()  # it reconnects when it is used again
        return connection

    def _close_expired(self) -> None:
        oldest_allowed = time.monotonic() - KEEP_IDLE_SECONDS
        for index, (idle_since, connection) in enumerate(self._entries):
            if idle_since > oldest_allowed:
                break
            if connection is not None:
                connection.close()
                self._entries[index] = (idle_since, None)
