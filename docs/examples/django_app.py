"""The same API in Django, in one file: the middleware requires a token unless a view is public."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from monocloud_mw.adapters.django import protect, public


def client_certificate(request: HttpRequest) -> Any:
    """Return the certificate from the proxy's header; the proxy must remove this header from requests."""
    return request.headers.get("Client-Cert")


settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for this example",
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["monocloud_mw.adapters.django"],
    MIDDLEWARE=["monocloud_mw.adapters.django.ProtectApiMiddleware"],
    MONOCLOUD_BACKEND={"certificate_resolver": client_certificate},
)


@public
def healthz(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def me(request: Any) -> JsonResponse:
    return JsonResponse(request.access_token)


@protect(scopes=["orders:read"])
def orders(request: Any) -> JsonResponse:
    return JsonResponse({"orders": [], "seen_by": request.access_token.subject})


@protect(groups=["admin"])
def users(request: Any) -> JsonResponse:
    return JsonResponse({"users": [], "seen_by": request.access_token.subject})


urlpatterns = [
    path("healthz", healthz),
    path("me", me),
    path("orders", orders),
    path("admin/users", users),
]

app = get_wsgi_application()
