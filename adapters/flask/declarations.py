"""What views declare about access: ``@public``, ``@protect(...)``, or nothing.

A decorator above the route is applied to what the route has registered already: Flask never calls what it
returns. A decorator below the route is part of the registered view. Both are found here, from the view:

- a view is public where it, or a function that it decorates, is marked with ``@public``; a function that only
  borrows the name of a public view, by ``functools.wraps``, is not;
- a declaration of ``@protect`` belongs to a view where one of the two wraps the other. A view that was also
  passed to ``protect(...)`` as a function, for another route, still has its own name and is not meant;
- "wraps" is what ``functools.wraps`` and ``functools.partial`` say. Of a decorator that does not say what it
  wraps nothing is found beneath: such a view counts as not marked, and ``@protect`` checks when it is called;
- in a class-based view the method that serves the request counts too, and stands before its class.

Marks are attributes, so that they live as long as their function; ``functools.wraps`` copies attributes, so
each names the function that it was made for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import attrs
from flask import Blueprint, Flask

from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError
from monocloud_mw.protect.wrappers import MAX_LAYERS, holds, unbound, wrapped_by

if TYPE_CHECKING:
    from .protect_api import ProtectApi

__all__ = ["Declaration", "Declared", "declare", "find_declared", "merge", "name_of", "public"]

View = TypeVar("View", bound=Callable[..., Any])

_MARKS: Final = "__monocloud_marks__"


@attrs.frozen(eq=False)
class Declaration:
    """What one use of a ``protect`` asks of a request.

    Args:
        protection: the object that was used, which has the client.
        requirements: what the token needs.
        optional: let a request without a token pass; one that is there is checked.
    """

    protection: ProtectApi
    requirements: Requirements
    optional: bool

    def asks_as(self, other: Declaration) -> bool:
        """Tell whether another declaration asks for the same."""
        return (self.protection, self.requirements, self.optional) == (
            other.protection,
            other.requirements,
            other.optional,
        )


class Declared(NamedTuple):
    """What is declared on a view."""

    public: bool
    protections: tuple[Declaration, ...]


class _Marks:
    """The marks of one function."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.public = False
        self.checks: Declaration | None = None  # of a wrapper: what it checks when it is called
        self.above: list[Declaration] = []  # of what is wrapped: what its wrappers check


def public(view: View) -> View:
    """Let everyone call a view of an application or blueprint that is protected as a whole.

    Write it directly below or above the route decorator, or into the ``decorators`` of a class-based view.

    Raises:
        ConfigurationError: it is not a function or method, or ``@protect`` is on it.
    """
    if isinstance(view, (Blueprint, Flask)) or not callable(view) or not _can_be_marked(unbound(view)):
        raise ConfigurationError(
            f"@public marks a view function, not {type(view).__name__} {name_of(view)}: mark the functions, "
            "name endpoints in public_endpoints, or write public into the decorators of a class-based view"
        )
    if find_declared(view).protections:
        raise _conflict(view)
    _mark(unbound(view)).public = True
    return view


def declare(wrapper: Any, target: Any, declaration: Declaration) -> None:
    """Remember that a wrapper checks a declaration before it calls its target.

    Raises:
        ConfigurationError: ``@public`` is on the target.
    """
    layers = list(_layers(target))
    if any(marks is not None and marks.public for marks in map(_read, layers)):
        raise _conflict(target)
    _mark(wrapper).checks = declaration
    for layer in filter(_can_be_marked, takewhile(lambda layer: not isinstance(layer, partial), layers)):
        above = _mark(layer).above
        if not any(known.asks_as(declaration) for known in above):  # a class may decorate on every request
            above.append(declaration)


def find_declared(view: Any, method: str | None = None) -> Declared:
    """Return what is declared on a view.

    Args:
        view: what Flask has registered.
        method: the HTTP method of the request, for class-based views.

    Raises:
        ConfigurationError: it is declared to be public and to be protected.
    """
    found = _find(view)
    handler = _find_handler(view, method)
    if handler is not None:
        own = _find(handler)
        if own.public and found.protections:
            raise _conflict(handler)
        if own.public or own.protections:
            found = Declared(own.public, (*found.protections, *own.protections))
    if found.public and found.protections:
        raise _conflict(view)
    return found


def merge(declarations: list[Declaration]) -> Declaration:
    """Return one declaration in place of several of the same ``protect``, each of which must be met."""
    first, *more = declarations
    if not more:
        return first
    requirements = first.requirements
    for declaration in more:
        requirements = requirements.merge(declaration.requirements)
    optional = all(declaration.optional for declaration in declarations)
    return Declaration(first.protection, requirements, optional)


def name_of(view: Any) -> str:
    """Return the dotted name of a view for messages."""
    name = getattr(view, "__qualname__", None) or getattr(view, "__name__", type(view).__name__)
    return f"{getattr(view, '__module__', None) or type(view).__module__}.{name}"


def _find(view: Any) -> Declared:
    marks = list(map(_read, _layers(view)))
    checks = [layer.checks for layer in marks if layer is not None and layer.checks is not None]
    above = [] if marks[0] is None or _has_its_name(view) else marks[0].above
    is_public = any(layer is not None and layer.public for layer in map(_read, _decorated(view)))
    return Declared(is_public, (*above, *checks))


def _decorated(view: Any) -> Iterator[Any]:
    """Yield a view and the functions that it decorates, without those whose name it only borrows."""
    layers = list(_layers(view))
    yield layers[0]
    for layer, wrapped in pairwise(layers):
        if not holds(layer, wrapped):
            return
        yield wrapped


def _find_handler(view: Any, method: str | None) -> Any:
    """Return the method of a class-based view that serves an HTTP method."""
    owner = getattr(view, "view_class", None)
    if owner is None or method is None:
        return None
    names = (method.lower(), "get" if method == "HEAD" else "", "dispatch_request")
    return next((handler for name in names if (handler := getattr(owner, name, None)) is not None), None)


def _layers(view: Any) -> Iterator[Any]:
    """Yield a view and the functions that it wraps, from the outermost to the innermost."""
    for _ in range(MAX_LAYERS):
        view = unbound(view)
        yield view
        view = wrapped_by(view)
        if view is None:
            return


def _has_its_name(view: Any) -> bool:
    """Tell whether the name of a view still refers to it: a decorator would have replaced it.

    Of a function in a function this cannot be said: there, what ``protect`` was called with counts.
    """
    view, innermost = unbound(view), list(_layers(view))[-1]
    first, *rest = str(getattr(innermost, "__qualname__", "")).split(".")
    found = getattr(innermost, "__globals__", {}).get(first)
    for name in rest:
        found = getattr(found, name, None)
    return unbound(found) is view


def _read(layer: Any) -> _Marks | None:
    marks = getattr(layer, "__dict__", {}).get(_MARKS)
    return marks if isinstance(marks, _Marks) and marks.function is layer else None


def _mark(layer: Any) -> _Marks:
    marks = _read(layer)
    if marks is None:
        marks = layer.__dict__[_MARKS] = _Marks(layer)
    return marks


def _can_be_marked(layer: Any) -> bool:
    return isinstance(getattr(layer, "__dict__", None), dict)  # not classes, and not what is built in


def _conflict(view: Any) -> ConfigurationError:
    return ConfigurationError(f"the view {name_of(view)} has both @public and @protect: remove one of them")
