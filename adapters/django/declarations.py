"""What a view says about access: kept on the view as an attribute, found there after routing.

Django's own decorators and ``functools.wraps`` copy such attributes, and ``as_view()`` takes them from
``dispatch``, so that the outermost function that Django calls still has it. Where an attribute was lost, the
view is checked all the same: the middleware then requires a token (deny by default), and the decorator what
it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from monocloud_mw.core.token.requirements import NO_REQUIREMENTS, Requirements
from monocloud_mw.errors import ConfigurationError

__all__ = ["PUBLIC", "Declaration", "declaration_of", "declare", "name_of"]

_ATTRIBUTE: Final = "monocloud_access"


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
    return getattr(view, _ATTRIBUTE, None)


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
    return declaration


def name_of(view: Any) -> str:
    """Return the dotted name of a view, as ``public_views`` has it; of a class-based one, its class."""
    view = getattr(view, "view_class", None) or getattr(view, "cls", None) or view
    return f"{getattr(view, '__module__', '')}.{getattr(view, '__qualname__', type(view).__qualname__)}"
