"""How a local tenant refuses a request: RFC 6749 section 5.2."""

from __future__ import annotations

from typing import Final

__all__ = ["OAuthError"]

_STATUSES: Final = {"invalid_client": 401}


class OAuthError(Exception):
    """A refusal that the caller sees.

    Args:
        error: the code, ``invalid_request`` for example.
        description: what is wrong, for the developer who reads it; never a secret.
    """

    def __init__(self, error: str, description: str) -> None:
        self.error = error
        self.description = description
        self.status = _STATUSES.get(error, 400)
        super().__init__(f"{error}: {description}")
