"""Views of REST framework that return the caller."""

from __future__ import annotations

from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib.auth.models import AnonymousUser
from django.urls import path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import AllowAny, BasePermission, IsAdminUser, IsAuthenticated
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.urlpatterns import format_suffix_patterns
from rest_framework.views import APIView

from monocloud_mw.adapters.django import protect, public
from monocloud_mw.adapters.django.rest_framework import (
    AccessTokenAuthentication,
    HasAnyScope,
    HasGroups,
    HasScopes,
)

__all__ = ["SessionUser", "WithClasses", "urlpatterns"]


class Who(APIView):
    """Return the caller."""

    authentication_classes = (AccessTokenAuthentication,)
    permission_classes: tuple[Any, ...] = (IsAuthenticated,)

    def get(self, request: Any, **_: Any) -> Response:
        """Return the caller."""
        assert (request.auth is None) is request.user.is_anonymous
        return Response({"caller": request.auth and request.user.username})

    post = get


class Never(BasePermission):
    """Refuse every request."""

    def has_permission(self, request: Any, view: Any) -> bool:
        """Refuse."""
        return False


class PasswordUser:
    """A user with a password."""

    is_active, is_authenticated, is_anonymous, username, pk = True, True, False, "paul", 1


class Passwords(BasicAuthentication):
    """Knows one user without a database."""

    def authenticate_credentials(self, userid: str, password: str, request: Any = None) -> Any:
        """Return the user."""
        return PasswordUser(), None


class SessionUser:
    """Middleware: a cookie is the session of a user."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """Set the user, as Django's middleware does."""
        request.user = PasswordUser() if "session" in request.COOKIES else AnonymousUser()
        return self.get_response(request)


class WithUsers(AccessTokenAuthentication):
    """Maps tokens to users of the project."""

    def get_user(self, claims: Any) -> Any:
        """Return the user of a token."""
        user = PasswordUser()
        user.username = f"user of {claims.subject}"
        return user


class Mapped(Who):
    """Return the name of the user."""

    authentication_classes = (WithUsers,)


class Either(APIView):
    """Accepts tokens and passwords."""

    authentication_classes = (AccessTokenAuthentication, Passwords)
    permission_classes = (IsAuthenticated,)

    def get(self, request: Any) -> Response:
        """Return the caller."""
        return Response({"caller": request.user.username})

    post = get


class OwnPermissions(Who):
    """Chooses its permissions for each request."""

    def get_permissions(self) -> list[Any]:
        """Return instances of permissions."""
        return [HasScopes("read")(), (HasGroups("admin") & ~HasGroups("suspended"))()]


class ForEachMethod(Who):
    """Needs another scope to write than to read."""

    def get_serializer(self, **_: Any) -> Serializer[Any]:
        """Return what forms and ``OPTIONS`` describe."""
        return Serializer()

    def get_permissions(self) -> list[Any]:
        """Return the permission of the method."""
        return [HasScopes("write" if self.request.method == "POST" else "read")()]


class WithClasses(Who):
    """Returns classes where instances belong."""

    permission: Any = None

    def get_permissions(self) -> list[Any]:
        """Return a class."""
        return [self.permission]


def needing(permission: Any, **attributes: Any) -> Any:
    """Return a view with a permission."""
    kind: Any = type("Needing", (Who,), {"permission_classes": (permission,), **attributes})
    return kind.as_view()


@api_view(["GET", "POST"])
@authentication_classes([AccessTokenAuthentication])
@permission_classes([HasScopes("read")])
def function(request: Any) -> Response:
    """Return the caller."""
    return Response({"caller": request.user.username})


@api_view(["GET"])
@authentication_classes([])
@permission_classes([])
@protect(scopes=["read"])
def decorated(request: Any) -> Response:
    """Return the caller; this decorator is below that of REST framework."""
    return Response({"caller": request._request.access_token.subject})


@api_view(["GET"])
@authentication_classes([])
@permission_classes([])
def unprotected(request: Any) -> Response:
    """Answer any request."""
    return Response({"caller": None})


urlpatterns = [
    *format_suffix_patterns([path("who", Who.as_view()), path("read", needing(HasScopes("read")))]),
    path("both-scopes", needing(HasScopes("read", "write"))),
    path("any-scope", needing(HasAnyScope("read", "write"))),
    path("group", needing(HasGroups("admin", "owner"))),
    path("and", needing(HasScopes("read") & HasGroups("admin"))),
    path("and-right", needing(IsAuthenticated & HasScopes("read"))),
    path("or", needing(HasScopes("read") | HasGroups("admin"))),
    path("or-right", needing(Never | HasScopes("read"))),
    path("or-open", needing(HasScopes("read") | AllowAny)),
    path("not", needing(~HasGroups("suspended"))),
    path("not-and", needing(~(HasScopes("read") & HasGroups("admin")))),
    path("and-not", needing(IsAuthenticated & ~HasGroups("suspended"))),
    path("not-and-left", needing(~(AllowAny & AllowAny & HasGroups("suspended")))),
    path("not-or-left", needing(~(IsAdminUser | IsAdminUser | HasGroups("suspended")))),
    path("not-and-not", needing(~(AllowAny & ~HasGroups("admin")))),
    path("not-open", needing(~(IsAdminUser | IsAdminUser))),
    path("never-and", needing(Never & HasScopes("read"))),
    path("open", needing(AllowAny)),
    path("public", public(needing(AllowAny))),
    path("own-permissions", OwnPermissions.as_view()),
    path("for-each-method", ForEachMethod.as_view()),
    path("mapped", Mapped.as_view()),
    path("either", Either.as_view()),
    path(
        "session-last",
        Either.as_view(authentication_classes=[AccessTokenAuthentication, SessionAuthentication]),
    ),
    path(
        "session-first",
        Either.as_view(authentication_classes=[SessionAuthentication, AccessTokenAuthentication]),
    ),
    path(
        "either-scope",
        public(needing(HasScopes("read"), authentication_classes=[AccessTokenAuthentication, Passwords])),
    ),
    path("function", function),
    path("decorated", decorated),
    path("outside", protect(scopes=["read"])(function)),
    path("unprotected", unprotected),
    path("schema", SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[])),
]
