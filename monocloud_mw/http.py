"""What flows ask of a transport, and what they get back: one HTTP exchange, as two values.

These are also the types of the ``fetcher`` option: a callable ``HttpRequest -> HttpResponse``.
A fetcher bounds the whole exchange by ``timeout_seconds``, reads at most ``max_body_bytes`` of the
body, follows no redirect and sends the request's headers as they are. A :class:`Transport` is a fetcher that
can be closed.
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
        url: absolute, used byte for byte.
        headers: names in lower case.
        body: the request body, ``None`` for none.
        timeout_seconds: bounds the whole exchange, the response body included.
        max_body_bytes: a longer response body is an error.
        mutual_tls: present our own client certificate (RFC 8705 section 2).
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
    """One response of the tenant: the status, the headers (names in lower case), the whole body."""

    status: int
    headers: Mapping[str, str] = attrs.field(default=_NO_HEADERS, converter=_frozen_headers, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)


class Transport(Protocol):
    """A fetcher with connections of its own, for threads; it is shared by all of them.

    Whoever makes one closes it: a client closes only the transport that it made itself.
    """

    def __call__(self, request: HttpRequest, /) -> HttpResponse:
        """Perform one exchange.

        Raises:
            HttpError: no whole response arrived in time, or its body is too large.
        """
        ...

    def close(self) -> None:
        """Close all idle connections; the next exchange opens new ones."""


class AsyncTransport(Protocol):
    """The same for event loops."""

    async def __call__(self, request: HttpRequest, /) -> HttpResponse:
        """Perform one exchange, as :class:`Transport`."""
        ...

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next exchange opens new ones."""
