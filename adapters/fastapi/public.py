"""``@public`` marks views that need no access token in an application that is protected as a whole."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from fastapi.params import Depends
from starlette.applications import Starlette
from starlette.routing import Router

from monocloud_mw.errors import ConfigurationError
from monocloud_mw.protect.wrappers import is_marked, unbound

__all__ = ["is_public", "public"]

View = TypeVar("View", bound=Callable[..., Any])

_MARK: Final = "__monocloud_public__"


def public(view: View) -> View:
    """Exempt a view from the protection of its application and routers.

    Requirements of the application, a router or ``include_router`` do not apply to it. A ``ProtectApi`` with
    ``optional=True`` still runs, so that the view has claims if a token was sent. Write ``@public`` below or
    above the route decorator.

    Raises:
        ConfigurationError: the object is not a view function.
    """
    target = unbound(view)
    is_other = inspect.isclass(target) or isinstance(target, (Router, Starlette, Depends))
    if is_other or not callable(target) or not hasattr(target, "__dict__"):  # built-in functions have none
        raise ConfigurationError(f"@public must decorate a view function, not {type(view).__name__} {view!r}")
    setattr(target, _MARK, target)
    return view


def is_public(view: Any) -> bool:
    """Return whether a view, or a function that it decorates, is marked with ``@public``."""
    is_partial = isinstance(view, partial)
    return (is_partial or getattr(view, _MARK, None) is not None) and is_marked(view, _MARK)
