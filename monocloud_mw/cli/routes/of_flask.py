"""The routes of a Flask application, with the requirements of extensions, blueprints and views."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...adapters.flask.declarations import find_declared
from ...adapters.flask.protected_views import ProtectedViews
from .route import Need, Route

__all__ = ["list_flask"]


def list_flask(app: Any) -> Iterator[Route]:
    """Yield the routes, one for each method."""
    hooks = [(name, hook) for name, hooks in app.before_request_funcs.items() for hook in hooks]
    for rule in app.url_map.iter_rules():
        view, endpoint = app.view_functions.get(rule.endpoint), rule.endpoint
        blueprints = {None, *_parents(endpoint)}
        views = [
            hook.__self__
            for name, hook in hooks
            if name in blueprints and isinstance(getattr(hook, "__self__", None), ProtectedViews)
        ]
        for method in sorted((rule.methods or {"GET"}) - {"HEAD", "OPTIONS"}) or ["GET"]:
            is_public, protections = find_declared(view, method)
            found = [each.needed_by(view, endpoint, method) for each in views]
            declared = [declaration for needed in found for declaration in needed.checks]
            yield Route(
                methods=(method,),
                path=rule.rule,
                needs=tuple(
                    Need(each.requirements, each.optional) for each in (declared if views else protections)
                ),
                public=is_public or any(each.is_public_endpoint(endpoint) for each in views),
            )


def _parents(endpoint: str) -> Iterator[str]:
    while "." in endpoint:
        endpoint = endpoint.rpartition(".")[0]
        yield endpoint
