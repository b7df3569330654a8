"""The requests that a local tenant has received, for tests to count."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import attrs

from .endpoints import EndpointName

__all__ = ["RecordedRequest", "RequestLog"]


@attrs.frozen(kw_only=True)
class RecordedRequest:
    """One request: its method, path and endpoint (``None`` for an unknown path)."""

    method: str
    path: str
    endpoint: EndpointName | None


class RequestLog:
    """The requests so far, in order of arrival; thread-safe."""

    def __init__(self) -> None:
        self._requests: list[RecordedRequest] = []
        self._changed = threading.Condition()

    def __iter__(self) -> Iterator[RecordedRequest]:
        with self._changed:
            return iter(tuple(self._requests))

    def __len__(self) -> int:
        with self._changed:
            return len(self._requests)

    def count(self, endpoint: EndpointName) -> int:
        """Return the number of requests to an endpoint."""
        return sum(request.endpoint == endpoint for request in self)

    def wait_for(self, endpoint: EndpointName, count: int = 1, timeout_seconds: float = 10.0) -> None:
        """Wait until an endpoint has received ``count`` requests.

        Raises:
            TimeoutError: it has not received them in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.count(endpoint) >= count, timeout_seconds):
                raise TimeoutError(f"{endpoint} had {self.count(endpoint)} requests, not {count}")

    def clear(self) -> None:
        """Remove all requests."""
        with self._changed:
            self._requests.clear()

    def record(self, request: RecordedRequest) -> None:
        """Add a request; called by the tenant."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()
