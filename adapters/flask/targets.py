"""Rejects objects that ``@protect`` cannot protect, because Flask would never call the wrapped object."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

from flask import Blueprint
from flask.app import Flask  # OpenTelemetry replaces flask.Flask with a subclass

from monocloud_mw.errors import ConfigurationError

from ..other_interfaces import middleware_for

__all__ = ["check_target"]


def check_target(target: Any) -> None:
    """Raise an error for objects that Flask would never call as a view.

    Raises:
        ConfigurationError: the target is not a function or method, or it is another kind of application.
    """
    if inspect.isfunction(target) or inspect.ismethod(target) or isinstance(target, partial):
        owner = getattr(target, "__self__", None)
        adapter = middleware_for(target)
        if adapter is None and not isinstance(owner, (Flask, Blueprint)):
            return
        if adapter is None:
            adapter = "monocloud_mw.adapters.wsgi.ProtectApiMiddleware"
        advice = f"wrap a WSGI or ASGI application with {adapter}"
    elif inspect.isclass(target):
        advice = "add the decorator to decorators of a class-based view"
    elif isinstance(target, (str, list, tuple, set, frozenset)):
        advice = "pass requirements by name, as in @protect(scopes=[...])"
    elif isinstance(getattr(target, "app", None), Flask):
        advice = "protect its .app, which is the Flask application"
    else:
        advice = (
            "use monocloud_mw.adapters.asgi.ProtectApiMiddleware for ASGI applications (FastAPI, Starlette, "
            "Quart) and monocloud_mw.adapters.wsgi.ProtectApiMiddleware for WSGI applications"
        )
    raise ConfigurationError(
        f"cannot protect a {type(target).__name__}: only functions, methods, Flask applications and "
        f"blueprints can be protected; {advice}"
    )
