"""The active faults of a local tenant, and the requests they apply to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import attrs

from ..faults import Fault
from .endpoints import EndpointName

__all__ = ["ActiveFaults"]


@attrs.define(eq=False)
class _ActiveFault:
    fault: Fault
    endpoint: EndpointName | None
    left: int | None


class ActiveFaults:
    """The active faults; thread-safe. The most recently added fault applies first."""

    def __init__(self) -> None:
        self._active: list[_ActiveFault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault, endpoint: EndpointName | None, times: int | None) -> Callable[[], None]:
        """Activate a fault; return a function that removes it."""
        active = _ActiveFault(fault, endpoint, times)
        with self._lock:
            self._active.append(active)

        def remove() -> None:
            with self._lock, contextlib.suppress(ValueError):
                self._active.remove(active)

        return remove

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._active.clear()

    def take(self, endpoint: EndpointName) -> Fault | None:
        """Return the fault for one request to an endpoint, and count it."""
        with self._lock:
            for active in reversed(self._active):
                if active.endpoint not in (None, endpoint):
                    continue
                if active.left is not None:
                    active.left -= 1
                    if active.left <= 0:
                        self._active.remove(active)
                return active.fault
        return None
