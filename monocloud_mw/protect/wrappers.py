"""Finds the functions that a view wraps, and whether a mark on one of them applies to the view.

``functools.wraps`` copies attributes and sets ``__wrapped__`` in two cases that look the same:

- a decorator returns a function that calls the decorated one: a mark on that applies to both;
- a function only copies the name and docstring of another (``@wraps(other)``): a mark on that does not apply,
  and must not make it public.

They are distinguished by references: a decorator's function refers to the decorated one in its closure or in
an attribute. Proxies, which monitoring agents put around views with ``wrapt``, stand for the function itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

__all__ = ["MAX_LAYERS", "decorated", "holds", "is_marked", "layers", "unbound", "variables_of", "wrapped_by"]

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


def layers(view: Any) -> Iterator[Any]:
    """Yield a view and the functions that it wraps, from the outermost to the innermost."""
    for _ in range(MAX_LAYERS):
        view = unbound(view)
        yield view
        view = wrapped_by(view)
        if view is None:
            return


def decorated(view: Any) -> Iterator[Any]:
    """Yield a view and the functions that it decorates, without those whose name it only copies."""
    walk = layers(view)
    outer = next(walk)
    yield outer
    for wrapped in walk:
        if not holds(outer, wrapped):
            return
        yield wrapped
        outer = wrapped


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
    closure = variables_of(function).values()
    held = [value for name, value in own if name != "__wrapped__" and copied.get(name) is not value]
    return any(unbound(value) is wrapped for value in (*held, *closure)) or (
        depth > 0 and any(holds(value, wrapped, depth - 1) for value in closure if variables_of(value))
    )


def variables_of(function: Any) -> dict[str, Any]:
    """Return the variables in the closure of a function."""
    found = {}
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    return found


def is_marked(function: Any, name: str) -> bool:
    """Return whether a mark is on a function or on one that it decorates.

    Args:
        function: a view, as the framework calls it.
        name: the attribute of the mark; its value is the function that was marked.
    """
    for layer in decorated(function):
        mark = getattr(layer, name, None)
        if mark is None and isinstance(layer, partial):
            continue  # it has no attributes of its function
        if mark is None or mark is layer:
            return mark is not None
    return False
