"""What a caller presents with one request: the one value that goes from the adapters to the checks."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Presented"]


class Presented(NamedTuple):
    """An access token, and what else a request shows that a token may be bound to.

    A named tuple, since one is made for every request and an attrs class takes four times as long to make.

    Args:
        token: the access token as it was sent, without its scheme.
        scheme: the authentication scheme that it came with (RFC 9110 section 11.1).
        client_certificate: the caller's certificate: PEM text, PEM or DER bytes (RFC 8705 section 3).
        method: the HTTP method of the request.
        url: the URL of the request, or its path where that is all that is known.
    """

    token: str
    scheme: str = "Bearer"
    client_certificate: str | bytes | None = None
    method: str = ""
    url: str = ""

    def __repr__(self) -> str:
        """Show neither the token nor the certificate."""
        return f"Presented(scheme={self.scheme!r}, method={self.method!r})"
