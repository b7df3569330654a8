"""Recognises WSGI and ASGI applications where a view is expected, to name the middleware for them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

__all__ = ["middleware_for"]

_MIDDLEWARE: Final = {
    ("environ", "start_response"): "monocloud_mw.adapters.wsgi.ProtectApiMiddleware",
    ("scope", "receive", "send"): "monocloud_mw.adapters.asgi.ProtectApiMiddleware",
}


def middleware_for(function: Callable[..., Any]) -> str | None:
    """Return the dotted name of the middleware for an application, or ``None`` for any other callable."""
    try:
        parameters = tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # a built-in function without a signature
        return None
    return _MIDDLEWARE.get(parameters)
