"""How many exchanges of each kind may run at once, so that neither kind takes the connections of the other.

GET requests fetch documents; all others are introspections, whose number callers decide.
"""

from __future__ import annotations

import threading

from ..http import HttpRequest
from ..lifecycle.forks import reset_in_children
from .limits import DOCUMENT_CONNECTIONS, INTROSPECTION_CONNECTIONS

__all__ = ["ConnectionShares", "is_for_document"]


def is_for_document(request: HttpRequest) -> bool:
    """Tell whether a request fetches a document of the tenant."""
    return request.method == "GET"


class ConnectionShares:
    """The shares of a transport for threads; a forked child starts with all of them free."""

    def __init__(self) -> None:
        self.reset_after_fork()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        self._documents = threading.Semaphore(DOCUMENT_CONNECTIONS)
        self._introspections = threading.Semaphore(INTROSPECTION_CONNECTIONS)

    def of(self, request: HttpRequest) -> threading.Semaphore:
        """Return the share that a request counts against."""
        return self._documents if is_for_document(request) else self._introspections
