"""The requirements that middlewares with rules add to routes, and their rules that match no route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs

from ...adapters.asgi import ProtectApiMiddleware as AsgiMiddleware
from ...adapters.wsgi import ProtectApiMiddleware as WsgiMiddleware
from .route import Need, Route, is_served_by, sample_path

__all__ = ["apply_middleware", "unwrap", "unwrap_wsgi"]

_KINDS = (AsgiMiddleware, WsgiMiddleware)
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")  # listed for a route that serves any method


def unwrap(app: Any) -> tuple[Any, list[Any]]:
    """Return the innermost application and the middlewares of this package around it."""
    found = []
    while not _has_routes(app) and getattr(app, "app", None) is not None:
        if isinstance(app, _KINDS):
            found.append(app)
        app = app.app
    return app, found


def unwrap_wsgi(app: Any) -> list[Any]:
    """Return the middlewares of this package in the ``wsgi_app`` of an application."""
    found, inner = [], getattr(app, "wsgi_app", None)
    while inner is not None and not hasattr(inner, "__func__"):
        if isinstance(inner, _KINDS):
            found.append(inner)
        inner = getattr(inner, "app", getattr(inner, "wsgi_app", None))
    return found


def apply_middleware(
    middlewares: Iterable[Any], routes: list[Route], prefix: str = ""
) -> tuple[list[Route], list[str]]:
    """Return the routes with the requirements of the middlewares, and the rules that match no route.

    Args:
        middlewares: the middlewares around the application.
        routes: the routes of the application.
        prefix: the path under which it is mounted.
    """
    unused = []
    for middleware in middlewares:
        policy, optional = middleware._policy, middleware._optional  # noqa: SLF001
        routes = [checked for route in routes for checked in _apply(policy, optional, route, prefix)]
        unused += [
            rule.name
            for rule in policy.rules
            if not any(_matches(rule, route) or _matches_partly(rule, route) for route in routes)
        ]
    return routes, unused


def _apply(policy: Any, optional: bool, route: Route, prefix: str) -> Iterator[Route]:
    """Yield a route with the requirements of a middleware; several if they differ by method."""
    path = sample_path(route.path)
    asked: dict[Any, list[str]] = {}
    for method in route.methods or _METHODS:
        handshake = "GET" if method == "WEBSOCKET" else method
        asked.setdefault(policy.requirements_for(handshake, path, prefix=prefix), []).append(method)
    for requirements, methods in asked.items():
        may_be_missing = optional and requirements is policy.defaults
        split = attrs.evolve(route, methods=route.methods if len(asked) == 1 else tuple(methods))
        partly = [rule.name for rule in policy.rules if _matches_partly(rule, split)]
        unknown = (f"some of its paths have other rules: {', '.join(partly)}",) if partly else ()
        yield attrs.evolve(
            split,
            needs=split.needs if requirements is None else (*split.needs, Need(requirements, may_be_missing)),
            public=split.public or requirements is None,
            unknown=(*split.unknown, *unknown),
        )


def _matches(rule: Any, route: Route) -> bool:
    path = sample_path(route.path)
    return _holds_for(rule, route) and (
        rule.pattern.matches(path) if rule.public else rule.pattern.may_match(path)
    )


def _matches_partly(rule: Any, route: Route) -> bool:
    """Return whether a rule applies to some paths of a route but not to all."""
    return (
        _holds_for(rule, route)
        and not _matches(rule, route)
        and is_served_by(sample_path(rule.pattern.name), route.path)
    )


def _holds_for(rule: Any, route: Route) -> bool:
    return any(
        rule.holds_for("GET" if method == "WEBSOCKET" else method) for method in route.methods or _METHODS
    )


def _has_routes(app: Any) -> bool:
    return hasattr(app, "routes") or hasattr(app, "url_map")
