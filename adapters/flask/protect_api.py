"""Protects Flask views, blueprints and whole applications.

::

    protect = protect_api()

    @app.get("/orders")
    @protect(scopes=["orders:read"])
    def list_orders():
        return {"caller": current_claims.subject}

- ``@protect`` stands below the route: the route must register what it returns.
- It works on sync and async views, on functions for ``before_request``, and as ``protect(blueprint)`` or
  ``protect(app)`` on all that one serves (errors and static files included). In class-based views it goes
  into ``decorators``. Where several apply, each must be met.
- Without a client of its own, it uses one per application, kept in ``app.extensions["monocloud_mw"]``. That
  one's options come from the configuration keys ``MONOCLOUD_BACKEND_...`` of the application, then from the
  environment. ``protect.init_app(app)`` makes it at once, so that a mistake shows at start.
- The claims are in ``current_claims`` and in ``request.environ["monocloud.claims"]``; ``jsonify`` takes both.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from flask import Blueprint, Flask, Request, Response, current_app, request

from monocloud_mw.client import BackendClient
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError, MonoCloudError
from monocloud_mw.protect.adapter_checks import (
    Authenticator,
    check_callable,
    collect_problems,
    require_claims,
    select_client,
)
from monocloud_mw.protect.resolvers import Resolver, Resolvers
from monocloud_mw.protect.responses import error_response, log_refusal

from ..wsgi import list_authorization
from .claims import attach_claims, current_claims, remove_claims
from .config import get_client

if TYPE_CHECKING:
    from werkzeug.local import LocalProxy

__all__ = ["ProtectApi", "current_claims", "protect_api"]

Target = TypeVar("Target", bound=Callable[..., Any] | Blueprint | Flask)
OnError = Callable[[MonoCloudError], Any]


class ProtectApi:
    """Made by :func:`protect_api`; a decorator, bare or with requirements."""

    def __init__(
        self,
        client: Authenticator | None,
        requirements: Requirements,
        resolvers: Resolvers,
        on_error: OnError | None,
    ) -> None:
        self._client = client
        self._requirements = requirements
        self._resolvers = resolvers
        self._on_error = on_error

    def init_app(self, app: Flask) -> None:
        """Make the application's client now, so that a wrong configuration fails here.

        Raises:
            ConfigurationError: with every problem found.
        """
        if self._client is None:
            get_client(app)

    @overload
    def __call__(self, target: Target, /) -> Target: ...
    @overload
    def __call__(
        self, /, *, scopes: str | Iterable[str] = (), groups: str | Iterable[str] = ()
    ) -> Callable[[Target], Target]: ...
    def __call__(
        self, target: Any = None, /, *, scopes: str | Iterable[str] = (), groups: str | Iterable[str] = ()
    ) -> Any:
        """Protect a view, a blueprint or an application; without one, return a decorator that does.

        Args:
            scopes: scopes the token must have beside those of :func:`protect_api`.
            groups: groups of which the user must be in one, likewise.

        Raises:
            ConfigurationError: ``scopes`` or ``groups`` have a wrong type, or the target cannot be protected.
        """
        requirements = self._requirements.merge(Requirements.of(scopes, groups))

        def protect(target: Any) -> Any:
            if isinstance(target, (Flask, Blueprint)):
                target.before_request(lambda: self._refuse(requirements))
                return target
            if inspect.isclass(target) or not callable(target):
                raise ConfigurationError(
                    "only views, blueprints and applications can be protected; in a class-based view, "
                    "name the decorator in its decorators"
                )

            is_async = inspect.iscoroutinefunction(target)

            @wraps(target)
            def protected(*args: Any, **kwargs: Any) -> Any:
                refusal = self._refuse(requirements)
                if refusal is not None:
                    return refusal
                return (current_app.ensure_sync(target) if is_async else target)(*args, **kwargs)

            return protected

        return protect if target is None else protect(target)

    def _refuse(self, requirements: Requirements) -> Any:
        """Return the response that refuses the current request, or ``None`` once its claims are known."""
        incoming = cast("LocalProxy[Request]", request)._get_current_object()  # noqa: SLF001
        remove_claims(incoming)
        try:
            credentials = self._resolvers.read(list_authorization(incoming.environ), incoming)
            client = self._client if self._client is not None else get_client(current_app)
            claims = require_claims(client.authenticate(credentials, requirements))
        except MonoCloudError as error:
            log_refusal(error)
            answer = self._on_error(error) if self._on_error else None
            return _respond(error) if answer is None else answer
        attach_claims(incoming, claims)
        return None


def protect_api(
    client: Authenticator | None = None,
    *,
    scopes: str | Iterable[str] = (),
    groups: str | Iterable[str] = (),
    token_resolver: Resolver | None = None,
    certificate_resolver: Resolver | None = None,
    on_error: OnError | None = None,
) -> ProtectApi:
    """Return a decorator that lets only requests with a valid access token through.

    Args:
        client: a :class:`~monocloud_mw.BackendClient`; without one, the application's own is used.
        scopes: scopes that everything needs that it decorates.
        groups: groups of which everything that it decorates needs one.
        token_resolver: the request to the access token, sync or async, instead of the ``Authorization``
            header.
        certificate_resolver: the request to the caller's certificate, likewise
            (:mod:`monocloud_mw.protect.resolvers`).
        on_error: the error to what a view may return, sync or async, or to ``None`` for the default
            response. What it raises reaches Flask; the request never passes.

    Raises:
        ConfigurationError: with every problem found.
    """
    requirements, *_ = collect_problems(
        lambda: Requirements.of(scopes, groups),
        lambda: None if client is None else select_client(client, BackendClient),
        lambda: check_callable("token_resolver", token_resolver, may_be_async=True),
        lambda: check_callable("certificate_resolver", certificate_resolver, may_be_async=True),
        lambda: check_callable("on_error", on_error, may_be_async=True),
    )
    resolvers = Resolvers(_synchronous(token_resolver), _synchronous(certificate_resolver))
    return ProtectApi(client, requirements, resolvers, _synchronous(on_error))


def _synchronous(function: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """Let a function of the application be async, in the way that its views may be."""
    return None if function is None else lambda argument: current_app.ensure_sync(function)(argument)


def _respond(error: MonoCloudError) -> Response:
    refusal = error_response(error)
    return Response(refusal.body, refusal.status, list(refusal.headers))
