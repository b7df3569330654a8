"""Turns an error into the response for the caller.

===========================================  ======  ====================================================
error                                        status  ``WWW-Authenticate`` (RFC 6750 section 3)
===========================================  ======  ====================================================
no credentials, or another scheme            401     ``Bearer``
malformed ``Authorization: Bearer``          400     ``Bearer error="invalid_request"``
invalid token                                401     ``Bearer error="invalid_token", error_description="..."``
scope or group missing                       403     ``Bearer error="insufficient_scope"``, ``scope="..."``
tenant unreachable, overloaded or unusable   503     none; ``Retry-After`` (the tenant's own, or 30 s)
anything else                                500     none
===========================================  ======  ====================================================

The caller gets one fixed sentence per reason. Details are logged (:mod:`.logs`).
"""

from __future__ import annotations

import json
import math
import re
from typing import Final, Self

import attrs

from ..errors import (
    CredentialsError,
    HttpError,
    TokenError,
)

__all__ = ["RETRY_AFTER_SECONDS", "ErrorResponse", "error_response"]

RETRY_AFTER_SECONDS: Final = 30
"""``Retry-After`` of errors without ``retry_after``: the default ``refresh_cooldown``."""

# scope-token of RFC 6749 section 3.3; its characters need no quoting.
_SCOPE_TOKEN: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


@attrs.frozen(kw_only=True)
class ErrorResponse:
    """The response to a refused request.

    Args:
        status: the HTTP status.
        headers: name and value of each header; the adapter adds ``Content-Length``.
        body: a JSON object with ``error`` and ``error_description``, unless replaced with ``with_body``.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def description(self) -> str:
        """The sentence for the caller in a body that was not replaced: its ``error_description``."""
        return str(json.loads(self.body)["error_description"])

    def with_body(self, body: bytes, content_type: str) -> Self:
        """Return a copy with another body; the status and all other headers are kept."""
        others = tuple(header for header in self.headers if header[0] != "Content-Type")
        return attrs.evolve(self, headers=(("Content-Type", content_type), *others), body=body)


def error_response(error: Exception) -> ErrorResponse:
    """Return the response to an error; see the table above."""
    if isinstance(error, CredentialsError):
        if error.malformed:
            return _refusal(
                400,
                "invalid_request",
                "The Authorization header is malformed",
                ("WWW-Authenticate", 'Bearer error="invalid_request"'),
            )
        return _refusal(401, "unauthorized", "An access token is required", ("WWW-Authenticate", "Bearer"))
    if isinstance(error, TokenError):
        return _refuse_token(error)
    if isinstance(error, HttpError) and error.temporary:
        return _refusal(
            503,
            "temporarily_unavailable",
            "Access tokens cannot be checked at the moment",
            ("Retry-After", str(math.ceil(error.retry_after or RETRY_AFTER_SECONDS))),
        )
    return _refusal(500, "server_error", "The request could not be authenticated")


def _refuse_token(error: TokenError) -> ErrorResponse:
    if error.code in ("insufficient_scope", "insufficient_groups"):
        challenge = 'Bearer error="insufficient_scope"'
        scopes = " ".join(scope for scope in error.scopes if _SCOPE_TOKEN.fullmatch(scope))
        if scopes:
            challenge += f', scope="{scopes}"'
        return _refusal(403, "insufficient_scope", error.description, ("WWW-Authenticate", challenge))
    challenge = f'Bearer error="invalid_token", error_description="{error.description}"'
    return _refusal(401, "invalid_token", error.description, ("WWW-Authenticate", challenge))


def _refusal(status: int, error: str, description: str, *headers: tuple[str, str]) -> ErrorResponse:
    body = json.dumps({"error": error, "error_description": description}).encode()
    return ErrorResponse(
        status=status,
        headers=(
            ("Content-Type", "application/json"),
            ("Cache-Control", "no-store"),
            *headers,
        ),
        body=body,
    )
