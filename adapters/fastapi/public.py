"""Marks the views that need no access token where the whole application does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar

from fastapi import APIRouter, FastAPI
from fastapi.params import Depends

from monocloud_mw.errors import ConfigurationError
from monocloud_mw.protect.wrappers import is_marked, unbound

__all__ = ["is_public", "public"]

View = TypeVar("View", bound=Callable[..., Any])

_MARK: Final = "__monocloud_public__"


def public(view: View) -> View:
    """Open a view of an application or router that is protected as a whole.

    It lifts what the application, a router or ``include_router`` requires. Only a ``ProtectApi`` with
    ``optional=True`` is still asked, so that such a view can have claims where a token was sent. Write it
    below or above the route decorator.

    Raises:
        ConfigurationError: it is not a function that can be a view.
    """
    target = unbound(view)
    if inspect.isclass(target) or isinstance(target, (APIRouter, FastAPI, Depends)) or not callable(target):
        raise ConfigurationError(f"@public marks a view function, not {type(view).__name__} {view!r}")
    setattr(target, _MARK, target)
    return view


def is_public(view: Any) -> bool:
    """Tell whether a view, or a function that it decorates, is marked."""
    return getattr(view, _MARK, None) is not None and is_marked(view, _MARK)
