"""The sample API on Django, REST framework and Ninja: paths and requirements as in :mod:`.sample_api`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from ..frameworks.django_configuration import MIDDLEWARE, configure_django
from .exchange import Answer, Call, RequestHeaders, call_wsgi

__all__ = ["DJANGO_KINDS", "create_django_call"]


class Urls:
    """What ``ROOT_URLCONF`` may be instead of the name of a module."""

    def __init__(self, urlpatterns: Sequence[Any]) -> None:
        self.urlpatterns = urlpatterns


def content(request: Any) -> dict[str, Any]:
    """Return what every view answers with."""
    return {"path": request.path, "claims": request.access_token}


def create_django() -> Urls:
    """Return views with decorators."""
    from django.http import JsonResponse
    from django.urls import path
    from django.views import View

    from monocloud_mw.adapters.django import protect, public

    def answer(request: Any) -> JsonResponse:
        return JsonResponse(content(request))

    class Orders(View):  # type: ignore[misc]
        def get(self, request: Any) -> JsonResponse:
            return answer(request)

        @protect(scopes=["orders:write"])
        def post(self, request: Any) -> JsonResponse:
            return answer(request)

    return Urls(
        [
            path("healthz", public(answer)),
            path("me", answer),
            path("orders", Orders.as_view()),
            path("admin/users", protect(groups="admin")(answer)),
        ]
    )


def create_async_django() -> Urls:
    """Return the same in coroutines."""
    from django.http import JsonResponse
    from django.urls import path
    from django.views import View

    from monocloud_mw.adapters.django import protect, public

    async def answer(request: Any) -> JsonResponse:
        return JsonResponse(content(request))

    class Orders(View):  # type: ignore[misc]
        async def get(self, request: Any) -> JsonResponse:
            return await answer(request)

        @protect(scopes=["orders:write"])
        async def post(self, request: Any) -> JsonResponse:
            return await answer(request)

    return Urls(
        [
            path("healthz", public(answer)),
            path("me", answer),
            path("orders", Orders.as_view()),
            path("admin/users", protect(groups="admin")(answer)),
        ]
    )


def create_rest_framework() -> Urls:
    """Return views with permissions."""
    from django.urls import path
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from monocloud_mw.adapters.django import public
    from monocloud_mw.adapters.django.rest_framework import AccessTokenAuthentication, HasGroups, HasScopes

    class Me(APIView):  # type: ignore[misc]
        authentication_classes: tuple[Any, ...] = (AccessTokenAuthentication,)
        permission_classes: tuple[Any, ...] = ()

        def get(self, request: Any) -> Response:
            return Response(content(request._request))

    class Orders(Me):
        def get_permissions(self) -> list[Any]:
            return [HasScopes("orders:write")()] if self.request.method == "POST" else []

        post = Me.get

    class Users(Me):
        permission_classes = (HasGroups("admin"),)

    class Health(Me):
        authentication_classes = ()

    return Urls(
        [
            path("healthz", public(Health.as_view())),
            path("me", Me.as_view()),
            path("orders", Orders.as_view()),
            path("admin/users", Users.as_view()),
        ]
    )


def create_ninja() -> Urls:
    """Return operations with ``auth``; the middleware leaves them to Ninja."""
    from django.urls import path
    from ninja import NinjaAPI

    from monocloud_mw.adapters.django.ninja import AccessTokenAuth

    api = NinjaAPI(auth=AccessTokenAuth(), urls_namespace="conformance", docs_url=None, openapi_url=None)

    def answer(request: Any) -> Any:
        return content(request)

    api.api_operation(["GET", "HEAD"], "/healthz", auth=None)(answer)
    api.api_operation(["GET", "HEAD"], "/me")(answer)
    api.get("/orders")(answer)
    api.post("/orders", auth=AccessTokenAuth(scopes="orders:write"))(answer)
    api.get("/admin/users", auth=AccessTokenAuth(groups=["admin"]))(answer)
    return Urls([path("", api.urls)])


DJANGO_KINDS: dict[str, tuple[Callable[[], Urls], str]] = {
    "django": (create_django, "django"),
    "django_async": (create_async_django, "django"),
    "rest_framework": (create_rest_framework, "rest_framework"),
    "ninja": (create_ninja, "ninja"),
}


@contextlib.contextmanager
def create_django_call(kind: str, options: Mapping[str, Any]) -> Iterator[Call]:
    """Give a way to call the sample API in process, with one protection for all calls."""
    configure_django()
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import override_settings

    from monocloud_mw.adapters.django import config

    from ..frameworks.in_process import call_framework

    urls = DJANGO_KINDS[kind][0]()
    content = {"scopes": ["api"], "public_apps": ["ninja"], **options}
    with override_settings(ROOT_URLCONF=urls, MIDDLEWARE=MIDDLEWARE, MONOCLOUD_BACKEND=content):
        handler: Any = ASGIHandler() if kind == "django_async" else WSGIHandler()
        protection = config.get_protection()
        config._protection = None  # the end of this block must not close it
    inner = call_framework(handler) if kind == "django_async" else call_wsgi(handler)

    def call(method: str, target: str, headers: RequestHeaders = ()) -> Answer:
        previous = config._protection
        with override_settings(ROOT_URLCONF=urls):
            config._protection = protection
            try:
                answer = inner(method, target, headers)
            finally:
                config._protection = previous
        return attrs.evolve(answer, body=b"") if method == "HEAD" else answer

    yield call
    protection.close()
