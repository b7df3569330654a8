"""The protections among the dependencies of a route, read as FastAPI reads them.

FastAPI reads dependencies from the routers and the route, and from the signatures of views and of other
dependencies (``Annotated`` or default). The scopes of each level are added to those of the levels above.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, NamedTuple, NoReturn, get_args, get_origin

from fastapi.dependencies.utils import get_typed_signature
from fastapi.params import Depends, Security
from fastapi.security.base import SecurityBase

from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError
from monocloud_mw.protect.wrappers import decorated

__all__ = [
    "Declared",
    "Protection",
    "declared_among",
    "declared_in",
    "declared_on",
    "dependencies_of",
    "parameters_of",
    "protection_called_by",
    "requires_token",
]


class _NoDependencyError(ConfigurationError, AttributeError):
    """An ``AttributeError`` too, so that ``hasattr`` and ``Mock(spec=protect)`` meet no other error."""


class Protection(SecurityBase):
    """Base class of ``ProtectApi``, by which it is recognised among the dependencies."""

    optional: bool

    @property
    def dependency(self) -> NoReturn:
        """Refuse ``dependencies=[protect]``: FastAPI reads this attribute of each entry.

        Raises:
            ConfigurationError: always; FastAPI passes it on to the declaration of the route.
        """
        raise _NoDependencyError(
            "dependencies=[protect] lacks Security: write dependencies=[Security(protect)]"
        )

    def requirements_with(self, scopes: Iterable[str]) -> Requirements:
        """Return the requirements with the scopes of ``Security`` added.

        Raises:
            ConfigurationError: the scopes have a wrong type.
        """
        raise NotImplementedError

    def describe(self, scopes: Iterable[str]) -> None:
        """List scopes in the security scheme of the OpenAPI document."""
        raise NotImplementedError


class Declared(NamedTuple):
    """A protection among the dependencies, its scopes, and ``scopes`` if it was passed as one string."""

    protection: Protection
    scopes: tuple[Any, ...]
    text: str | None


def requires_token(declared: Iterable[Declared]) -> bool:
    """Return whether one of the protections requires a token."""
    return any(not each.protection.optional for each in declared)


def declared_on(route: Any) -> Iterator[Declared]:
    """Yield the protections among the dependencies of a route of FastAPI and of its view."""
    yield from declared_among(route.dependencies)
    yield from declared_in(getattr(route, "endpoint", None))


def declared_among(
    dependencies: Iterable[Depends], scopes: tuple[Any, ...] = (), text: str | None = None
) -> Iterator[Declared]:
    """Yield the protections among dependencies and in their signatures.

    Args:
        dependencies: the dependencies of one level.
        scopes: those of the levels above.
        text: the scopes of a level above that were passed as one string.
    """
    for depends in dependencies:
        own: Any = depends.scopes if isinstance(depends, Security) and depends.scopes is not None else ()
        yield from declared_in(depends.dependency, (*scopes, *own), own if isinstance(own, str) else text)


def declared_in(call: Any, scopes: tuple[Any, ...] = (), text: str | None = None) -> Iterator[Declared]:
    """Yield the protection that a function is, or those in its signature; none without a function."""
    if not callable(call):
        return
    protection = protection_called_by(call)
    if protection is not None:
        yield Declared(protection, scopes, text)
        return
    yield from declared_among(dependencies_of(call), scopes, text)


def protection_called_by(call: Callable[..., Any]) -> Protection | None:
    """Return the protection that a dependency is, decorates, or is a method of; a copied name is neither."""
    for layer in (*decorated(call), getattr(call, "__self__", None)):
        if isinstance(layer, Protection):
            return layer
    return None


def dependencies_of(call: Callable[..., Any]) -> Iterator[Depends]:
    """Yield the dependencies in the signature of a function."""
    for parameter in parameters_of(call):
        annotation, *notes = (
            get_args(parameter.annotation)
            if get_origin(parameter.annotation) is Annotated
            else [parameter.annotation]
        )
        named = [note for note in (*notes, parameter.default) if isinstance(note, Depends)]
        if named and named[-1].dependency is None:  # the type itself is the dependency
            scopes = named[-1].scopes if isinstance(named[-1], Security) else None
            yield Security(annotation, scopes=scopes)
        elif named:
            yield named[-1]


def parameters_of(call: Callable[..., Any]) -> Iterator[inspect.Parameter]:
    """Yield the parameters of a function with resolved annotations; ``type X = ...`` stands for its value."""
    for parameter in get_typed_signature(call).parameters.values():
        annotation = parameter.annotation
        yield parameter.replace(annotation=getattr(annotation, "__value__", annotation))
