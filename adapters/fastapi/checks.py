"""Checks the declarations on the routes of an application before the first request.

FastAPI accepts some declarations but interprets them differently than intended. These are reported:

- ``Security(protect, scopes="orders:read")``: FastAPI splits the string into one scope per letter;
- scopes of a wrong type, or containing spaces;
- an annotation that cannot be resolved: FastAPI treats the parameter as a query parameter;
- a parameter of type ``AccessTokenClaims`` without ``Security``: FastAPI reads it from the request's body;
- ``Annotated[..., protect]`` without ``Security``: FastAPI ignores it;
- a view that is ``@public`` and requires a token itself;
- mounts, hosts and plain routes of a protected application or router. FastAPI does not run dependencies for
  them, so such a mount must protect itself or be named in ``public_mounts``;
- views of a protected application or router that do not have its dependencies (:mod:`.served_routes`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, ForwardRef, get_args

from fastapi.applications import FastAPI  # OpenTelemetry replaces fastapi.FastAPI with a subclass
from fastapi.params import Depends
from starlette.routing import Host, Mount

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.errors import ConfigurationError, Problem
from monocloud_mw.quoting import quoted

from .coverage import has_middleware, is_covered
from .declarations import (
    Protection,
    declared_among,
    declared_in,
    declared_on,
    dependencies_of,
    parameters_of,
    protection_called_by,
    requires_token,
)
from .public import is_public
from .served_routes import Frontend, served_routes

__all__ = ["check_mounts", "find_problems"]


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


def find_problems(app: FastAPI, public_mounts: Collection[str]) -> list[Problem]:
    """Return the invalid declarations of an application, its routers and mounted FastAPI applications.

    Mounts and plain routes that are not protected are among them.

    Args:
        app: the application.
        public_mounts: paths of mounts and plain routes, and names of hosts, that are public.
    """
    return list(_read_app(app, "", public_mounts))


def check_mounts(names: Iterable[str]) -> frozenset[str]:
    """Return ``public_mounts`` as a set, without slashes at the end.

    Raises:
        ConfigurationError: it is not a list of names.
    """
    if isinstance(names, (list, tuple, set, frozenset)) and all(
        isinstance(name, str) and name for name in names
    ):
        return frozenset(name.rstrip("/") or "/" for name in names)
    message = 'must be a list of paths and hosts, such as ["/static"]'
    raise ConfigurationError([Problem("public_mounts", None, message)])


def _read_app(app: FastAPI, prefix: str, public_mounts: Collection[str]) -> Iterator[Problem]:
    is_checked = has_middleware(app)
    shared: dict[int, Depends] = {}
    for route, around in served_routes(app.router):
        inherited = {id(depends): depends for depends in around}
        shared |= inherited
        path = prefix + getattr(route, "path", "")
        name = path or getattr(route, "host", "") or "/"
        is_view = hasattr(route, "dependencies") and not isinstance(route, Frontend)
        if is_view:
            own = [depends for depends in route.dependencies if id(depends) not in inherited]
            for message in _read_view(route, own):
                yield Problem(_name(path, route), None, message)
        elif isinstance(route, (Mount, Host)) and isinstance(route.app, FastAPI):
            yield from _read_app(route.app, path, public_mounts)
        if is_checked or name in public_mounts or not requires_token(declared_among(around)):
            continue
        if not is_covered(app, route):
            kind = _name(path, route) if is_view else f"{type(route).__name__} {name}"
            message = NOT_INHERITED if is_view else NOT_COVERED.format(path=json.dumps(name))
            yield Problem(kind, None, message)
    for depends in shared.values():  # of the application, its routers and include_router()
        for message in _misread(depends.dependency):
            yield Problem(f"the dependency {_name_of(depends.dependency)}", None, message)


def _read_view(route: Any, own: Iterable[Depends]) -> Iterator[str]:
    """Yield what is wrong with the declarations of a view; ``own`` are the dependencies of its route."""
    view = getattr(route, "endpoint", None)
    for declared in declared_on(route):
        if declared.text is not None:
            words = ", ".join(map(quoted, declared.text.split()))
            given = f"Security(scopes={quoted(declared.text)})"
            yield f"{given} is a string, which FastAPI splits into letters; write scopes=[{words}]"
            continue
        try:
            declared.protection.requirements_with(declared.scopes)
        except ConfigurationError as error:
            yield from (f"{problem} (in Security)" for problem in error.problems)
    for call in (view, *(depends.dependency for depends in own)):
        yield from _misread(call)
    if is_public(view) and requires_token((*declared_among(own), *declared_in(view))):
        yield "is @public and also requires a token; remove one of the two, or use optional=True"


def _misread(call: Any) -> Iterator[str]:
    """Yield a problem for each parameter that FastAPI reads from the request instead of from a dependency."""
    if not callable(call) or protection_called_by(call) is not None:
        return
    for parameter in parameters_of(call):
        name, annotation = parameter.name, parameter.annotation
        text = annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else annotation
        if isinstance(parameter.default, Depends) or _names_dependency(annotation):
            continue
        if isinstance(text, str) and _DEPENDS.search(text):
            yield (
                f"the annotation {quoted(text)} cannot be resolved; define its names at the top level of the "
                "module, or remove `from __future__ import annotations`"
            )
        elif any(isinstance(each, Protection) for each in (parameter.default, *get_args(annotation))):
            yield (
                f"the parameter {quoted(name)} has a ProtectApi without Security, which checks nothing; "
                f"write {name}: Annotated[AccessTokenClaims, Security(protect)]"
            )
        elif _holds_claims(annotation):
            yield (
                f"the parameter {quoted(name)} is read from the request's body, not from the access token; "
                f"write {name}: Annotated[AccessTokenClaims, Security(protect)]"
            )
    for depends in dependencies_of(call):
        yield from _misread(depends.dependency)


def _holds_claims(annotation: Any) -> bool:
    return annotation is AccessTokenClaims or any(map(_holds_claims, get_args(annotation)))


def _names_dependency(annotation: Any) -> bool:
    """Return whether a dependency is where FastAPI looks for it: in ``Annotated``, not inside ``| None``."""
    return any(isinstance(note, Depends) for note in get_args(annotation))


def _name(path: str, route: Any) -> str:
    methods = "/".join(sorted(getattr(route, "methods", None) or ["WebSocket"]))
    return f"{methods} {path} ({_name_of(getattr(route, 'endpoint', None))})"


def _name_of(function: Any) -> str:
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{getattr(function, '__module__', '')}.{name}"
