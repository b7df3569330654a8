"""Limits for the concurrent exchanges of each kind, so that one kind never uses up all connections.

GET requests fetch documents. All others are introspections, whose number the callers of the API determine.
"""

from __future__ import annotations

import threading

from ..http import HttpRequest
from ..lifecycle.forks import reset_in_children
from .limits import DOCUMENT_CONNECTIONS, INTROSPECTION_CONNECTIONS

__all__ = ["ConnectionShares", "is_for_document"]


def is_for_document(request: HttpRequest) -> bool:
    """Return whether a request fetches a document of the tenant."""
    return request.method == "GET"


class ConnectionShares:
    """The semaphores of a synchronous transport; a forked child process starts with new ones."""

    def __init__(self) -> None:
        self.reset_after_fork()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        self._documents = threading.Semaphore(DOCUMENT_CONNECTIONS)
        self._introspections = threading.Semaphore(INTROSPECTION_CONNECTIONS)

    def of(self, request: HttpRequest) -> threading.Semaphore:
        """Return the semaphore for a request."""
        return self._documents if is_for_document(request) else self._introspections
