"""What to do with an object that is decorated with ``@protect`` and is not a view."""

from __future__ import annotations

import inspect
from typing import Any, Final

__all__ = ["advice_for"]

_ADAPTERS: Final = {("environ", "start_response"): "wsgi", ("scope", "receive", "send"): "asgi"}


def advice_for(target: Any) -> str | None:
    """Return what to do instead of decorating an object, or ``None`` if it may be a view."""
    if isinstance(target, (str, list, tuple, set, frozenset)):
        return "pass requirements by name, as in @protect(scopes=[...])"
    try:
        adapter = _ADAPTERS.get(tuple(inspect.signature(target).parameters))
    except (TypeError, ValueError):  # not callable, or a built-in function without a signature
        return None
    return adapter and f"wrap the application with monocloud_mw.adapters.{adapter}.ProtectApiMiddleware"
