"""Finds what a decorated function wraps, and whether a mark on it is its own.

``functools.wraps`` copies attributes and sets ``__wrapped__``, for two uses that look the same from outside:

- a decorator returns a function that calls what it decorates: a mark on that holds for both;
- a function borrows the name and the documentation of another (``@wraps(other)``): a mark of the other says
  nothing about it, and must not make it public.

They are told apart by what the function holds: a decorator needs what it decorates, in a closure or an
attribute.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

__all__ = ["MAX_LAYERS", "closure_of", "holds", "is_marked", "unbound", "wrapped_by"]

MAX_LAYERS: Final = 100  # of functions around a view; more would be a loop


def unbound(function: Any) -> Any:
    """Return the function of a bound method, which has no attributes of its own."""
    return getattr(function, "__func__", function)


def wrapped_by(function: Any) -> Any:
    """Return what a function says that it wraps, or ``None``."""
    return function.func if isinstance(function, partial) else getattr(function, "__wrapped__", None)


def holds(function: Any, wrapped: Any, depth: int = 2) -> bool:
    """Tell whether a function can call what it says that it wraps.

    Args:
        function: what ``functools.wraps`` was applied to.
        wrapped: its ``__wrapped__``.
        depth: how many functions may be between the two.
    """
    if isinstance(function, partial):
        return True
    wrapped = unbound(wrapped)
    copied = getattr(wrapped, "__dict__", {})
    own = getattr(function, "__dict__", {}).items()
    closure = closure_of(function)
    held = [value for name, value in own if name != "__wrapped__" and copied.get(name) is not value]
    return any(unbound(value) is wrapped for value in (*held, *closure)) or (
        depth > 0 and any(holds(value, wrapped, depth - 1) for value in closure if closure_of(value))
    )


def closure_of(function: Any) -> list[Any]:
    """Return the values that a function has from around it."""
    values = []
    for cell in getattr(function, "__closure__", None) or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:  # an empty cell
            continue
    return values


def is_marked(function: Any, name: str) -> bool:
    """Tell whether a mark is on a function, or on what it decorates.

    Args:
        function: a view, as the framework calls it.
        name: the attribute of the mark; its value is the function that was marked.
    """
    for _ in range(MAX_LAYERS):
        function = unbound(function)
        mark = getattr(function, name, None)
        if mark is None or mark is function:
            return mark is not None
        wrapped = wrapped_by(function)
        if wrapped is None or not holds(function, wrapped):
            return False
        function = wrapped
    return False
