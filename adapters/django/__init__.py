"""Django 5.2 and later, on WSGI and ASGI: a middleware, decorators, REST framework and Ninja.

``rest_framework``, ``spectacular`` and ``ninja`` are imported by name, so that none of them is needed.
"""

from __future__ import annotations

from .decorators import protect, public
from .middleware import ProtectApiMiddleware
from .refusals import AccessTokenRefused

__all__ = ["AccessTokenRefused", "ProtectApiMiddleware", "protect", "public"]
