"""What a caller presents with one request: the one value that goes from the adapters to the checks."""

from __future__ import annotations

import attrs

__all__ = ["Presented"]


@attrs.frozen
class Presented:
    """An access token, and what else a request shows that a token may be bound to.

    Args:
        token: the access token as it was sent, without its scheme.
        scheme: the authentication scheme that it came with (RFC 9110 section 11.1).
        client_certificate: the caller's certificate: PEM text, PEM or DER bytes (RFC 8705 section 3).
        method: the HTTP method of the request.
        url: the URL of the request, or its path where that is all that is known.
    """

    token: str = attrs.field(repr=False)
    scheme: str = "Bearer"
    client_certificate: str | bytes | None = attrs.field(default=None, repr=False)
    method: str = ""
    url: str = attrs.field(default="", repr=False)
