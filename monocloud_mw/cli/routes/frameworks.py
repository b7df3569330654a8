"""The routes of Flask, Starlette, FastAPI and Django applications, with what their views declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .middleware import apply_middleware, unwrap, unwrap_wsgi
from .route import Need, Route

__all__ = ["list_routes"]


def list_routes(app: Any) -> tuple[list[Route], list[str]]:
    """Return the routes of an application, and the rules of its middlewares that match none of them.

    Raises:
        ValueError: it is of no framework that is known here.
    """
    app, middlewares = unwrap(app)
    if hasattr(app, "url_map") and hasattr(app, "view_functions"):
        return apply_middleware([*middlewares, *unwrap_wsgi(app)], list(_flask(app)))
    if hasattr(app, "routes") and hasattr(app, "user_middleware"):
        from ...adapters.asgi import ProtectApiMiddleware

        for entry in app.user_middleware:
            if entry.cls is ProtectApiMiddleware:
                middlewares.append(entry.cls(app, *entry.args, **entry.kwargs))
        routes = list(_fastapi(app) if hasattr(app, "openapi_url") else _starlette(app.routes, ""))
        return apply_middleware(middlewares, routes)
    if type(app).__module__.startswith("django."):
        from django.urls import get_resolver

        patterns: Any = get_resolver().url_patterns
        return apply_middleware(middlewares, list(_django(patterns, "/", ())))
    raise ValueError(f"is a {type(app).__name__}, not an application of Flask, FastAPI, Starlette or Django")


def _flask(app: Any) -> Iterator[Route]:
    from ...adapters.flask.declarations import find_declared
    from ...adapters.flask.protected_views import ProtectedViews

    hooks = [(name, hook) for name, hooks in app.before_request_funcs.items() for hook in hooks]
    for rule in app.url_map.iter_rules():
        view, endpoint = app.view_functions.get(rule.endpoint), rule.endpoint
        blueprints = {None, *_parents(endpoint)}
        checks = [
            hook.__self__
            for name, hook in hooks
            if name in blueprints and isinstance(getattr(hook, "__self__", None), ProtectedViews)
        ]
        for method in sorted((rule.methods or {"GET"}) - {"HEAD", "OPTIONS"}) or ["GET"]:
            declared = [
                declaration
                for views in checks
                for declaration in views._read(view, endpoint, method).checks  # noqa: SLF001
            ]
            if not checks:
                declared = list(find_declared(view, method).protections)
            needs = tuple(Need(each.requirements, each.optional) for each in declared)
            yield Route(methods=(method,), path=rule.rule, needs=needs)


def _parents(endpoint: str) -> Iterator[str]:
    while "." in endpoint:
        endpoint = endpoint.rpartition(".")[0]
        yield endpoint


def _starlette(routes: Iterable[Any], prefix: str) -> Iterator[Route]:
    for route in routes:
        path = prefix + getattr(route, "path", "")
        if getattr(route, "routes", None):
            yield from _starlette(route.routes, path)
        else:
            yield Route(methods=_methods(route), path=path or "/")


def _methods(route: Any) -> tuple[str, ...]:
    methods = set(getattr(route, "methods", None) or {"GET"})
    return tuple(sorted(methods - {"HEAD"} or methods))


def _fastapi(app: Any) -> Iterator[Route]:
    from ...adapters.fastapi.public import is_public
    from ...adapters.fastapi.routes import _declared_by, _effective_routes, _protections_of

    for _, route in _effective_routes(app.router.routes):
        if not hasattr(route, "dependencies"):
            yield from _starlette([route], "")
            continue
        view = route.endpoint
        needs = tuple(
            Need(declared.protection.requirements_with(declared.scopes), declared.protection.optional)
            for declared in [*_protections_of(route.dependencies), *_declared_by(view, (), None)]
            if declared.protection.optional or not is_public(view)
        )
        yield Route(methods=_methods(route), path=route.path, needs=needs)


def _django(patterns: Iterable[Any], prefix: str, apps: tuple[str, ...]) -> Iterator[Route]:
    from django.conf import settings

    from ...adapters.django.config import get_protection
    from ...adapters.django.declarations import declaration_of, name_of

    checks_all = "monocloud_mw.adapters.django.ProtectApiMiddleware" in settings.MIDDLEWARE
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            names = (*apps, *filter(None, [pattern.app_name]))
            yield from _django(pattern.url_patterns, path, names)
            continue
        declaration = declaration_of(pattern.callback)
        needs: tuple[Need, ...] = ()
        if declaration is not None and not declaration.public:
            needs = (Need(declaration.requirements, declaration.optional),)
        elif declaration is None and checks_all and get_protection().denies(name_of(pattern.callback), apps):
            needs = (Need(),)
        yield Route(methods=("GET",), path=path, needs=needs)
