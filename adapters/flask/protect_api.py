"""Protects Flask applications, blueprints and views.

::

    protect = ProtectApi(app, deny_by_default=True)

    @app.get("/orders")
    @protect(scopes=["orders:read"])
    def list_orders():
        return {"caller": current_claims.subject}

    @app.get("/healthz")
    @public
    def healthz():
        return {"status": "ok"}

- ``ProtectApi(app)``, or ``init_app(app)`` in an application factory, checks the declarations of views before
  Flask calls them. With ``deny_by_default``, views without a declaration need a token, and so do static files
  and errors (:mod:`.protected_views`). Write ``@protect`` below or above the route decorator.
- Without ``ProtectApi(app)`` or ``init_app(app)``, only views with ``@protect`` are checked
  (:mod:`.above_routes`).
- It works on sync and async views, on ``before_request`` functions, and as ``protect(blueprint)`` or
  ``protect(app)`` for everything that these serve. In class-based views, put it in ``decorators`` or on
  methods. If several apply, all must pass.
- A refused request raises the ``HTTPException`` of its status, which has the response. Code that calls a view
  cannot mistake it for a result, and ``@app.errorhandler(401)`` receives it.
- Without ``client``, it uses one client per application, kept in ``app.extensions["monocloud_mw"]``. Its
  options come from the application's configuration keys ``MONOCLOUD_BACKEND_...``, then from the environment.
  ``init_app`` creates it, so that errors in the configuration show at start.
- The claims are in ``current_claims`` and ``request.environ["monocloud.claims"]``; ``jsonify`` accepts both.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import Any, TypeVar, overload

from flask import Blueprint, Request, current_app
from flask.app import Flask  # OpenTelemetry replaces flask.Flask with a subclass

from monocloud_mw.client import BackendClient
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError
from monocloud_mw.protect.adapter_checks import (
    Authenticator,
    check_booleans,
    check_callable,
    check_resolvers,
    collect_problems,
    select_client,
)
from monocloud_mw.protect.guard import Guard, Refused, run_check
from monocloud_mw.protect.resolvers import Resolver

from ..view_names import read_declared
from ..wsgi import is_preflight, list_authorization
from .above_routes import leave_to_app
from .callbacks import FlaskOnError, flask_on_error, synchronous
from .claims import attach_claims, current_request, drop_foreign_claims, was_met
from .config import ApplicationClient, get_client
from .declarations import Declaration, check_target, declare, name_of
from .protected_views import ProtectedViews, check_endpoints
from .refusals import raise_refusal

__all__ = ["ProtectApi", "protect_api"]

Target = TypeVar("Target", bound=Callable[..., Any] | Blueprint | Flask)


class ProtectApi:
    """Requires a valid access token: a Flask extension and a decorator.

    Args:
        app: the Flask application; or call :meth:`init_app` later, for one or several.
        client: a :class:`~monocloud_mw.BackendClient`; default: one client per application.
        deny_by_default: require a token for views of the given applications that declare nothing.
        scopes: required wherever a token is required.
        any_scopes: the token must have at least one, wherever a token is required.
        groups: the caller must be in at least one, wherever a token is required.
        optional: let requests without a token pass, unless a view requires one; a token that is sent is still
            checked.
        public_endpoints: endpoints that need no token, unless their view requires one, such as ``"static"``;
            ``"docs.*"`` means all endpoints of the blueprint ``docs``.
        allow_cors_preflight: let CORS preflights pass to the code that answers them.
        token_resolver: called with the request, sync or async; returns the access token, instead of the
            ``Authorization`` header.
        certificate_resolver: called with the request, sync or async; returns the caller's certificate
            (:mod:`monocloud_mw.protect.resolvers`).
        on_error: called with the error and the default response, sync or async; changes the response, or
            returns the response to send instead, as any value that a view may return. Its exceptions reach
            Flask; the request is refused in any case.

    Raises:
        ConfigurationError: with every problem found.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        client: Authenticator | None = None,
        deny_by_default: bool = False,
        scopes: str | Iterable[str] = (),
        any_scopes: str | Iterable[str] = (),
        groups: str | Iterable[str] = (),
        optional: bool = False,
        public_endpoints: Iterable[str] = (),
        allow_cors_preflight: bool = False,
        token_resolver: Resolver | None = None,
        certificate_resolver: Resolver | None = None,
        on_error: FlaskOnError | None = None,
    ) -> None:
        requirements, endpoints, *_ = collect_problems(
            lambda: Requirements.of(scopes, groups, any_scopes),
            lambda: check_endpoints(public_endpoints),
            lambda: None if client is None else select_client(client, BackendClient),
            lambda: check_booleans(
                deny_by_default=deny_by_default, optional=optional, allow_cors_preflight=allow_cors_preflight
            ),
            lambda: check_resolvers(token_resolver, certificate_resolver, "request", may_be_async=True),
            lambda: check_callable("on_error", on_error, "error", "response", may_be_async=True),
        )
        self._client = client
        self._base = Declaration(self, requirements, optional)
        self._deny_by_default = deny_by_default
        self._public_endpoints: frozenset[str] = endpoints
        self._allow_cors_preflight = allow_cors_preflight
        # Attribute of a request: the claims found by this object.
        self._claims_name = f"_monocloud_claims_{id(self)}"
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        self._guard = Guard(
            ApplicationClient() if client is None else client,
            token_resolver=synchronous(token_resolver),
            certificate_resolver=synchronous(certificate_resolver),
            on_error=None if on_error is None else flask_on_error(on_error),
        )
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Check the requests of an application from now on, and create its client.

        ``before_request`` functions that were registered earlier run before the check, for every request.

        Raises:
            ConfigurationError: with every problem found.
        """
        if not isinstance(app, Flask):
            raise ConfigurationError(
                f"app must be a Flask application, not {type(app).__name__}; pass a client as client=..."
            )
        if self._client is None:
            get_client(app)
        if app not in self._apps:
            views = ProtectedViews(
                self._base if self._deny_by_default else None,
                others_may_replace=True,
                public_endpoints=self._public_endpoints,
            )
            views.check_declarations(app)
            app.before_request(views.check)
            self._apps.add(app)
            leave_to_app(app)

    @overload
    def __call__(self, target: Target, /) -> Target: ...
    @overload
    def __call__(
        self,
        /,
        *,
        scopes: str | Iterable[str] = (),
        any_scopes: str | Iterable[str] = (),
        groups: str | Iterable[str] = (),
        optional: bool | None = None,
    ) -> Callable[[Target], Target]: ...
    def __call__(
        self,
        target: Any = None,
        /,
        *,
        scopes: str | Iterable[str] = (),
        any_scopes: str | Iterable[str] = (),
        groups: str | Iterable[str] = (),
        optional: bool | None = None,
    ) -> Any:
        """Protect a view, a blueprint or an application; called without one, return a decorator.

        Args:
            scopes: required in addition to those of :class:`ProtectApi`.
            any_scopes: the token must have at least one, in addition.
            groups: the caller must be in at least one, in addition.
            optional: whether a request without a token passes; default: as in :class:`ProtectApi` and in
                ``protect(blueprint)``.

        Raises:
            ConfigurationError: an argument has a wrong type (the error names the view), the target cannot be
                protected, or it is marked with ``@public``.
        """
        states_optional = optional is not None
        if optional is None:
            optional = self._base.optional
        more = read_declared(scopes, any_scopes, groups, optional)
        declaration = Declaration(self, self._base.requirements.merge(more), optional, states_optional)
        protect = partial(self._protect, declaration)
        return protect if target is None else protect(target)

    def check(self, declaration: Declaration, incoming: Request) -> None:
        """Check a request and attach its claims, unless it has been checked for this declaration before.

        Raises:
            HTTPException: the request is refused; the exception has the response.
        """
        if was_met(incoming, declaration):
            return
        drop_foreign_claims(incoming)
        environ = incoming.environ
        if self._allow_cors_preflight and is_preflight(environ):
            attach_claims(incoming, None)
            return
        check = self._guard.check(
            incoming,
            list_authorization(environ),
            declaration.requirements,
            method=environ["REQUEST_METHOD"],
            url=environ.get("PATH_INFO", ""),
            optional=declaration.optional,
            known=incoming.__dict__.get(self._claims_name),
        )
        try:
            claims = run_check(check)
        except Refused as refused:
            raise_refusal(refused, incoming)
        attach_claims(incoming, claims)
        incoming.__dict__[self._claims_name] = claims

    def _protect(self, declaration: Declaration, target: Any) -> Any:
        if isinstance(target, (Flask, Blueprint)):
            target.before_request(ProtectedViews(declaration).check)
            if isinstance(target, Flask):
                leave_to_app(target)
            return target
        check_target(target)
        is_async = inspect.iscoroutinefunction(target)

        @wraps(target)
        def protected(*args: Any, **kwargs: Any) -> Any:
            try:
                incoming = current_request()
            except RuntimeError:
                raise ConfigurationError(
                    f"{name_of(target)} has @protect of the Flask adapter, but was called outside a request "
                    "of Flask; in a test, send requests with app.test_client(); for another framework, use "
                    "its adapter in monocloud_mw.adapters"
                ) from None
            self.check(declaration, incoming)
            return (current_app.ensure_sync(target) if is_async else target)(*args, **kwargs)

        declare(protected, target, declaration)
        return protected


def protect_api(
    client: Authenticator | None = None,
    *,
    scopes: str | Iterable[str] = (),
    any_scopes: str | Iterable[str] = (),
    groups: str | Iterable[str] = (),
    optional: bool = False,
    allow_cors_preflight: bool = False,
    token_resolver: Resolver | None = None,
    certificate_resolver: Resolver | None = None,
    on_error: FlaskOnError | None = None,
) -> ProtectApi:
    """Return a :class:`ProtectApi` for single views and blueprints; takes the client as first argument.

    Raises:
        ConfigurationError: with every problem found.
    """
    return ProtectApi(
        client=client,
        scopes=scopes,
        any_scopes=any_scopes,
        groups=groups,
        optional=optional,
        allow_cors_preflight=allow_cors_preflight,
        token_resolver=token_resolver,
        certificate_resolver=certificate_resolver,
        on_error=on_error,
    )
