"""The middlewares around an application: what their rules ask of each route, and rules that match none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...adapters.asgi import ProtectApiMiddleware as AsgiMiddleware
from ...adapters.wsgi import ProtectApiMiddleware as WsgiMiddleware
from .route import Need, Route, sample_path

__all__ = ["apply_middleware", "unwrap", "unwrap_wsgi"]

_KINDS = (AsgiMiddleware, WsgiMiddleware)


def unwrap(app: Any) -> tuple[Any, list[Any]]:
    """Return the application inside of middlewares, and those of this package around it."""
    found = []
    while isinstance(getattr(app, "app", None), object) and not _has_routes(app):
        inner = getattr(app, "app", None)
        if inner is None:
            break
        if isinstance(app, _KINDS):
            found.append(app)
        app = inner
    return app, found


def unwrap_wsgi(app: Any) -> list[Any]:
    """Return the middlewares of this package that an application has put into its ``wsgi_app``."""
    found, inner = [], getattr(app, "wsgi_app", None)
    while inner is not None and not hasattr(inner, "__func__"):
        if isinstance(inner, _KINDS):
            found.append(inner)
        inner = getattr(inner, "app", getattr(inner, "wsgi_app", None))
    return found


def apply_middleware(middlewares: Iterable[Any], routes: list[Route]) -> tuple[list[Route], list[str]]:
    """Return the routes with what the middlewares ask for, and the rules that match no route."""
    unused = []
    for middleware in middlewares:
        policy, optional = middleware._policy, middleware._optional  # noqa: SLF001
        routes = [route.with_needs(_needs(policy, optional, route)) for route in routes]
        for rule in policy.rules:
            unused += [] if any(_matches(rule, route) for route in routes) else [rule.name]
    return routes, unused


def _needs(policy: Any, optional: bool, route: Route) -> Iterator[Need]:
    for method in route.methods:
        requirements = policy.requirements_for(method, sample_path(route.path))
        if requirements is not None:
            yield Need(requirements, optional)


def _matches(rule: Any, route: Route) -> bool:
    path = sample_path(route.path)
    return any(map(rule.holds_for, route.methods)) and (
        rule.pattern.matches(path) if rule.public else rule.pattern.may_match(path)
    )


def _has_routes(app: Any) -> bool:
    return hasattr(app, "routes") or hasattr(app, "url_map")
