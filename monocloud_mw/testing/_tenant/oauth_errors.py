"""Error responses of a local tenant (RFC 6749 section 5.2)."""

from __future__ import annotations

from typing import Final

__all__ = ["OAuthError"]

_STATUSES: Final = {"invalid_client": 401}


class OAuthError(Exception):
    """An error response to the caller.

    Args:
        error: the code, such as ``invalid_request``.
        description: what is wrong, for developers; never contains a secret.
    """

    def __init__(self, error: str, description: str) -> None:
        self.error = error
        self.description = description
        self.status = _STATUSES.get(error, 400)
        super().__init__(f"{error}: {description}")
