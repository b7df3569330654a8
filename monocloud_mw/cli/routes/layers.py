"""The functions around a view, as ``functools.wraps`` names them, and the variables that they keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

__all__ = ["layers_of", "variables_of"]

MAX_LAYERS: Final = 100
"""More would be a loop."""


def layers_of(view: Any) -> Iterator[Any]:
    """Yield a view and the functions that it wraps, from the outermost to the innermost."""
    for _ in range(MAX_LAYERS):
        view = getattr(view, "__func__", view)
        yield view
        view = view.func if isinstance(view, partial) else getattr(view, "__wrapped__", None)
        if view is None:
            return


def variables_of(function: Any) -> Mapping[str, Any]:
    """Return the variables that a function has from the one around it."""
    found = {}
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # it has not been set
            continue
    return found
