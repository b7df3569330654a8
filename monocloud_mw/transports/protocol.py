"""What a transport is: a callable that performs one HTTP exchange, and can be closed.

Both transports of this package keep to these rules; ``tests/transports/test_contract.py`` shows each of them:

- the URL, the headers and the body go out as they are; redirects are not followed, cookies are not kept;
- every final status (200 and up) is an answer, 203 too; interim ones (100, 102, 103) are skipped;
- an exchange takes at most ``timeout_seconds`` from when it holds a connection. Waiting for a connection
  is bounded by ``timeout_seconds`` too, and fails with ``HttpError.local``;
- GET requests (documents) and others (introspections) have separate shares of the connections;
- a kept connection that fails before any byte of an answer is replaced once, within the same time.

References: RFC 9110 section 15.2, RFC 9112 sections 9.3.1 and 9.5.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol

from ..http import HttpRequest, HttpResponse

__all__ = ["AsyncTransport", "Transport"]


class Transport(Protocol):
    """Performs HTTP exchanges for threads.

    Attributes:
        bounds_exchanges: says that the rules on time are kept, so that no driver has to enforce them.
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
