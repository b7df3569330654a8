"""Checks the declarations on the routes of an application before the first request.

FastAPI accepts some declarations but interprets them differently than intended. These are reported:

- ``Security(protect, scopes="orders:read")``: FastAPI splits the string into one scope per letter;
- scopes of a wrong type, or containing spaces;
- an annotation that cannot be resolved: FastAPI treats the parameter as a query parameter;
- a view that is ``@public`` and requires a token itself;
- mounts, hosts and plain routes that the dependencies of the application do not cover. FastAPI runs
  dependencies only for views of the application and of included routers, so such a mount must protect itself
  or be named in ``public_mounts``.

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
from starlette.routing import BaseRoute, Host, Mount

from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError, Problem
from monocloud_mw.protect.wrappers import MAX_LAYERS
from monocloud_mw.quoting import quoted

from ..asgi import ProtectApiMiddleware
from ..wsgi import ProtectApiMiddleware as WsgiMiddleware
from .public import is_public

__all__ = ["Declarations", "Protection", "read_declarations"]


NOT_COVERED: Final = (
    "is not protected, because the dependencies of an application do not cover it: add "
    "dependencies=[Security(protect)] to the mounted application, wrap it in "
    "monocloud_mw.adapters.asgi.ProtectApiMiddleware, or make it public with "
    "ProtectApi(public_mounts=[{path}])"
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


class Declarations:
    """The result of reading the routes.

    Attributes:
        problems: invalid declarations, and mounts and routes that are not protected.
        scopes: all required scopes, in the order of the routes.
        lifted: by path and method of an operation, the names of the security schemes that do not apply
            because of ``@public``.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.scopes: dict[str, None] = {}
        self.lifted: dict[tuple[str, str], frozenset[str]] = {}


def read_declarations(app: FastAPI, public_mounts: Collection[str] = ()) -> Declarations:
    """Read the declarations of an application, its included routers and mounted FastAPI applications.

    Args:
        app: the application.
        public_mounts: paths of mounts and plain routes, and names of hosts, that are public.
    """
    declarations = Declarations()
    _read_app(app, "", declarations, public_mounts)
    return declarations


def _read_app(app: FastAPI, prefix: str, found: Declarations, public_mounts: Collection[str]) -> None:
    must_cover = _is_protected(app) and not _has_middleware(app)
    inherited = {id(depends) for router in _routers(app.router) for depends in router.dependencies}
    for original, route in _effective_routes(app.router.routes):
        path = prefix + getattr(route, "path", "")
        if isinstance(route, (Mount, Host)):
            mounted = route.app
            if isinstance(mounted, FastAPI):
                _read_app(mounted, path, found, public_mounts)
            name = path or getattr(route, "host", "") or "/"
            if must_cover and name not in public_mounts and not _covers_itself(mounted):
                _add_uncovered(route, name, found)
        elif hasattr(route, "dependencies"):
            own = [depends for depends in original.dependencies if id(depends) not in inherited]
            _read_view(route, _name(path, route), own, found, is_documented=not prefix)
        elif must_cover and path not in public_mounts and not _is_own_page(app, route):
            _add_uncovered(route, path, found)


def _add_uncovered(route: Any, name: str, found: Declarations) -> None:
    message = NOT_COVERED.format(path=json.dumps(name))
    found.problems.append(Problem(f"{type(route).__name__} {name}", None, message))


def _is_protected(app: FastAPI) -> bool:
    return any(not each.protection.optional for each in _protections_of(app.router.dependencies))


def _has_middleware(app: Any) -> bool:
    return any(
        isinstance(each.cls, type)
        and issubclass(each.cls, ProtectApiMiddleware)
        and each.kwargs.get("optional") is not True
        for each in getattr(app, "user_middleware", ())
    )


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
        if isinstance(mounted, FastAPI):
            return _is_protected(mounted) or all(map(_is_covered, _mounted_routes(mounted)))
        mounted = getattr(mounted, "app", None)  # inside another middleware
    return False


def _mounted_routes(app: FastAPI) -> Iterator[Any]:
    return (route for _, route in _effective_routes(app.router.routes) if not _is_own_page(app, route))


def _is_covered(route: Any) -> bool:
    if isinstance(route, (Mount, Host)):
        return _covers_itself(route.app)
    view = getattr(route, "endpoint", None)
    if not hasattr(route, "dependencies") or not callable(view):
        return False
    return is_public(view) or any(
        not each.protection.optional
        for each in (*_protections_of(route.dependencies), *_declared_by(view, (), None))
    )


def _read_view(
    route: Any, name: str, own: Iterable[Depends], found: Declarations, *, is_documented: bool
) -> None:
    view = getattr(route, "endpoint", None)
    in_view = list(_declared_by(view, (), None)) if callable(view) else []
    every = [*_protections_of(route.dependencies), *in_view]
    if is_documented:
        _read_lifted(route, is_public(view), every, found)
    for declared in every:
        if declared.text is not None:
            words = ", ".join(map(quoted, declared.text.split()))
            message = (
                f"Security(scopes={quoted(declared.text)}) is a string, which FastAPI splits into letters"
            )
            found.problems.append(Problem(name, None, f"{message}; write scopes=[{words}]"))
            continue
        try:
            requirements = declared.protection.requirements_with(declared.scopes)
        except ConfigurationError as error:
            found.problems.extend(
                Problem(name, None, f"{problem} (in Security)") for problem in error.problems
            )
        else:
            found.scopes.update(dict.fromkeys(requirements.named_scopes))
    if callable(view):
        found.problems.extend(Problem(name, None, message) for message in _unresolved(view))
    required = (
        declared for declared in [*_protections_of(own), *in_view] if not declared.protection.optional
    )
    if is_public(view) and next(required, None) is not None:
        message = "is @public and also requires a token; remove one of the two, or use optional=True"
        found.problems.append(Problem(name, None, message))


def _read_lifted(route: Any, is_open: bool, every: Iterable[_Declared], found: Declarations) -> None:
    """Record the schemes that do not apply to an operation; if several share a path, all must be public."""
    named: dict[bool, set[str]] = {True: set(), False: set()}
    for declared in every:
        named[is_open and not declared.protection.optional].add(declared.protection.scheme_name)
    for method in getattr(route, "methods", None) or ():
        key = route.path_format, method.lower()
        lifted = frozenset(named[True] - named[False])
        found.lifted[key] = found.lifted.get(key, lifted) & lifted


class _Declared(NamedTuple):
    """A protection among the dependencies, its scopes, and ``scopes`` if it was passed as one string."""

    protection: Protection
    scopes: tuple[Any, ...]
    text: str | None


def _protections_of(
    dependencies: Iterable[Depends], scopes: tuple[Any, ...] = (), text: str | None = None
) -> Iterator[_Declared]:
    for depends in dependencies:
        own: Any = (isinstance(depends, Security) and depends.scopes) or ()
        call = depends.dependency
        if callable(call):
            yield from _declared_by(call, (*scopes, *own), own if isinstance(own, str) else text)


def _declared_by(call: Callable[..., Any], scopes: tuple[Any, ...], text: str | None) -> Iterator[_Declared]:
    protection = inspect.unwrap(call)
    if isinstance(protection, Protection):
        yield _Declared(protection, scopes, text)
        return
    yield from _protections_of(_dependencies_of(call), scopes, text)


def _dependencies_of(call: Callable[..., Any]) -> Iterator[Depends]:
    for parameter in get_typed_signature(call).parameters.values():
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


def _unresolved(view: Callable[..., Any]) -> Iterator[str]:
    """Yield a problem for each annotation that FastAPI cannot resolve and treats as a query parameter."""
    for parameter in get_typed_signature(view).parameters.values():
        annotation = parameter.annotation
        text = annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else annotation
        if isinstance(text, str) and _DEPENDS.search(text) and not isinstance(parameter.default, Depends):
            yield (
                f"the annotation {quoted(text)} cannot be resolved; define its names at the top level of the "
                "module, or remove `from __future__ import annotations`"
            )


def _effective_routes(routes: Iterable[BaseRoute]) -> Iterator[tuple[Any, Any]]:
    """Yield each route as declared and as served, including those of included routers."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route, route
        else:
            for context in contexts():
                yield context.original_route, context.starlette_route or context


def _routers(router: Any) -> Iterator[Any]:
    yield router
    for route in router.routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _routers(included)


def _name(path: str, route: Any) -> str:
    methods = "/".join(sorted(getattr(route, "methods", None) or ["WebSocket"]))
    view = getattr(route, "endpoint", None)
    name = getattr(view, "__qualname__", type(view).__name__)
    return f"{methods} {path} ({getattr(view, '__module__', '')}.{name})"
