"""Checks requests to an application or blueprint before Flask calls the view, by what the view declares.

It runs as a function for ``before_request``: Flask has chosen the view, and nothing around the view (a cache,
a decorator that makes a result of everything) can answer first. Rules, for each request:

- ``@public`` on the view lifts what the application and its blueprints ask for;
- ``@protect`` on the view adds to it, and says whether the token is optional;
- an endpoint without declarations needs what the application or blueprint asks for, unless its name is in
  ``public_endpoints``;
- so does what has no view: 404, 405 and the automatic answer to ``OPTIONS``. A redirect to a path that ends
  in a slash belongs to the view behind that path.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

import attrs
from flask import Flask, Request, current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from monocloud_mw.errors import ConfigurationError, Problem

from .claims import drop_foreign_claims, mark_as_met
from .declarations import Declaration, find_declared, merge

if TYPE_CHECKING:
    from werkzeug.local import LocalProxy

__all__ = ["ProtectedViews", "check_endpoints"]


class _Needed(NamedTuple):
    """What the requests with one method to one view need."""

    view: Any
    checks: tuple[Declaration, ...]
    met: tuple[Declaration, ...]  # what the decorators of the view need not check again


class ProtectedViews:
    """What the views of an application or blueprint need.

    Args:
        default: what a request needs whose view declares nothing, and what adds to the declarations of the
            others; ``None`` to ask only for what is declared.
        others_may_replace: whether the default is left out for a view that only declares another ``protect``.
        public_endpoints: endpoints that need no token unless their view declares it; ``"docs.*"`` are those
            of the blueprint ``docs``.
    """

    def __init__(
        self,
        default: Declaration | None,
        *,
        others_may_replace: bool = False,
        public_endpoints: frozenset[str] = frozenset(),
    ) -> None:
        self._default = default
        self._others_may_replace = others_may_replace
        self._public_endpoints = public_endpoints
        self._known: dict[tuple[str, str], _Needed] = {}

    def check(self) -> None:
        """Check the current request.

        Raises:
            HTTPException: it must not pass; the response is in it.
            ConfigurationError: its view is declared to be public and to be protected.
        """
        incoming = cast("LocalProxy[Request]", request)._get_current_object()  # noqa: SLF001
        needed = self._find(incoming)
        if self._default is not None:  # a public view must not find any either
            drop_foreign_claims(incoming)
        for declaration in needed.checks:
            declaration.protection.check(declaration, incoming)
        if needed.met:
            mark_as_met(incoming, needed.met)

    def check_declarations(self, app: Flask) -> None:
        """Check the views that an application has by now.

        Raises:
            ConfigurationError: a view is declared to be public and to be protected.
        """
        for endpoint, view in app.view_functions.items():
            for method in getattr(view, "methods", None) or ["GET"]:
                self._read(view, endpoint, method)

    def _find(self, incoming: Request) -> _Needed:
        endpoint = incoming.endpoint
        if endpoint is None:
            target = _find_target(incoming)
            return self._read(current_app.view_functions.get(target or ""), target, incoming.method)
        view = current_app.view_functions.get(endpoint)
        key = endpoint, incoming.method
        needed = self._known.get(key)
        if needed is None or needed.view is not view:
            needed = self._known[key] = self._read(view, endpoint, incoming.method)
        return needed

    def _read(self, view: Any, endpoint: str | None, method: str) -> _Needed:
        is_public, declared = find_declared(view, method)
        default = self._default
        if default is None:
            return _Needed(view, _by_protection(declared), declared)
        if is_public or (not declared and self._is_public(endpoint)):
            return _Needed(view, (), ())
        own = [declaration for declaration in declared if declaration.protection is default.protection]
        if own:
            declared_by = merge(own)
            default = attrs.evolve(merge([default, declared_by]), optional=declared_by.optional)
        elif declared and self._others_may_replace:
            return _Needed(view, _by_protection(declared), declared)
        others = [declaration for declaration in declared if declaration not in own]
        return _Needed(view, (default, *_by_protection(others)), declared)

    def _is_public(self, endpoint: str | None) -> bool:
        if endpoint is None:
            return False
        blueprint = endpoint.rpartition(".")[0]
        return endpoint in self._public_endpoints or f"{blueprint}.*" in self._public_endpoints


def check_endpoints(endpoints: Iterable[str]) -> frozenset[str]:
    """Read ``public_endpoints``.

    Raises:
        ConfigurationError: they are not a list of names.
    """
    if isinstance(endpoints, (list, tuple, set, frozenset)):
        names = frozenset(endpoints)
        if all(
            isinstance(name, str) and name.removesuffix(".*") and "*" not in name.removesuffix(".*")
            for name in names
        ):
            return names
    message = (
        'must be a list of endpoints, such as ["static", "docs.*"] ("docs.*": all of the blueprint docs)'
    )
    raise ConfigurationError([Problem("public_endpoints", None, message)])


def _by_protection(declarations: Iterable[Declaration]) -> tuple[Declaration, ...]:
    """Merge the declarations of each ``protect``, so that the token is checked once for them."""
    groups: dict[int, list[Declaration]] = {}
    for declaration in declarations:
        groups.setdefault(id(declaration.protection), []).append(declaration)
    return tuple(map(merge, groups.values()))


def _find_target(incoming: Request) -> str | None:
    """Return the endpoint to which Flask redirects a request, as from ``/docs`` to ``/docs/``, if any."""
    redirect = incoming.routing_exception
    adapter = current_app.create_url_adapter(incoming)
    if not isinstance(redirect, RequestRedirect) or adapter is None:
        return None
    path = unquote(urlsplit(redirect.new_url).path).removeprefix(incoming.root_path)
    try:
        endpoint: str = adapter.match(path)[0]
    except HTTPException:
        return None
    return endpoint
