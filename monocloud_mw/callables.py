"""Recognises async callables: coroutine functions, and objects whose ``__call__`` is one.

``inspect.iscoroutinefunction``, which frameworks use, does not recognise these objects.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["coroutine_function", "is_async"]


def is_async(function: object) -> bool:
    """Return whether a callable is async; a ``partial`` is if its function is."""
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004  the method itself, to see whether it is async
    )


def coroutine_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return an async callable as a coroutine function, and any other callable unchanged."""
    if not is_async(function) or inspect.iscoroutinefunction(function):
        return function

    async def call(*arguments: Any) -> Any:
        return await function(*arguments)

    return call
