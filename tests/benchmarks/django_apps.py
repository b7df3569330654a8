"""Django with one view, bare and behind the middleware."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

from .apps import BODY
from .contenders import settings_of
from .tokens import SCOPE, Workload

__all__ = ["django_applications", "urlpatterns"]


def _orders(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(BODY, content_type="application/json")


urlpatterns = [path("orders", _orders)]


def django_applications(workload: Workload) -> tuple[Any, Any]:
    """Return the application, bare and protected."""
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            MIDDLEWARE=[],
            MONOCLOUD_BACKEND={**settings_of(workload), "scopes": [SCOPE]},
            ROOT_URLCONF=__name__,
            SECRET_KEY="only for measurements",
        )
        django.setup()
    bare = WSGIHandler()
    with override_settings(MIDDLEWARE=["monocloud_mw.adapters.django.ProtectApiMiddleware"]):
        return bare, WSGIHandler()
