"""REST framework: an authentication class and permissions for scopes and groups.

::

    class Orders(APIView):
        authentication_classes = [AccessTokenAuthentication]
        permission_classes = [HasScopes("orders:read") & ~HasGroups("suspended")]

- ``request.auth`` has the claims. ``request.user`` is a :class:`TokenUser`, or the result of ``get_user`` of
  a subclass.
- A request without a token is passed to the next authentication class. If none accepts it, the response is
  REST framework's: 401 with the challenge of the first class, or 403 if that has none. So put this class
  before ``SessionAuthentication``, which has none.
- Refused requests raise an ``APIException`` with status, challenge and ``Retry-After``, which the project's
  exception handler and renderers process. ``on_error`` is called, but its response is not used.
- A token that the middleware has validated is not validated again.
"""

from __future__ import annotations

from typing import Any

import attrs

try:
    from rest_framework.authentication import BaseAuthentication
    from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
    from rest_framework.request import Request
except ImportError as error:
    raise ImportError(
        "monocloud_mw.adapters.django.rest_framework needs REST framework in addition to "
        "monocloud-mw[django]: pip install djangorestframework"
    ) from error

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.protect.guard import Refused

from .api_exceptions import AccessTokenException, forbid_caching
from .declarations import Declaration
from .permissions import HasAnyScope, HasGroups, HasScopes
from .request_check import check_request
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
    """The user of a token, with the interface that REST framework expects; it is not stored in a database.

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
        """``sub``, or ``client_id`` if the token has no ``sub``."""
        return self.claims.subject or self.claims.client_id or ""

    @property
    def pk(self) -> str:
        """The same as ``username``; throttles use it as their key."""
        return self.username

    @property
    def id(self) -> str:
        """The same as ``pk``."""
        return self.username

    def get_username(self) -> str:
        """Return ``username``."""
        return self.username

    def has_perm(self, _permission: str, _object: Any = None) -> bool:
        """Return ``False``: a token has no Django model permissions."""
        return False

    def has_perms(self, _permissions: Any, _object: Any = None) -> bool:
        """Return ``False``: a token has no Django model permissions."""
        return False

    def has_module_perms(self, _app: str) -> bool:
        """Return ``False``: a token has no Django model permissions."""
        return False

    def __str__(self) -> str:
        return self.username


class AccessTokenAuthentication(BaseAuthentication):
    """For ``authentication_classes``: put it before classes that handle requests without a token."""

    def authenticate(self, request: Request) -> tuple[Any, AccessTokenClaims] | None:
        """Return the user and the claims of a request, or ``None`` if it has no token.

        Raises:
            AccessTokenException: the token is refused or cannot be checked.
            AuthenticationFailed: ``get_user`` returned no user, or an inactive one.
            PermissionDenied: the token came from a cookie and the CSRF check failed.
        """
        incoming = request._request  # noqa: SLF001  as REST framework's own classes do
        try:
            check_request(incoming, _OPTIONAL)
        except Refused as refused:
            raise AccessTokenException(refused, request) from refused.error
        claims = checked_claims(incoming)
        if claims is None:
            return None
        if not getattr(incoming, "_dont_enforce_csrf_checks", False) and reject_forgery(incoming):
            raise PermissionDenied("CSRF Failed")
        user = self.get_user(claims)
        if user is None or not getattr(user, "is_active", True):
            raise AuthenticationFailed("The user of the access token is unknown or inactive")
        return user, claims

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge for a 401 of REST framework, which must not be cached."""
        forbid_caching(request)
        return "Bearer"

    def get_user(self, claims: AccessTokenClaims) -> Any:
        """Return the user of a token; override it to return a Django user, or ``None`` to refuse it (401)."""
        return TokenUser(claims)
