"""The functions around a view, as recorded by ``functools.wraps``, and the variables in their closures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

__all__ = ["layers_of", "variables_of"]

MAX_LAYERS: Final = 100
"""The maximum number of functions around a view; more means a loop."""


def layers_of(view: Any) -> Iterator[Any]:
    """Yield a view and the functions that it wraps, from the outermost to the innermost."""
    for _ in range(MAX_LAYERS):
        view = getattr(view, "__func__", view)
        yield view
        view = view.func if isinstance(view, partial) else getattr(view, "__wrapped__", None)
        if view is None:
            return


def variables_of(function: Any) -> Mapping[str, Any]:
    """Return the variables in the closure of a function."""
    found = {}
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    return found
