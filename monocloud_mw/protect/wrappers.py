"""Finds the function that a function wraps, and whether a mark on it is its own.

``functools.wraps`` copies attributes and sets ``__wrapped__`` in two cases that look the same:

- a decorator returns a function that calls the decorated one: a mark on that applies to both;
- a function only copies the name and docstring of another (``@wraps(other)``): a mark on that does not apply,
  and must not make it public.

They are distinguished by references: a decorator's function refers to the decorated one in its closure or in
an attribute. Proxies, which monitoring agents put around views with ``wrapt``, stand for the function itself.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

__all__ = ["MAX_LAYERS", "closure_of", "holds", "is_marked", "unbound", "wrapped_by"]

MAX_LAYERS: Final = 100  # functions around a view; more means a loop


def unbound(function: Any) -> Any:
    """Return the function of a bound method or of a proxy, which have no attributes of their own."""
    # The class of a proxy is that of what it wraps.
    while function.__class__ is not type(function) and hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return getattr(function, "__func__", function)


def wrapped_by(function: Any) -> Any:
    """Return the function that a function wraps, or ``None``."""
    return function.func if isinstance(function, partial) else getattr(function, "__wrapped__", None)


def holds(function: Any, wrapped: Any, depth: int = 2) -> bool:
    """Return whether a function refers to the function that it wraps, and so can call it.

    Args:
        function: the function that ``functools.wraps`` was applied to.
        wrapped: its ``__wrapped__``.
        depth: the maximum number of functions between the two.
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
    """Return the values in the closure of a function."""
    values = []
    for cell in getattr(function, "__closure__", None) or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:  # an empty cell
            continue
    return values


def is_marked(function: Any, name: str) -> bool:
    """Return whether a mark is on a function or on one that it decorates.

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
