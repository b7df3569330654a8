"""The caller of a request with a valid access token."""

from __future__ import annotations

from starlette.authentication import BaseUser

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.protect.guard import Guard

__all__ = ["AccessTokenUser"]


class AccessTokenUser(BaseUser):
    """The caller of a request: ``request.user``.

    Args:
        claims: the claims of the token.
        guard: the guard that validated the token.
    """

    def __init__(self, claims: AccessTokenClaims, guard: Guard) -> None:
        self.claims = claims
        self._guard = guard

    @property
    def is_authenticated(self) -> bool:
        """Always true."""
        return True

    @property
    def display_name(self) -> str:
        """The claim ``name``, or the identity if there is none."""
        name = self.claims.get("name")
        return name if isinstance(name, str) else self.identity

    @property
    def identity(self) -> str:
        """The subject, or ``client_id`` if the token has no subject; empty if it has neither."""
        return self.claims.subject or self.claims.client_id or ""

    def check(self, requirements: Requirements, *, method: str, url: str) -> None:
        """Check the requirements of a view.

        Raises:
            Refused: the token lacks a scope or group.
        """
        self._guard.check_again(self.claims, requirements, method=method, url=url)
