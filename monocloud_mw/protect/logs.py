"""Writes refused requests to the logger ``monocloud_mw``.

- A request without a token is DEBUG, a refused token INFO: mistakes of the caller.
- A tenant that cannot be reached or refuses our client is a WARNING, a wrong configuration an ERROR.

No token, secret or foreign text that is not escaped is written.
"""

from __future__ import annotations

import logging
import traceback
from typing import Final

from ..errors import (
    AuthorizationServerError,
    ConfigurationError,
    CredentialsError,
    HttpError,
    MonoCloudError,
    TokenError,
    quoted,
)

__all__ = ["log_refusal"]

_LOGGER: Final = logging.getLogger("monocloud_mw")


def log_refusal(error: Exception, *, method: str = "", path: str = "", status: int = 0) -> None:
    """Write why a request was refused; method, path and status are fields of the record."""
    extra = {"method": quoted(method), "path": quoted(path), "status": status}
    if isinstance(error, CredentialsError):
        _LOGGER.debug("Request refused: %s", error, extra=extra)
    elif isinstance(error, TokenError):
        _LOGGER.info(
            "Access token refused: %s [%s] (key id %s, issuer %s)",
            error,
            error.reason,
            error.key_id or "unknown",
            error.issuer or "unknown",
            extra=extra,
        )
    elif isinstance(error, HttpError) and not error.temporary:
        _LOGGER.error("Access token not checked: %s", error, extra=extra)
    elif isinstance(error, AuthorizationServerError):
        _LOGGER.warning("Access token not checked: %s", error, extra=extra)
    elif isinstance(error, ConfigurationError):
        _LOGGER.error("Access token not checked: %s%s", error, _origin(error.__cause__), extra=extra)
    else:
        _LOGGER.error("Access token not checked: %s%s", type(error).__name__, _origin(error), extra=extra)


def _origin(error: BaseException | None) -> str:
    """Say where foreign code raised an error; its message is left out, since it may hold a token."""
    if error is None or isinstance(error, MonoCloudError):
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    return f" (raised at {frames[-1].filename}:{frames[-1].lineno})" if frames else ""
