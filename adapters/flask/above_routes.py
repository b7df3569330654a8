"""Checks views with ``@protect`` above their route, in applications without ``ProtectApi(app)``.

Flask registers such a view before ``@protect`` decorates it, and never calls the result of ``@protect``. The
declaration is found on the view when a request starts: Flask sends the signal ``request_started`` for every
application, and handles an exception raised there like one of the view.

Only views that would otherwise be unprotected are checked here, which no registered view checks.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from flask import Flask, request_started

from .claims import current_request, mark_as_met
from .declarations import Declaration, find_unregistered

__all__ = ["CHECKED_APPS", "check_view"]

CHECKED_APPS: Final[WeakSet[Flask]] = WeakSet()
"""Applications with ``ProtectApi(app)``, which check every view before Flask calls it."""


class _Known(NamedTuple):
    """The declarations for the view of an endpoint; valid until the views of the application change."""

    view: Any
    views: int
    declarations: tuple[Declaration, ...]


_known: Final[WeakKeyDictionary[Flask, dict[str, _Known]]] = WeakKeyDictionary()


@request_started.connect
def check_view(app: Flask, **_: Any) -> None:
    """Check the current request for declarations above the route of its view.

    Raises:
        HTTPException: the request is refused; the exception has the response.
    """
    if app in CHECKED_APPS:
        return
    incoming = current_request()
    endpoint = incoming.endpoint
    if endpoint is None:
        return
    endpoints = _known.setdefault(app, {})
    view, count = app.view_functions.get(endpoint), len(app.view_functions)
    known = endpoints.get(endpoint)
    if known is None or known.view is not view or known.views != count:
        declarations = find_unregistered(view, app.view_functions.values())
        known = endpoints[endpoint] = _Known(view, count, declarations)
    for declaration in known.declarations:
        declaration.protection.check(declaration, incoming)
        mark_as_met(incoming, (declaration,))
