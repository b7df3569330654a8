"""Django's cache: it sends what it stores before a view is chosen and checked, so it must not store that."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

import pytest
from django.core.cache import cache
from django.http import HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_page
from rest_framework.permissions import IsAuthenticated
from rest_framework.views import APIView

from monocloud_mw.adapters.django import protect, public
from monocloud_mw.adapters.django.rest_framework import AccessTokenAuthentication
from monocloud_mw.testing import LocalTenant

from .django_configuration import MIDDLEWARE
from .django_project import WITHOUT_OURS, Send, Token, UseProject, project, send

__all__ = ["project", "send", "urlpatterns"]

WITH_CACHE: Final = (
    "django.middleware.cache.UpdateCacheMiddleware",
    *MIDDLEWARE,
    "django.middleware.cache.FetchFromCacheMiddleware",
)

ANY: Final[Token] = {}

_calls: Final = count()


def who(request: Any) -> HttpResponse:
    """Return the caller and the number of the call."""
    claims = getattr(request, "access_token", None)
    return HttpResponse(f"{claims and claims.subject} {next(_calls)}")


@method_decorator(cache_page(60), name="dispatch")
class Rest(APIView):
    """A view of REST framework, which checks inside ``dispatch``."""

    authentication_classes = (AccessTokenAuthentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request: Any) -> HttpResponse:
        """Return the caller and the number of the call."""
        return who(request._request)


urlpatterns = [
    path("who", who),
    path("rest", Rest.as_view()),
    path("optional", protect(optional=True)(who)),
    path("public", public(who)),
    path("cache-above", cache_page(60)(protect(who))),
    path("cache-below", protect(cache_page(60)(who))),
]


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


def _resolve(request: Any) -> Any:
    return request.COOKIES.get("token") or request.headers.get("Authorization", "").removeprefix("Bearer ")


@pytest.mark.parametrize(
    ("url", "answer"),
    [("/who", (401, None)), ("/optional", (200, "None")), ("/cache-above", (401, None))],
)
@pytest.mark.parametrize("where", ["header", "cookie"])
def test_a_response_for_a_caller_is_not_sent_to_others(
    project: UseProject, send: Send, tenant: LocalTenant, where: str, url: str, answer: tuple[int, str | None]
) -> None:
    """The cache is part of the project, and all requests after the first have no token."""
    project(__name__, WITH_CACHE, token_resolver=_resolve)
    token = tenant.mint(subject="alice")
    first = (
        send("GET", url, cookies={"token": token})
        if where == "cookie"
        else send("GET", url, Authorization=f"Bearer {token}")
    )
    assert (first.status_code, first.content.decode().split()[0]) == (200, "alice")
    second = send("GET", url)
    found = second.content.decode().split()[0] if second.status_code == 200 else None
    assert (second.status_code, found) == answer


def test_a_caller_does_not_get_the_response_for_anonymous_requests(project: UseProject, send: Send) -> None:
    """Where the token is optional, the view answers each request itself."""
    project(__name__, WITH_CACHE)
    bodies = [send("GET", "/optional", token).content.decode().split()[0] for token in (None, ANY)]
    assert bodies == ["None", "alice"]


@pytest.mark.parametrize("url", ["/who", "/optional", "/cache-above", "/cache-below"])
def test_a_revoked_token_gets_no_stored_response(
    project: UseProject, send: Send, tenant: LocalTenant, url: str
) -> None:
    """The check of each request comes before the cache."""
    project(__name__, MIDDLEWARE if url == "/cache-below" else WITH_CACHE)
    token = tenant.mint_opaque(subject="alice")
    statuses = [send("GET", url, Authorization=f"Bearer {token}").status_code]
    tenant.revoke(token)
    statuses.append(send("GET", url, Authorization=f"Bearer {token}").status_code)
    assert statuses == [200, 401]


@pytest.mark.parametrize(
    ("middleware", "url"), [(WITH_CACHE, "/public"), (MIDDLEWARE, "/public"), (MIDDLEWARE, "/cache-below")]
)
def test_what_is_meant_to_be_stored_is_stored(
    project: UseProject, send: Send, tenant: LocalTenant, middleware: tuple[str, ...], url: str
) -> None:
    """Public views are cached as ever, and so are views with ``cache_page`` below ``@protect``."""
    project(__name__, middleware)
    token = tenant.mint(subject="alice")
    bodies = {send("GET", url, Authorization=f"Bearer {token}").content for _ in range(2)}
    assert len(bodies) == (2 if (middleware, url) == (MIDDLEWARE, "/public") else 1)


@pytest.mark.parametrize("url", ["/cache-above", "/rest"])
def test_a_view_without_the_middleware(
    project: UseProject, send: Send, tenant: LocalTenant, url: str
) -> None:
    """``cache_page`` around the check would answer before it."""
    project(__name__, WITHOUT_OURS, token_resolver=_resolve)
    cookies = {"token": tenant.mint(subject="alice")}
    answers = [send("GET", url, cookies=given).status_code for given in (cookies, None)]
    assert answers == [200, 401]
