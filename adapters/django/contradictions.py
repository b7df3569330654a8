"""Views that are declared to be public and to be protected, in ways that no decorator can see by itself.

``method_decorator`` applies decorators to a function of its own, and again to each bound method at a request;
a class and its methods are decorated apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monocloud_mw.protect.wrappers import layers, variables_of

from .declarations import class_of, declaration_of, name_of
from .decorators import protect, public

__all__ = ["find_contradictions"]


def find_contradictions(view: Any, *, is_denied: bool = False) -> Iterator[str]:
    """Yield what is contradictory about a view, with its name.

    Args:
        view: the view.
        is_denied: whether the middleware requires a token if the view has no declaration.
    """
    name, owner, declaration = name_of(view), class_of(view), declaration_of(view)
    applied = [*_applied_to(view), *_applied_to(getattr(owner, "dispatch", None))]
    is_public = declaration is not None and declaration.public
    is_protected = declaration is not None and not declaration.public
    if (is_public or any(each is public for each in applied)) and (
        is_protected or any(map(_is_protect, applied))
    ):
        yield f"{name} is both public and protected; remove one of the two"
    needs_token = is_denied if declaration is None else is_protected and not declaration.optional
    for method in getattr(owner, "http_method_names", ()):
        own = declaration_of(getattr(owner, method, None))
        if own is not None and own.public and not is_public:
            yield f"{name}.{method} is public, which has no effect on a method; make the class public"
        if own is not None and own.optional and needs_token:
            yield (
                f"{name}.{method} has optional=True, which has no effect on a method of a view that requires "
                "a token; declare it for the class"
            )


def _applied_to(view: Any) -> Iterator[Any]:
    """Yield the decorators that ``method_decorator`` applies to a view when it is called."""
    for layer in layers(view):
        for value in variables_of(layer).values():
            yield from value if isinstance(value, (list, tuple)) else ()


def _is_protect(decorator: Any) -> bool:
    qualified = f"{protect.__qualname__}.<locals>.decorate"  # what protect(...) returns
    return decorator is protect or (
        getattr(decorator, "__module__", None) == protect.__module__
        and getattr(decorator, "__qualname__", None) == qualified
    )
