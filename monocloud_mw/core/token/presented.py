"""The access token and related values of one request, passed from the adapters to the checks."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Presented"]


class Presented(NamedTuple):
    """An access token, and the parts of the request that the token may be bound to.

    A named tuple, because one is created for every request, and creating an attrs class takes four times as
    long.

    Args:
        token: the access token as it was sent, without its scheme.
        scheme: the authentication scheme (RFC 9110 section 11.1).
        client_certificate: the caller's certificate: PEM text, PEM or DER bytes (RFC 8705 section 3).
        method: the HTTP method of the request.
        url: the URL of the request, or its path if only that is known.
    """

    token: str
    scheme: str = "Bearer"
    client_certificate: str | bytes | None = None
    method: str = ""
    url: str = ""

    def __repr__(self) -> str:
        """Return a representation without the token and the certificate."""
        return f"Presented(scheme={self.scheme!r}, method={self.method!r})"
