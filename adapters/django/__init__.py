"""Django 5.2 and later, on WSGI and ASGI: a middleware, decorators, REST framework and Ninja.

Import ``rest_framework``, ``spectacular`` and ``ninja`` by module name; each needs its own package.
"""

from __future__ import annotations

from .decorators import protect, public
from .middleware import ProtectApiMiddleware
from .project_settings import DjangoSettings
from .refusals import AccessTokenRefused

__all__ = ["AccessTokenRefused", "DjangoSettings", "ProtectApiMiddleware", "protect", "public"]
