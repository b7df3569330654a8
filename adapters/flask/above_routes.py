"""Checks views with ``@protect`` above their route, in applications without ``ProtectApi(app)``.

Flask registers such a view before ``@protect`` decorates it, and never calls the result of ``@protect``. The
declaration is found on the view when a request starts: Flask sends the signal ``request_started`` for every
application, and handles an exception raised there like one of the view.

Only views that would otherwise be unprotected are checked here, which no registered view checks.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from flask import request_started
from flask.app import Flask  # OpenTelemetry replaces flask.Flask with a subclass

from .claims import current_request, mark_as_met
from .declarations import Declaration, find_unregistered

__all__ = ["check_view", "leave_to_app"]

EXTENSION: Final = "monocloud_mw.above_routes"
"""In ``app.extensions``: what is known of the endpoints, or ``None`` if the application checks every view."""


class _Known(NamedTuple):
    """The declarations for the view of an endpoint; valid until the endpoint has another view."""

    view: Any
    declarations: tuple[Declaration, ...]


def leave_to_app(app: Flask) -> None:
    """Leave an application to its ``ProtectApi(app)``, which checks every view before Flask calls it."""
    app.extensions[EXTENSION] = None


@request_started.connect
def check_view(app: Flask, **_: Any) -> None:
    """Check the current request for declarations above the route of its view.

    Raises:
        HTTPException: the request is refused; the exception has the response.
    """
    endpoints: dict[str, _Known] | None = app.extensions.setdefault(EXTENSION, {})
    if endpoints is None:
        return
    incoming = current_request()
    endpoint = incoming.endpoint
    if endpoint is None:
        return
    view, known = app.view_functions.get(endpoint), endpoints.get(endpoint)
    if known is None or known.view is not view:
        declarations = find_unregistered(view, app.view_functions.values())
        known = endpoints[endpoint] = _Known(view, declarations)
    for declaration in known.declarations:
        declaration.protection.check(declaration, incoming)
        mark_as_met(incoming, (declaration,))
