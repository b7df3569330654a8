"""Whether routes and mounted applications require a token.

FastAPI runs the dependencies of an application for its views only, so a mounted application must require a
token itself: with dependencies of its own, or with a middleware of this package in it or around it.
"""

from __future__ import annotations

from typing import Any

from fastapi.applications import FastAPI  # OpenTelemetry replaces fastapi.FastAPI with a subclass
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import Host, Mount

from monocloud_mw.protect.wrappers import MAX_LAYERS

from ..asgi import ProtectApiMiddleware
from ..starlette import MonoCloudBackend
from ..wsgi import ProtectApiMiddleware as WsgiMiddleware
from .declarations import declared_among, declared_on, requires_token
from .public import is_public
from .served_routes import served_routes

__all__ = ["has_middleware", "is_covered", "is_own_page"]


def is_covered(app: FastAPI, route: Any) -> bool:
    """Return whether a route of an application requires a token, is public, or is a page of FastAPI."""
    if isinstance(route, (Mount, Host)):
        return _covers_itself(route.app)
    if not hasattr(route, "dependencies"):
        return is_own_page(app, route)
    return is_public(getattr(route, "endpoint", None)) or requires_token(declared_on(route))


def _covers_itself(mounted: Any) -> bool:
    """Return whether a mounted application requires a token for all its non-public routes."""
    for _ in range(MAX_LAYERS):
        is_middleware = isinstance(mounted, (ProtectApiMiddleware, WsgiMiddleware))
        if (is_middleware and not mounted._optional) or has_middleware(mounted):  # noqa: SLF001
            return True
        if type(mounted) is AuthenticationMiddleware and _is_required_by(mounted.backend):
            return True
        if isinstance(mounted, FastAPI):
            return requires_token(declared_among(mounted.router.dependencies)) or all(
                is_covered(mounted, route) for route, _ in served_routes(mounted.router)
            )
        mounted = getattr(mounted, "app", None)  # inside another middleware
    return False


def has_middleware(app: Any) -> bool:
    """Return whether a middleware that an application adds requires a token."""
    return any(
        _is_required_by(each.kwargs.get("backend"))
        if each.cls is AuthenticationMiddleware
        else isinstance(each.cls, type)
        and issubclass(each.cls, ProtectApiMiddleware)
        and each.kwargs.get("optional") is not True
        for each in getattr(app, "user_middleware", ())
    )


def _is_required_by(backend: Any) -> bool:
    """Return whether a backend of ``AuthenticationMiddleware`` refuses requests without a token."""
    return type(backend) is MonoCloudBackend and not backend.optional  # a subclass may let them pass


def is_own_page(app: FastAPI, route: Any) -> bool:
    """Return whether a route is a page of FastAPI itself, such as ``/docs``."""
    pages = (app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url)
    owner = getattr(getattr(route, "endpoint", None), "__module__", None)
    return getattr(route, "path", None) in pages and owner == FastAPI.__module__
