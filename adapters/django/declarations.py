"""The access declaration of a view: an attribute of the view, read after routing.

Django's decorators and ``functools.wraps`` copy such attributes, and ``as_view()`` copies them from
``dispatch``, so the function that Django calls has the declaration. If another decorator loses it, the view
is still protected: the middleware requires a token (deny by default), and ``@protect`` makes its own check. A
``functools.partial`` has no attributes of its function, so the declaration is read from the function.

A function that only copies the name of a view (``@wraps(ping)``) has its attributes. They make it neither
public nor the token optional, and ``public_views`` does not apply to it;
:mod:`monocloud_mw.protect.wrappers` distinguishes the two.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import attrs

from monocloud_mw.core.token.requirements import NO_REQUIREMENTS, Requirements
from monocloud_mw.errors import ConfigurationError
from monocloud_mw.protect.wrappers import (
    MAX_LAYERS,
    decorated,
    holds,
    layers,
    unbound,
    variables_of,
    wrapped_by,
)

__all__ = [
    "PUBLIC",
    "Declaration",
    "class_of",
    "declaration_of",
    "declare",
    "enforced_on",
    "has_own_name",
    "name_of",
]

_ATTRIBUTE: Final = "monocloud_access"
_DECLARED: Final = "monocloud_declared"  # the function that @public or @protect has made


@attrs.frozen(kw_only=True)
class Declaration:
    """The access declaration of one view.

    Args:
        requirements: scopes and groups that the token must have.
        optional: whether a request without a token passes, without claims.
        public: whether tokens are ignored.
    """

    requirements: Requirements = NO_REQUIREMENTS
    optional: bool = False
    public: bool = False

    def merge(self, other: Declaration) -> Declaration:
        """Return the combination of both declarations."""
        return Declaration(
            requirements=self.requirements.merge(other.requirements),
            optional=self.optional and other.optional,
        )


PUBLIC: Final = Declaration(public=True)


def declaration_of(view: Any) -> Declaration | None:
    """Return the declaration of a view, or ``None`` if it has none."""
    declaration: Declaration | None = getattr(view, _ATTRIBUTE, None)
    if declaration is None:
        if wrapped_by(view) is None:
            return None  # as for most views
        view = _inside_partial(view)
        declaration = getattr(view, _ATTRIBUTE, None)
    return None if declaration is PUBLIC and not _is_own(view) else declaration


def enforced_on(view: Any) -> Declaration | None:
    """Return what the middleware enforces: a declaration that is not the view's own requires a token."""
    declaration = declaration_of(view)
    if declaration is not None and declaration.optional and not _is_own(_inside_partial(view)):
        return attrs.evolve(declaration, optional=False)
    return declaration


def declare(view: Callable[..., Any], declaration: Declaration) -> Declaration:
    """Set a declaration on a view, combined with an existing one, and return the result.

    Raises:
        ConfigurationError: the view would be both public and protected.
    """
    there = declaration_of(view)
    if there is not None:
        if there.public is not declaration.public:
            raise ConfigurationError(f"{name_of(view)} is both public and protected; remove one of the two")
        declaration = declaration if declaration.public else declaration.merge(there)
    setattr(view, _ATTRIBUTE, declaration)
    setattr(view, _DECLARED, view)
    return declaration


def _inside_partial(view: Any) -> Any:
    """Return the function of a ``partial``, whose attributes the partial and its decorators do not have."""
    layer = view
    for _ in range(MAX_LAYERS):
        if isinstance(layer, partial) and all(each is not layer for each in decorated(view)):
            return view  # only its name was copied
        if getattr(layer, _ATTRIBUTE, None) is not None:
            return layer
        layer = wrapped_by(layer)
        if layer is None:
            break
    return view


def _is_own(view: Any) -> bool:
    """Return whether a view is what was declared, decorates it, or has it as ``dispatch``."""
    for _ in range(MAX_LAYERS):
        view = unbound(view)
        mark = getattr(view, _DECLARED, None)
        if mark is None or mark is view:
            return mark is not None
        wrapped = wrapped_by(view)
        if _is_from_as_view(view):
            view = class_of(view).dispatch
        elif wrapped is None or not holds(view, wrapped):
            return False
        elif getattr(wrapped, _DECLARED, None) is None:  # method_decorator marks what it returns
            return True
        else:
            view = wrapped
    return False


def has_own_name(view: Any) -> bool:
    """Return whether the name of a view is its own, or that of a view that it decorates."""
    for layer in layers(view):
        wrapped = wrapped_by(layer)
        if wrapped is None or _is_from_as_view(layer):
            return True
        if not holds(layer, wrapped):
            return False
    return False


def _is_from_as_view(view: Any) -> bool:
    """Return whether a function is the result of ``as_view()``, and no decorator of it."""
    owner = class_of(view)
    return owner is not None and any(value is owner for value in variables_of(view).values())


def class_of(view: Any) -> Any:
    """Return the class of a view from ``as_view()`` of Django or REST framework, otherwise ``None``."""
    return getattr(view, "view_class", None) or getattr(view, "cls", None)


def name_of(view: Any) -> str:
    """Return the dotted name of a view for ``public_views``; for a class-based view, that of its class."""
    view = class_of(view) or view
    return f"{getattr(view, '__module__', '')}.{getattr(view, '__qualname__', type(view).__qualname__)}"
