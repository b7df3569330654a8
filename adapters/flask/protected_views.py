"""Checks requests to an application or blueprint before Flask calls the view, by the view's declarations.

It runs as a ``before_request`` function: Flask has chosen the view, and no decorator of the view (such as a
cache) can answer first. Rules, for each request:

- ``@public`` on the view: the requirements of the application and its blueprints do not apply;
- ``@protect`` on the view: its requirements are added, and it decides whether the token is optional;
- no declaration: the requirements of the application or blueprint apply, unless the endpoint is in
  ``public_endpoints``;
- no view (404, 405, the automatic answer to ``OPTIONS``): the same. A redirect to a path with a trailing
  slash is treated as a request to the view of that path.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import attrs
from flask import Request, current_app
from flask.app import Flask  # OpenTelemetry replaces flask.Flask with a subclass
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from monocloud_mw.errors import ConfigurationError, Problem

from .claims import current_request, drop_foreign_claims, mark_as_met
from .declarations import Declaration, find_declared, merge

__all__ = ["Needed", "ProtectedViews", "check_endpoints"]


# Werkzeug rules without methods accept any, which callers choose: only these are remembered.
_REMEMBERED: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Needed(NamedTuple):
    """The requirements for one view and method."""

    view: Any
    checks: tuple[Declaration, ...]
    met: tuple[Declaration, ...]  # declarations that the decorators of the view need not check again


class ProtectedViews:
    """The requirements of the views of an application or blueprint.

    Args:
        default: applies to views without a declaration and is added to the declarations of the others;
            ``None`` to check declarations only.
        others_may_replace: leave out the default for a view that is declared only by another ``protect``.
        public_endpoints: endpoints that need no token, unless their view requires one; ``"docs.*"`` means all
            endpoints of the blueprint ``docs``.
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
        self._known: dict[tuple[str, str], Needed] = {}

    def check(self) -> None:
        """Check the current request.

        Raises:
            HTTPException: the request is refused; the exception has the response.
            ConfigurationError: the view is both public and protected.
        """
        incoming = current_request()
        needed = self._find(incoming)
        if self._default is not None:  # public views too must not see claims sent by the client
            drop_foreign_claims(incoming)
        for declaration in needed.checks:
            declaration.protection.check(declaration, incoming)
        if needed.met:
            mark_as_met(incoming, needed.met)

    def check_declarations(self, app: Flask) -> None:
        """Check the views that are registered so far.

        Raises:
            ConfigurationError: a view is both public and protected.
        """
        for endpoint, view in app.view_functions.items():
            for method in getattr(view, "methods", None) or ["GET"]:
                self.needed_by(view, endpoint, method)

    def _find(self, incoming: Request) -> Needed:
        endpoint = incoming.endpoint
        if endpoint is None:
            target = _find_target(incoming)
            return self.needed_by(current_app.view_functions.get(target or ""), target, incoming.method)
        view = current_app.view_functions.get(endpoint)
        key = endpoint, incoming.method
        needed = self._known.get(key)
        if needed is None or needed.view is not view:
            needed = self.needed_by(view, endpoint, incoming.method)
            if incoming.method in _REMEMBERED:
                self._known[key] = needed
        return needed

    def needed_by(self, view: Any, endpoint: str | None, method: str) -> Needed:
        """Return the requirements for requests to a registered view, or to none.

        Raises:
            ConfigurationError: the view is both public and protected.
        """
        is_public, declared = find_declared(view, method)
        default = self._default
        if default is None:
            return Needed(view, _by_protection(declared), declared)
        if is_public or (not declared and self.is_public_endpoint(endpoint)):
            return Needed(view, (), ())
        own = [declaration for declaration in declared if declaration.protection is default.protection]
        if own:
            declared_by = merge(own)
            default = merge([default, declared_by])
            if any(declaration.states_optional and not declaration.borrowed for declaration in own):
                default = attrs.evolve(default, optional=declared_by.optional)
        elif self._others_may_replace and not all(declaration.borrowed for declaration in declared):
            return Needed(view, _by_protection(declared), declared)
        others = [declaration for declaration in declared if declaration not in own]
        return Needed(view, (default, *_by_protection(others)), declared)

    def is_public_endpoint(self, endpoint: str | None) -> bool:
        """Return whether ``public_endpoints`` names an endpoint or its blueprint."""
        if endpoint is None:
            return False
        blueprint = endpoint.rpartition(".")[0]
        return endpoint in self._public_endpoints or f"{blueprint}.*" in self._public_endpoints


def check_endpoints(endpoints: Iterable[str]) -> frozenset[str]:
    """Return ``public_endpoints`` as a set.

    Raises:
        ConfigurationError: it is not a list of names.
    """
    if isinstance(endpoints, (list, tuple, set, frozenset)):
        names = frozenset(endpoints)
        if all(
            isinstance(name, str) and name.removesuffix(".*") and "*" not in name.removesuffix(".*")
            for name in names
        ):
            return names
    message = 'must be a list of endpoints, such as ["static", "docs.*"] ("docs.*" means the blueprint docs)'
    raise ConfigurationError([Problem("public_endpoints", None, message)])


def _by_protection(declarations: Iterable[Declaration]) -> tuple[Declaration, ...]:
    """Merge the declarations of each ``protect``, so that each validates the token once."""
    groups: dict[int, list[Declaration]] = {}
    for declaration in declarations:
        groups.setdefault(id(declaration.protection), []).append(declaration)
    return tuple(map(merge, groups.values()))


def _find_target(incoming: Request) -> str | None:
    """Return the endpoint that Flask redirects a request to, for example from ``/docs`` to ``/docs/``."""
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
