"""Django settings for all tests of one process: Django can be configured once; tests override settings."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

import django
from django.conf import settings

__all__ = ["MIDDLEWARE", "configure_django"]

MIDDLEWARE: Final = (
    "monocloud_mw.adapters.django.ProtectApiMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
)


def configure_django() -> None:
    """Configure Django unless another test has done so."""
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            INSTALLED_APPS=[
                "django.contrib.contenttypes",
                "django.contrib.auth",
                *(name for name in ("rest_framework", "drf_spectacular") if find_spec(name)),
                "monocloud_mw.adapters.django",
            ],
            REST_FRAMEWORK={"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"},
            ROOT_URLCONF="tests.frameworks.empty_urls",
            SECRET_KEY="only for tests",
            USE_TZ=True,
        )
        django.setup()
