"""Turns an error into what the caller sees, and into what the log keeps.

===========================================  ======  ====================================================
error                                        status  ``WWW-Authenticate`` (RFC 6750 section 3)
===========================================  ======  ====================================================
no credentials, or another scheme            401     ``Bearer``
malformed ``Authorization: Bearer``          400     ``Bearer error="invalid_request"``
token refused                                401     ``Bearer error="invalid_token", error_description="..."``
scope or group missing                       403     ``Bearer error="insufficient_scope"``, ``scope="..."``
tenant unreachable, overloaded or unusable   503     none; ``Retry-After`` (the tenant's own, or 30 s)
anything else                                500     none
===========================================  ======  ====================================================

The caller gets fixed sentences only; causes, the key id and the issuer go to the logger
``monocloud_mw``. No token, secret or foreign text that is not escaped reaches either.
"""

from __future__ import annotations

import json
import logging
import math
import re
import traceback
from typing import Final

import attrs

from ..errors import (
    AuthorizationServerError,
    ConfigurationError,
    CredentialsError,
    HttpError,
    MonoCloudError,
    TokenError,
)

__all__ = ["RETRY_AFTER_SECONDS", "ErrorResponse", "error_response", "log_refusal"]

RETRY_AFTER_SECONDS: Final = 30
"""Where the error does not say when to try again: the default ``refresh_cooldown``."""

_LOGGER: Final = logging.getLogger("monocloud_mw")

# scope-token of RFC 6749 section 3.3: nothing in it needs quoting.
_SCOPE_TOKEN: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


@attrs.frozen(kw_only=True)
class ErrorResponse:
    """A response to a request that does not pass."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def error_response(error: Exception) -> ErrorResponse:
    """Return the response to an error, as the table at the top says."""
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


def log_refusal(error: Exception) -> None:
    """Write an error to the log: the caller's mistakes quietly, ours and the tenant's aloud."""
    if isinstance(error, CredentialsError):
        _LOGGER.debug("Request refused: %s", error)
    elif isinstance(error, TokenError):
        _LOGGER.info(
            "Access token refused: %s [%s] (key id %s, issuer %s)",
            error,
            error.reason,
            error.key_id or "unknown",
            error.issuer or "unknown",
        )
    elif isinstance(error, HttpError) and not error.temporary:
        _LOGGER.error("Access token not checked: %s", error)
    elif isinstance(error, AuthorizationServerError):
        _LOGGER.warning("Access token not checked: %s", error)
    elif isinstance(error, ConfigurationError):
        _LOGGER.error("Access token not checked: %s%s", error, _origin(error.__cause__))
    else:
        _LOGGER.error("Access token not checked: %s%s", type(error).__name__, _origin(error))


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
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            *headers,
        ),
        body=body,
    )


def _origin(error: BaseException | None) -> str:
    """Say where foreign code raised an error; its message is left out, since it may hold a token."""
    if error is None or isinstance(error, MonoCloudError):
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    return f" (raised at {frames[-1].filename}:{frames[-1].lineno})" if frames else ""
