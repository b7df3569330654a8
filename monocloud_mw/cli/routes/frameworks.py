"""The routes of an application, by its framework, with the middlewares around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import isroutine
from typing import Any, TypeAlias

from .middleware import apply_middleware, unwrap, unwrap_wsgi
from .route import ANY_METHOD, Route

__all__ = ["list_routes"]

Listed: TypeAlias = tuple[list[Route], list[str]]
Mounted: TypeAlias = Callable[[Any, str], Iterable[Route]]


def list_routes(app: Any) -> Listed:
    """Return the routes of an application, and the rules of its middlewares that match none of them.

    Raises:
        ValueError: the framework of the application is not supported.
    """
    unused: list[str] = []
    routes = _list(app, "", unused)
    if routes is None:
        inner = unwrap(app)[0]
        advice = "; if it returns the application, add --factory" if isroutine(inner) else ""
        wanted = "a Flask, FastAPI, Starlette or Django application"
        raise ValueError(f"is a {type(inner).__name__}, not {wanted}{advice}")
    return routes, unused


def _list(app: Any, prefix: str, unused: list[str]) -> list[Route] | None:
    """Return the routes of an application, with paths relative to it; ``None`` if it is not supported."""
    app, middlewares = unwrap(app)

    def mounted(inner: Any, path: str) -> Iterable[Route]:
        """Yield the routes of a mounted application."""
        routes = _list(inner, prefix + path, unused)
        if routes is None:
            unknown = (f"mounts {type(unwrap(inner)[0]).__name__}",)
            found = [Route(methods=ANY_METHOD, path="/{path:path}", unknown=unknown)]
            routes, more = apply_middleware(unwrap(inner)[1], found, prefix + path)
            unused.extend(more)
        for route in routes:
            yield route.below(path)

    if hasattr(app, "url_map") and hasattr(app, "view_functions"):
        from .of_flask import list_flask

        middlewares += unwrap_wsgi(app)
        routes = list(list_flask(app))
    elif hasattr(app, "routes"):
        from .of_starlette import list_starlette, list_user_middleware

        middlewares += list_user_middleware(app)
        routes = list(list_starlette(app, mounted))
    elif type(app).__module__.startswith("django."):
        from .of_django import list_django

        routes = list(list_django())
    else:
        return None
    routes, more = apply_middleware(middlewares, routes, prefix)
    unused.extend(more)
    return routes
