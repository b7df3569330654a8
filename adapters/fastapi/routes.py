"""Checks the declarations on the routes of an application before the first request.

FastAPI accepts some declarations but interprets them differently than intended. These are reported:

- ``Security(protect, scopes="orders:read")``: FastAPI splits the string into one scope per letter;
- scopes of a wrong type, or containing spaces;
- an annotation that cannot be resolved: FastAPI treats the parameter as a query parameter;
- a parameter of type ``AccessTokenClaims`` without ``Security``: FastAPI reads it from the request's body;
- a view that is ``@public`` and requires a token itself;
- mounts, hosts and plain routes of a protected application or router. FastAPI does not run dependencies for
  them, so such a mount must protect itself or be named in ``public_mounts``;
- views of a protected application or router that do not have its dependencies (:mod:`.served_routes`).

Dependencies are read as FastAPI reads them: from signatures (``Annotated`` or default), with the scopes of
each level added to those of the levels above.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Annotated, Any, Final, ForwardRef, NamedTuple, get_args, get_origin

from fastapi.applications import FastAPI  # OpenTelemetry replaces fastapi.FastAPI with a subclass
from fastapi.dependencies.utils import get_typed_signature
from fastapi.params import Depends, Security
from fastapi.security.base import SecurityBase
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import Host, Mount

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError, Problem
from monocloud_mw.protect.wrappers import MAX_LAYERS, decorated
from monocloud_mw.quoting import quoted

from ..asgi import ProtectApiMiddleware
from ..starlette import MonoCloudBackend
from ..wsgi import ProtectApiMiddleware as WsgiMiddleware
from .public import is_public
from .served_routes import Frontend, routers_of, served_routes

__all__ = ["Declared", "Protection", "declared_on", "find_problems"]


NOT_COVERED: Final = (
    "is not protected, because the dependencies of an application do not cover it: add "
    "dependencies=[Security(protect)] to the mounted application, wrap it in "
    "monocloud_mw.adapters.asgi.ProtectApiMiddleware, or make it public with "
    "ProtectApi(public_mounts=[{path}])"
)
NOT_INHERITED: Final = (
    "is not protected, because it was put into routes directly, or declared before the dependencies of its "
    "application or router: declare it after them, with a decorator or include_router(), or as @public"
)

_DEPENDS: Final = re.compile(r"\b(Security|Depends|AccessTokenClaims)\b")


class Protection(SecurityBase):
    """Base class of ``ProtectApi``, by which it is recognised among the dependencies."""

    optional: bool

    def requirements_with(self, scopes: Iterable[str]) -> Requirements:
        """Return the requirements with the scopes of ``Security`` added.

        Raises:
            ConfigurationError: the scopes have a wrong type.
        """
        raise NotImplementedError

    def describe(self, scopes: Iterable[str]) -> None:
        """List scopes in the security scheme of the OpenAPI document."""
        raise NotImplementedError


def find_problems(app: FastAPI, public_mounts: Collection[str] = ()) -> list[Problem]:
    """Return the invalid declarations of an application, its routers and mounted FastAPI applications.

    Mounts and plain routes that are not protected are among them.

    Args:
        app: the application.
        public_mounts: paths of mounts and plain routes, and names of hosts, that are public.
    """
    problems: list[Problem] = []
    _read_app(app, "", problems, public_mounts)
    return problems


def _read_app(app: FastAPI, prefix: str, found: list[Problem], public_mounts: Collection[str]) -> None:
    has_middleware = _has_middleware(app)
    inherited = {id(depends) for router in routers_of(app.router) for depends in router.dependencies}
    for original, route, around in served_routes(app.router):
        path = prefix + getattr(route, "path", "")
        must_cover = not has_middleware and _require_token(around) and path not in public_mounts
        if isinstance(route, (Mount, Host)):
            mounted = route.app
            if isinstance(mounted, FastAPI):
                _read_app(mounted, path, found, public_mounts)
            name = path or getattr(route, "host", "") or "/"
            if must_cover and name not in public_mounts and not _covers_itself(mounted):
                _add_uncovered(route, name, found)
        elif hasattr(route, "dependencies") and not isinstance(route, Frontend):
            own = [depends for depends in original.dependencies if id(depends) not in inherited]
            _read_view(route, _name(path, route), own, found)
            if must_cover and not _is_covered(route):
                found.append(Problem(_name(path, route), None, NOT_INHERITED))
        elif must_cover and not _is_own_page(app, route) and not _is_covered(route):
            _add_uncovered(route, path, found)


def _add_uncovered(route: Any, name: str, found: list[Problem]) -> None:
    message = NOT_COVERED.format(path=json.dumps(name))
    found.append(Problem(f"{type(route).__name__} {name}", None, message))


def _require_token(dependencies: Iterable[Depends]) -> bool:
    return any(not each.protection.optional for each in _protections_of(dependencies))


def _has_middleware(app: Any) -> bool:
    return any(
        _is_required_by(each.kwargs.get("backend"))
        if each.cls is AuthenticationMiddleware
        else isinstance(each.cls, type)
        and issubclass(each.cls, ProtectApiMiddleware)
        and each.kwargs.get("optional") is not True
        for each in getattr(app, "user_middleware", ())
    )


def _is_required_by(backend: Any) -> bool:
    """Return whether a backend of ``AuthenticationMiddleware`` refuses requests without a token."""
    return type(backend) is MonoCloudBackend and not backend.optional  # a subclass may let them pass


def _is_own_page(app: FastAPI, route: Any) -> bool:
    pages = (app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url)
    owner = getattr(getattr(route, "endpoint", None), "__module__", None)
    return getattr(route, "path", None) in pages and owner == FastAPI.__module__


def _covers_itself(mounted: Any) -> bool:
    """Return whether a mounted application requires a token for all its non-public routes."""
    for _ in range(MAX_LAYERS):
        is_middleware = isinstance(mounted, (ProtectApiMiddleware, WsgiMiddleware))
        if (is_middleware and not mounted._optional) or _has_middleware(mounted):  # noqa: SLF001
            return True
        if type(mounted) is AuthenticationMiddleware and _is_required_by(mounted.backend):
            return True
        if isinstance(mounted, FastAPI):
            return _require_token(mounted.router.dependencies) or all(
                map(_is_covered, _mounted_routes(mounted))
            )
        mounted = getattr(mounted, "app", None)  # inside another middleware
    return False


def _mounted_routes(app: FastAPI) -> Iterator[Any]:
    return (route for _, route, _ in served_routes(app.router) if not _is_own_page(app, route))


def _is_covered(route: Any) -> bool:
    if isinstance(route, (Mount, Host)):
        return _covers_itself(route.app)
    if not hasattr(route, "dependencies"):
        return False
    return is_public(getattr(route, "endpoint", None)) or any(
        not each.protection.optional for each in declared_on(route)
    )


def declared_on(route: Any) -> Iterator[Declared]:
    """Yield the protections among the dependencies of a route of FastAPI and of its view."""
    yield from _protections_of(route.dependencies)
    view = getattr(route, "endpoint", None)
    if callable(view):
        yield from _declared_by(view, (), None)


def _read_view(route: Any, name: str, own: Iterable[Depends], found: list[Problem]) -> None:
    view = getattr(route, "endpoint", None)
    for declared in declared_on(route):
        if declared.text is not None:
            words = ", ".join(map(quoted, declared.text.split()))
            message = (
                f"Security(scopes={quoted(declared.text)}) is a string, which FastAPI splits into letters"
            )
            found.append(Problem(name, None, f"{message}; write scopes=[{words}]"))
            continue
        try:
            declared.protection.requirements_with(declared.scopes)
        except ConfigurationError as error:
            found.extend(Problem(name, None, f"{problem} (in Security)") for problem in error.problems)
    if callable(view):
        calls = [view, *(depends.dependency for depends in own)]
        found.extend(Problem(name, None, message) for call in calls for message in _misread(call))
    in_view = _declared_by(view, (), None) if callable(view) else ()
    required = (each for each in (*_protections_of(own), *in_view) if not each.protection.optional)
    if is_public(view) and next(required, None) is not None:
        message = "is @public and also requires a token; remove one of the two, or use optional=True"
        found.append(Problem(name, None, message))


class Declared(NamedTuple):
    """A protection among the dependencies, its scopes, and ``scopes`` if it was passed as one string."""

    protection: Protection
    scopes: tuple[Any, ...]
    text: str | None


def _protections_of(
    dependencies: Iterable[Depends], scopes: tuple[Any, ...] = (), text: str | None = None
) -> Iterator[Declared]:
    for depends in dependencies:
        own: Any = (isinstance(depends, Security) and depends.scopes) or ()
        call = depends.dependency
        if callable(call):
            yield from _declared_by(call, (*scopes, *own), own if isinstance(own, str) else text)


def _declared_by(call: Callable[..., Any], scopes: tuple[Any, ...], text: str | None) -> Iterator[Declared]:
    protection = _protection_called_by(call)
    if protection is not None:
        yield Declared(protection, scopes, text)
        return
    yield from _protections_of(_dependencies_of(call), scopes, text)


def _protection_called_by(call: Callable[..., Any]) -> Protection | None:
    """Return the protection that a dependency is, decorates, or is a method of; a copied name is neither."""
    for layer in (*decorated(call), getattr(call, "__self__", None)):
        if isinstance(layer, Protection):
            return layer
    return None


def _dependencies_of(call: Callable[..., Any]) -> Iterator[Depends]:
    for parameter in _parameters_of(call):
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


def _parameters_of(call: Callable[..., Any]) -> Iterator[inspect.Parameter]:
    """Yield the parameters of a function with resolved annotations; ``type X = ...`` stands for its value."""
    for parameter in get_typed_signature(call).parameters.values():
        annotation = parameter.annotation
        yield parameter.replace(annotation=getattr(annotation, "__value__", annotation))


def _misread(call: Any) -> Iterator[str]:
    """Yield a problem for each parameter that FastAPI reads from the request instead of from a dependency."""
    if not callable(call) or _protection_called_by(call) is not None:
        return
    for parameter in _parameters_of(call):
        name, annotation = parameter.name, parameter.annotation
        text = annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else annotation
        if isinstance(parameter.default, Depends):
            continue
        if isinstance(text, str) and _DEPENDS.search(text):
            yield (
                f"the annotation {quoted(text)} cannot be resolved; define its names at the top level of the "
                "module, or remove `from __future__ import annotations`"
            )
        elif _holds_claims(annotation) and not _names_dependency(annotation):
            yield (
                f"the parameter {quoted(name)} is read from the request's body, not from the access token; "
                f"write {name}: Annotated[AccessTokenClaims, Security(protect)]"
            )
    for depends in _dependencies_of(call):
        yield from _misread(depends.dependency)


def _holds_claims(annotation: Any) -> bool:
    return annotation is AccessTokenClaims or any(map(_holds_claims, get_args(annotation)))


def _names_dependency(annotation: Any) -> bool:
    """Return whether a dependency is where FastAPI looks for it: in ``Annotated``, not inside ``| None``."""
    is_annotated = get_origin(annotation) is Annotated
    return is_annotated and any(isinstance(note, Depends) for note in get_args(annotation))


def _name(path: str, route: Any) -> str:
    methods = "/".join(sorted(getattr(route, "methods", None) or ["WebSocket"]))
    view = getattr(route, "endpoint", None)
    name = getattr(view, "__qualname__", type(view).__name__)
    return f"{methods} {path} ({getattr(view, '__module__', '')}.{name})"
