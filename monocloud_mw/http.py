"""HTTP requests to the tenant and their responses, as values, and the interface of transports.

They are also the types of the ``fetcher`` option: a callable ``HttpRequest -> HttpResponse``. A fetcher must
limit the whole exchange to ``timeout_seconds``, read at most ``max_body_bytes`` of the body, follow no
redirects and send the request's headers unchanged. A :class:`Transport` is a fetcher that can be closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

import attrs

__all__ = ["AsyncTransport", "HttpRequest", "HttpResponse", "Transport"]

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


def _frozen_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({name.lower(): value for name, value in headers.items()})


@attrs.frozen(kw_only=True)
class HttpRequest:
    """One request to the tenant.

    Args:
        method: ``GET`` or ``POST``.
        url: the absolute URL, sent unchanged.
        headers: names in lower case.
        body: the request body, or ``None``.
        timeout_seconds: time limit for the whole exchange, including the response body.
        max_body_bytes: a longer response body is an error.
        mutual_tls: authenticate with the API's own client certificate (RFC 8705 section 2).
    """

    method: str = "GET"
    url: str
    headers: Mapping[str, str] = attrs.field(default=_NO_HEADERS, converter=_frozen_headers, repr=False)
    body: bytes | None = attrs.field(default=None, repr=False)
    timeout_seconds: float
    max_body_bytes: int
    mutual_tls: bool = False


@attrs.frozen(kw_only=True)
class HttpResponse:
    """One response of the tenant: status, headers (names in lower case) and the complete body."""

    status: int
    headers: Mapping[str, str] = attrs.field(default=_NO_HEADERS, converter=_frozen_headers, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)


class Transport(Protocol):
    """A fetcher with its own connections that several threads can share.

    The code that creates a transport closes it: a client closes only a transport that it created itself.
    """

    def __call__(self, request: HttpRequest, /) -> HttpResponse:
        """Perform one exchange.

        Raises:
            HttpError: no complete response arrived in time, or its body is too large.
        """
        ...

    def close(self) -> None:
        """Close all idle connections; the next exchange opens new ones."""


class AsyncTransport(Protocol):
    """The async version of :class:`Transport`."""

    async def __call__(self, request: HttpRequest, /) -> HttpResponse:
        """Perform one exchange.

        Raises:
            HttpError: no complete response arrived in time, or its body is too large.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next exchange opens new ones."""
