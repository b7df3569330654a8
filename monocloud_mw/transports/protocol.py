"""The protocols of transports: a callable that performs one HTTP exchange, and a method to close it.

Both transports of this package follow these rules; ``tests/transports/test_contract.py`` tests each of them:

- URL, headers and body are sent unchanged; redirects are not followed, cookies are not stored;
- a response with any final status (200 and up) is returned; interim responses (100, 102, 103) are skipped;
- an exchange takes at most ``timeout_seconds`` from when it has a connection. Waiting for a connection is
  also limited to ``timeout_seconds``, and fails with ``HttpError.local``;
- GET requests (documents) and others (introspections) have separate limits for connections;
- a kept connection that fails before any byte of a response is replaced once, within the same timeout.

References: RFC 9110 section 15.2, RFC 9112 sections 9.3.1 and 9.5.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol

from ..http import HttpRequest, HttpResponse

__all__ = ["AsyncTransport", "Transport"]


class Transport(Protocol):
    """Performs HTTP exchanges synchronously.

    Attributes:
        bounds_exchanges: true if the transport enforces the timeouts itself, so that drivers need not.
    """

    bounds_exchanges: ClassVar[Literal[True]]

    def __call__(self, request: HttpRequest, /) -> HttpResponse:
        """Perform one exchange.

        Raises:
            HttpError: no whole response arrived in time, or it is larger than ``max_body_bytes``.
        """
        ...

    def close(self) -> None:
        """Close all idle connections; the next exchange opens new ones."""
        ...


class AsyncTransport(Protocol):
    """Performs HTTP exchanges on event loops.

    Attributes:
        bounds_exchanges: as for :class:`Transport`.
    """

    bounds_exchanges: ClassVar[Literal[True]]

    async def __call__(self, request: HttpRequest, /) -> HttpResponse:
        """Perform one exchange.

        Raises:
            HttpError: no whole response arrived in time, or it is larger than ``max_body_bytes``.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next exchange opens new ones."""
        ...
