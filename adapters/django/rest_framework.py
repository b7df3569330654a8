"""REST framework: an authentication class, and permissions for scopes and groups.

::

    class Orders(APIView):
        authentication_classes = [AccessTokenAuthentication]
        permission_classes = [HasScopes("orders:read") & ~HasGroups("suspended")]

- ``request.auth`` are the claims, ``request.user`` is a :class:`TokenUser`, or what ``get_user`` of a
  subclass returns.
- A request without a token is left to the next authentication class; the challenge of a 401 is that of the
  first one.
- What is refused is an ``APIException`` with status, challenge and ``Retry-After``, so that the exception
  handler and the renderers of the project see it. ``on_error`` is called, and its response not used.
- A token that the middleware has checked is not checked again.
"""

from __future__ import annotations

from typing import Any

import attrs

try:
    from rest_framework.authentication import BaseAuthentication
    from rest_framework.exceptions import PermissionDenied
    from rest_framework.request import Request
except ImportError as error:
    raise ImportError(
        "monocloud_mw.adapters.django.rest_framework needs REST framework beside monocloud-mw[django]: "
        "pip install djangorestframework"
    ) from error

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.protect.guard import Refused

from .api_exceptions import AccessTokenException
from .checking import check_request
from .declarations import Declaration
from .permissions import HasAnyScope, HasGroups, HasScopes
from .requests import checked_claims, reject_forgery

__all__ = [
    "AccessTokenAuthentication",
    "AccessTokenException",
    "HasAnyScope",
    "HasGroups",
    "HasScopes",
    "TokenUser",
]

_OPTIONAL = Declaration(optional=True)


@attrs.frozen
class TokenUser:
    """Who a token is for, as REST framework expects a user; there is no row in a database for it.

    Args:
        claims: the claims of the token.
    """

    claims: AccessTokenClaims

    is_authenticated = True
    is_active = True
    is_anonymous = False
    is_staff = False
    is_superuser = False

    @property
    def username(self) -> str:
        """``sub``, or the client where the token has none."""
        return self.claims.subject or self.claims.client_id or ""

    @property
    def pk(self) -> str:
        """The same as ``username``: what throttles count by."""
        return self.username

    @property
    def id(self) -> str:
        """The same as ``pk``."""
        return self.username

    def get_username(self) -> str:
        """Return ``username``."""
        return self.username

    def has_perm(self, _permission: str, _object: Any = None) -> bool:
        """Return ``False``: permissions of Django's models are not in a token."""
        return False

    def has_perms(self, _permissions: Any, _object: Any = None) -> bool:
        """Return ``False``, likewise."""
        return False

    def has_module_perms(self, _app: str) -> bool:
        """Return ``False``, likewise."""
        return False

    def __str__(self) -> str:
        return self.username


class AccessTokenAuthentication(BaseAuthentication):
    """For ``authentication_classes``, in front of those that take over where there is no token."""

    def authenticate(self, request: Request) -> tuple[Any, AccessTokenClaims] | None:
        """Return the user and the claims of a request; ``None`` where it has no token.

        Raises:
            AccessTokenException: the token is refused, or cannot be checked.
            PermissionDenied: the token came from a cookie, and the request may be forged (CSRF).
        """
        incoming = request._request  # noqa: SLF001  as REST framework's own classes do
        try:
            check_request(incoming, _OPTIONAL)
        except Refused as refused:
            raise AccessTokenException(refused) from refused.error
        claims = checked_claims(incoming)
        if claims is None:
            return None
        if not getattr(incoming, "_dont_enforce_csrf_checks", False) and reject_forgery(incoming):
            raise PermissionDenied("CSRF Failed")
        return self.get_user(claims), claims

    def authenticate_header(self, _request: Request) -> str:
        """Return the challenge of a 401."""
        return "Bearer"

    def get_user(self, claims: AccessTokenClaims) -> Any:
        """Return the user of a token; override it to return one of Django's."""
        return TokenUser(claims)
