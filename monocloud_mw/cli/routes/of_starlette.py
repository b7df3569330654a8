"""The routes of Starlette and FastAPI applications: dependencies, ``@requires``, backends and mounts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

import attrs
from starlette.middleware.authentication import AuthenticationMiddleware

from ...adapters.asgi import ProtectApiMiddleware
from ...adapters.starlette import MonoCloudBackend
from ...adapters.starlette.requires import requirements_of
from ...protect.wrappers import layers, variables_of
from .route import ANY_METHOD, Need, Route

__all__ = ["list_starlette", "list_user_middleware"]

Mounted: TypeAlias = Callable[[Any, str], Iterable[Route]]

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")


def list_user_middleware(app: Any) -> list[Any]:
    """Return the middlewares of this package that an application adds."""
    entries = getattr(app, "user_middleware", ())
    return [
        entry.cls(app, *entry.args, **entry.kwargs) for entry in entries if entry.cls is ProtectApiMiddleware
    ]


def list_starlette(app: Any, mounted: Mounted) -> Iterator[Route]:
    """Yield the routes of an application.

    Args:
        app: with ``routes``; FastAPI included routers and dependencies are read as FastAPI does.
        mounted: yields the routes of an application that is mounted at a path.
    """
    needs = tuple(_backends(app))
    routes = _fastapi(app, mounted) if hasattr(app, "openapi_url") else _starlette(app.routes, mounted)
    for route in routes:
        yield route.with_needs(needs)


def _backends(app: Any) -> Iterator[Need]:
    """Yield the requirements that the application's authentication has for every request."""
    for entry in getattr(app, "user_middleware", ()):
        backend = entry.kwargs.get("backend", entry.args[0] if entry.args else None)
        if entry.cls is AuthenticationMiddleware and isinstance(backend, MonoCloudBackend):
            yield Need(optional=backend.optional)


def _starlette(routes: Iterable[Any], mounted: Mounted) -> Iterator[Route]:
    for route in routes:
        path = getattr(route, "path", "")
        endpoint = getattr(route, "endpoint", None)
        if endpoint is None:  # a mount, or a host
            yield from mounted(getattr(route, "app", None), path)
        elif isinstance(endpoint, type):
            yield from _class(endpoint, path)
        else:
            yield _view(endpoint, path, methods_of(route))


def methods_of(route: Any) -> tuple[str, ...]:
    """Return the methods of a route, without ``HEAD`` if there is ``GET``."""
    if not hasattr(route, "methods"):
        return ("WEBSOCKET",)
    methods = set(route.methods or ())
    return tuple(sorted(methods - {"HEAD"} or methods))


def _class(endpoint: Any, path: str) -> Iterator[Route]:
    """Yield a route for each method of a class-based endpoint; one if it has no HTTP methods."""
    handlers = {name: getattr(endpoint, name.lower(), None) for name in _METHODS}
    found = {name: handler for name, handler in handlers.items() if handler is not None}
    for name, handler in found.items():
        yield _view(handler, path, (name,))
    if not found:
        yield Route(methods=ANY_METHOD, path=path)


def _view(view: Any, path: str, methods: tuple[str, ...]) -> Route:
    needs: list[Need] = []
    others: list[str] = []
    for layer in layers(view):
        requirements = requirements_of(layer)
        if requirements is not None:
            needs.append(Need(requirements))
        elif getattr(layer, "__globals__", {}).get("__name__") == "starlette.authentication":
            names = variables_of(layer).get("scopes_list", ())
            others.append(f"requires {' '.join(map(str, names))}".rstrip())
    return Route(methods=methods, path=path or "/", needs=tuple(needs), others=tuple(others))


def _fastapi(app: Any, mounted: Mounted) -> Iterator[Route]:
    from ...adapters.fastapi.coverage import is_own_page
    from ...adapters.fastapi.declarations import declared_on
    from ...adapters.fastapi.public import is_public
    from ...adapters.fastapi.served_routes import served_routes

    for route, _ in served_routes(app.router):
        if not hasattr(route, "dependencies"):
            for each in _starlette([route], mounted):
                yield attrs.evolve(each, public=each.public or is_own_page(app, route))
            continue
        view = route.endpoint
        plain = _view(view, route.path, methods_of(route))
        yield attrs.evolve(
            plain.with_needs(
                Need(each.protection.requirements_with(each.scopes), each.protection.optional)
                for each in declared_on(route)
                if each.protection.optional or not is_public(view)
            ),
            public=is_public(view),
        )
