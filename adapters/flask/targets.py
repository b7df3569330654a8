"""What ``@protect`` can protect: everything else would be wrapped in silence and never be called."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any, Final

from flask import Blueprint, Flask

from monocloud_mw.errors import ConfigurationError

__all__ = ["check_target"]

_OTHER_INTERFACES: Final = {
    ("environ", "start_response"): "monocloud_mw.adapters.wsgi.ProtectApiMiddleware",
    ("scope", "receive", "send"): "monocloud_mw.adapters.asgi.ProtectApiMiddleware",
}


def check_target(target: Any) -> None:
    """Refuse what would be wrapped in silence and never be called, or not by Flask.

    Raises:
        ConfigurationError: it is not a function or method, or an application of another kind.
    """
    if inspect.isfunction(target) or inspect.ismethod(target) or isinstance(target, partial):
        owner = getattr(target, "__self__", None)
        adapter = _OTHER_INTERFACES.get(tuple(inspect.signature(target).parameters))
        if adapter is None and not isinstance(owner, (Flask, Blueprint)):
            return
        if adapter is None:
            adapter = "monocloud_mw.adapters.wsgi.ProtectApiMiddleware"
        advice = f"a WSGI or ASGI application is wrapped by {adapter}"
    elif inspect.isclass(target):
        advice = "a class-based view names the decorator in its decorators"
    elif isinstance(getattr(target, "app", None), Flask):
        advice = "protect its .app, which is the Flask application"
    else:
        advice = (
            "monocloud_mw.adapters.asgi.ProtectApiMiddleware protects ASGI applications (FastAPI, Starlette, "
            "Quart), monocloud_mw.adapters.wsgi.ProtectApiMiddleware WSGI applications"
        )
    raise ConfigurationError(
        f"cannot protect a {type(target).__name__}: only functions, methods, Flask applications and "
        f"blueprints can be protected; {advice}"
    )
