"""The access declarations of views: ``@public``, ``@protect(...)``, or none.

A decorator below the route decorator is part of the registered view. One above it is applied after the view
was registered, so Flask never calls its result. Both are found from the registered view:

- a view is public if it, or a function that it decorates, is marked with ``@public``. A function that only
  copies the name of a public view with ``functools.wraps`` is not public;
- likewise, a ``@protect`` declaration of a view whose name a function copies adds its requirements to those
  of the function, and neither replaces these nor makes the token optional;
- a ``@protect`` declaration applies to a view if one of the two wraps the other. It does not apply if
  ``protect(view)`` was called as a function to register the result at another route;
- wrapping is recognised by ``functools.wraps`` and ``functools.partial``. Below a decorator that uses
  neither, nothing is found: the view counts as unmarked, and ``@protect`` checks when it is called;
- in a class-based view, the declaration of the method that serves the request takes precedence over that of
  the class.

Marks are attributes of functions. ``functools.wraps`` copies attributes, so each mark names its function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from types import FunctionType, MethodType
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import attrs
from flask import Blueprint, Request
from flask.app import Flask  # OpenTelemetry replaces flask.Flask with a subclass

from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError
from monocloud_mw.protect.wrappers import decorated, layers, unbound

from ..not_a_view import advice_for

__all__ = [
    "Declaration",
    "Declared",
    "Protection",
    "check_target",
    "declare",
    "find_declared",
    "find_unregistered",
    "merge",
    "name_of",
    "public",
]

View = TypeVar("View", bound=Callable[..., Any])

_MARKS: Final = "__monocloud_marks__"


class Protection(Protocol):
    """Checks requests for the declarations made with it; :class:`~.protect_api.ProtectApi` is one."""

    def check(self, declaration: Declaration, incoming: Request) -> None:
        """Check a request; raise an ``HTTPException`` to refuse it."""


@attrs.frozen(eq=False)
class Declaration:
    """The requirements of one ``@protect``.

    Args:
        protection: what ``@protect`` belongs to; it has the client.
        requirements: scopes and groups that the token must have.
        optional: let requests without a token pass; a token that is sent is still checked.
        states_optional: whether ``optional`` was an argument; if not, it is that of ``ProtectApi``.
        borrowed: whether the view may only have copied its name from the one that was declared.
    """

    protection: Protection
    requirements: Requirements
    optional: bool
    states_optional: bool = True
    borrowed: bool = False

    def asks_as(self, other: Declaration) -> bool:
        """Return whether another declaration has the same requirements."""
        return (self.protection, self.requirements, self.optional) == (
            other.protection,
            other.requirements,
            other.optional,
        )


class Declared(NamedTuple):
    """The declarations of a view."""

    public: bool
    protections: tuple[Declaration, ...]


class _Marks:
    """The marks of one function."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.public = False
        self.checks: Declaration | None = None  # on a wrapper: what it checks when called
        self.above: list[Declaration] = []  # on a wrapped function: what its wrappers check


def public(view: View) -> View:
    """Exempt a view from the protection of its application and blueprints.

    Write it directly below or above the route decorator, or in the ``decorators`` of a class-based view.

    Raises:
        ConfigurationError: the object is not a function or method, or it is protected with ``@protect``.
    """
    if isinstance(view, (Blueprint, Flask)) or not callable(view) or not _can_be_marked(unbound(view)):
        raise ConfigurationError(
            f"@public must decorate a view function, not {type(view).__name__} {name_of(view)}; decorate the "
            "functions, list endpoints in public_endpoints, or add public to decorators of a class-based view"
        )
    if find_declared(view).protections:
        raise _conflict(view)
    _mark(unbound(view)).public = True
    return view


def check_target(target: Any) -> None:
    """Raise ``ConfigurationError`` for objects that ``@protect`` cannot protect: Flask never calls them."""
    advice = advice_for(target)
    if inspect.isclass(target):
        advice = "add the decorator to decorators of a class-based view"
    elif isinstance(getattr(target, "__self__", None), (Flask, Blueprint)):
        advice = "wrap the application with monocloud_mw.adapters.wsgi.ProtectApiMiddleware"
    elif isinstance(target, (FunctionType, MethodType, partial)):
        if advice is None:
            return
    elif isinstance(getattr(target, "app", None), Flask):
        advice = "protect its .app, which is the Flask application"
    raise ConfigurationError(
        f"cannot protect a {type(target).__name__}: only functions, methods, Flask applications and "
        f"blueprints can be protected{f'; {advice}' if advice else ''}"
    )


def declare(wrapper: Any, target: Any, declaration: Declaration) -> None:
    """Record that a wrapper checks a declaration before it calls its target.

    Raises:
        ConfigurationError: the target is marked with ``@public``.
    """
    wrapped = list(layers(target))
    own = list(decorated(target))
    if any(marks is not None and marks.public for marks in map(_read, wrapped)):
        raise _conflict(target)
    _mark(wrapper).checks = declaration
    for layer in filter(_can_be_marked, _until_partial(wrapped)):
        above, found = _mark(layer).above, _note_borrowed(declaration, layer, own)
        if not any(  # a class may decorate on every request
            known.asks_as(found) and known.borrowed is found.borrowed for known in above
        ):
            above.append(found)


def _until_partial(functions: Iterable[Any]) -> Iterator[Any]:
    """Yield functions up to the first ``partial``; the function of a partial is a view of its own."""
    for function in functions:
        yield function
        if isinstance(function, partial):
            return


def find_declared(view: Any, method: str | None = None) -> Declared:
    """Return the declarations of a view.

    Args:
        view: the registered view.
        method: the HTTP method of the request, for class-based views.

    Raises:
        ConfigurationError: the view is both public and protected.
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
    """Combine declarations of the same ``protect`` into one that requires all of them."""
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
    own = list(decorated(view))
    marks = list(map(_read, layers(view)))
    checks = [
        _note_borrowed(layer.checks, layer.function, own)
        for layer in marks
        if layer is not None and layer.checks is not None
    ]
    above = [] if marks[0] is None or _has_its_name(view) else marks[0].above
    is_public = any(layer is not None and layer.public for layer in map(_read, own))
    return Declared(is_public, (*above, *checks))


def _note_borrowed(declaration: Declaration, layer: Any, own: Collection[Any]) -> Declaration:
    """Return a declaration, marked as borrowed unless the layer is among those that a view decorates."""
    is_own = any(layer is each for each in own)
    return declaration if is_own else attrs.evolve(declaration, borrowed=True)


def find_unregistered(view: Any, registered: Collection[Any]) -> tuple[Declaration, ...]:
    """Return the ``@protect`` declarations above the route of a view that no registered view checks.

    Args:
        view: the registered view.
        registered: all views of the application.
    """
    view = unbound(view)
    marks = _read(view)
    if marks is None or not marks.above or _has_its_name(view):
        return ()
    checked = []
    for other in registered:
        others = list(layers(other))
        if any(layer is view for layer in others):
            checked += [
                each.checks for each in map(_read, others) if each is not None and each.checks is not None
            ]
    return tuple(each for each in marks.above if not any(each.asks_as(check) for check in checked))


def _find_handler(view: Any, method: str | None) -> Any:
    """Return the method of a class-based view that serves an HTTP method."""
    owner = getattr(view, "view_class", None)
    if owner is None or method is None:
        return None
    names = (method.lower(), "get" if method == "HEAD" else "", "dispatch_request")
    return next((handler for name in names if (handler := getattr(owner, name, None)) is not None), None)


def _has_its_name(view: Any) -> bool:
    """Return whether the name of a view still refers to it, which a decorator would have replaced.

    For a nested function this cannot be determined: return false, so that the wrappers' declarations apply.
    """
    view, innermost = unbound(view), list(layers(view))[-1]
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
    return isinstance(getattr(layer, "__dict__", None), dict)  # false for classes and built-ins


def _conflict(view: Any) -> ConfigurationError:
    return ConfigurationError(f"the view {name_of(view)} has both @public and @protect: remove one of them")
