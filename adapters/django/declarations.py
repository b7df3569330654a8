"""What a view says about access: kept on the view as an attribute, found there after routing.

Django's own decorators and ``functools.wraps`` copy such attributes, and ``as_view()`` takes them from
``dispatch``, so that the outermost function that Django calls still has it. Where an attribute was lost, the
view is checked all the same: the middleware then requires a token (deny by default), and the decorator what
it was given.

A function that only borrows the name of a public view (``@wraps(ping)``) has its attributes and is not
public: :mod:`monocloud_mw.protect.wrappers` says how the two are told apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from monocloud_mw.core.token.requirements import NO_REQUIREMENTS, Requirements
from monocloud_mw.errors import ConfigurationError
from monocloud_mw.protect.wrappers import MAX_LAYERS, closure_of, holds, unbound, wrapped_by

__all__ = ["PUBLIC", "Declaration", "class_of", "declaration_of", "declare", "name_of"]

_ATTRIBUTE: Final = "monocloud_access"
_PUBLIC: Final = "monocloud_public"  # the function that @public has made


@attrs.frozen(kw_only=True)
class Declaration:
    """What one view says.

    Args:
        requirements: what a token must meet.
        optional: whether a request without a token passes, without claims.
        public: whether no token is looked at.
    """

    requirements: Requirements = NO_REQUIREMENTS
    optional: bool = False
    public: bool = False

    def merge(self, other: Declaration) -> Declaration:
        """Return what a request must meet to pass both."""
        return Declaration(
            requirements=self.requirements.merge(other.requirements),
            optional=self.optional and other.optional,
        )


PUBLIC: Final = Declaration(public=True)


def declaration_of(view: Any) -> Declaration | None:
    """Return what a view says about access; ``None`` where it says nothing."""
    declaration: Declaration | None = getattr(view, _ATTRIBUTE, None)
    return None if declaration is PUBLIC and not _is_public(view) else declaration


def declare(view: Callable[..., Any], declaration: Declaration) -> Declaration:
    """Put a declaration on a view, beside the one that is there, and return the two as one.

    Raises:
        ConfigurationError: the view would be public and protected.
    """
    there = declaration_of(view)
    if there is not None:
        if there.public is not declaration.public:
            raise ConfigurationError(f"{name_of(view)} is both public and protected; remove one of the two")
        declaration = declaration if declaration.public else declaration.merge(there)
    setattr(view, _ATTRIBUTE, declaration)
    if declaration is PUBLIC:
        setattr(view, _PUBLIC, view)
    return declaration


def _is_public(view: Any) -> bool:
    """Tell whether a view is what ``@public`` has made, decorates that, or has it as ``dispatch``."""
    for _ in range(MAX_LAYERS):
        view = unbound(view)
        mark = getattr(view, _PUBLIC, None)
        if mark is None or mark is view:
            return mark is not None
        owner, wrapped = class_of(view), wrapped_by(view)
        if owner is not None and any(value is owner for value in closure_of(view)):  # what as_view() has made
            view = owner.dispatch
        elif wrapped is None or not holds(view, wrapped):
            return False
        elif getattr(wrapped, _PUBLIC, None) is None:  # method_decorator marks what it returns
            return True
        else:
            view = wrapped
    return False


def class_of(view: Any) -> Any:
    """Return the class of what ``as_view()`` of Django or REST framework has made, else ``None``."""
    return getattr(view, "view_class", None) or getattr(view, "cls", None)


def name_of(view: Any) -> str:
    """Return the dotted name of a view, as ``public_views`` has it; of a class-based one, its class."""
    view = class_of(view) or view
    return f"{getattr(view, '__module__', '')}.{getattr(view, '__qualname__', type(view).__qualname__)}"
