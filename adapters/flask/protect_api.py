"""Protects Flask views, blueprints and whole applications.

::

    protect = protect_api()

    @app.get("/orders")
    @protect(scopes=["orders:read"])
    def list_orders():
        return {"caller": current_claims.subject}

- ``@protect`` is written below the route: the route must register what it returns.
- It works on sync and async views, on functions for ``before_request``, and as ``protect(blueprint)`` or
  ``protect(app)`` on all that one serves (errors and static files included). In class-based views it goes
  into ``decorators``. Where several apply, each must be met.
- A refusal is raised, as the ``HTTPException`` of its status with the response in it: code that calls a view
  cannot take it for a result, and ``@app.errorhandler(401)`` sees it.
- Without a client of its own, it uses one per application, kept in ``app.extensions["monocloud_mw"]``. That
  one's options come from the configuration keys ``MONOCLOUD_BACKEND_...`` of the application, then from the
  environment. ``protect.init_app(app)`` makes it at once, so that a mistake shows at start.
- The claims are in ``current_claims`` and in ``request.environ["monocloud.claims"]``; ``jsonify`` takes both.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast, overload

from flask import Blueprint, Flask, Request, Response, current_app, request
from werkzeug.exceptions import HTTPException, default_exceptions

from monocloud_mw.client import BackendClient
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError, MonoCloudError
from monocloud_mw.protect.adapter_checks import (
    Authenticator,
    check_callable,
    collect_problems,
    select_client,
)
from monocloud_mw.protect.guard import Guard, OnError, Refused, run
from monocloud_mw.protect.resolvers import Resolver
from monocloud_mw.protect.responses import ErrorResponse

from ..wsgi import list_authorization
from .claims import attach_claims, drop_foreign_claims
from .config import ApplicationClient, get_client

if TYPE_CHECKING:
    from werkzeug.local import LocalProxy

__all__ = ["ProtectApi", "protect_api"]

Target = TypeVar("Target", bound=Callable[..., Any] | Blueprint | Flask)
FlaskOnError = Callable[[MonoCloudError, Response], Any]

_OTHER_INTERFACES: Final = {
    ("environ", "start_response"): "monocloud_mw.adapters.wsgi.ProtectApiMiddleware",
    ("scope", "receive", "send"): "monocloud_mw.adapters.asgi.ProtectApiMiddleware",
}


class ProtectApi:
    """Made by :func:`protect_api`; a decorator, bare or with requirements."""

    def __init__(self, client: Authenticator | None, requirements: Requirements, guard: Guard) -> None:
        self._client = client
        self._requirements = requirements
        self._guard = guard

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
            scopes: required in addition to those passed to :func:`protect_api`.
            groups: the caller must be in at least one, in addition to those passed to :func:`protect_api`.

        Raises:
            ConfigurationError: ``scopes`` or ``groups`` have a wrong type, or the target cannot be protected.
        """
        requirements = self._requirements.merge(Requirements.of(scopes, groups))
        protect = partial(self._protect, requirements)
        return protect if target is None else protect(target)

    def _protect(self, requirements: Requirements, target: Any) -> Any:
        if isinstance(target, (Flask, Blueprint)):
            target.before_request(lambda: self._check(requirements))
            return target
        _check_target(target)
        is_async = inspect.iscoroutinefunction(target)

        @wraps(target)
        def protected(*args: Any, **kwargs: Any) -> Any:
            self._check(requirements)
            return (current_app.ensure_sync(target) if is_async else target)(*args, **kwargs)

        return protected

    def _check(self, requirements: Requirements) -> None:
        """Attach the claims of the current request, or raise the response that refuses it."""
        incoming = cast("LocalProxy[Request]", request)._get_current_object()  # noqa: SLF001
        drop_foreign_claims(incoming)
        environ = incoming.environ
        check = self._guard.check(
            incoming,
            list_authorization(environ),
            requirements,
            method=environ["REQUEST_METHOD"],
            url=environ.get("PATH_INFO", ""),
        )
        try:
            claims = run(check)
        except Refused as refused:
            _raise(refused)
        if claims is not None:
            attach_claims(incoming, claims)


def protect_api(
    client: Authenticator | None = None,
    *,
    scopes: str | Iterable[str] = (),
    groups: str | Iterable[str] = (),
    token_resolver: Resolver | None = None,
    certificate_resolver: Resolver | None = None,
    on_error: FlaskOnError | None = None,
) -> ProtectApi:
    """Return a decorator that lets only requests with a valid access token through.

    Args:
        client: a :class:`~monocloud_mw.BackendClient`; without one, the application's own is used.
        scopes: required by every decorated view.
        groups: the caller must be in at least one, in every decorated view.
        token_resolver: called with the request, sync or async; returns the access token, instead of the
            ``Authorization`` header.
        certificate_resolver: called with the request, sync or async; returns the caller's certificate
            (:mod:`monocloud_mw.protect.resolvers`).
        on_error: called with the error and the default response, sync or async; changes the response, or
            returns what a view may return, to be sent instead. What it raises reaches Flask; the request
            never passes.

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
    guard = Guard(
        ApplicationClient() if client is None else client,
        token_resolver=_synchronous(token_resolver),
        certificate_resolver=_synchronous(certificate_resolver),
        on_error=None if on_error is None else _flask_on_error(on_error),
    )
    return ProtectApi(client, requirements, guard)


def _check_target(target: Any) -> None:
    """Refuse what would be wrapped in silence and never be called, or not by Flask."""
    if inspect.isfunction(target) or inspect.ismethod(target) or isinstance(target, partial):
        owner = getattr(target, "__self__", None)
        adapter = _OTHER_INTERFACES.get(tuple(inspect.signature(target).parameters))
        if adapter is None and not isinstance(owner, (Flask, Blueprint)):
            return
        if adapter is None:
            adapter = "monocloud_mw.adapters.wsgi.ProtectApiMiddleware"
        advice = f"a WSGI or ASGI application is wrapped by {adapter}"
    elif inspect.isclass(target):
        advice = "a class-based view names the decorator in its decorators"
    elif isinstance(getattr(target, "app", None), Flask):
        advice = "protect its .app, which is the Flask application"
    else:
        advice = (
            "monocloud_mw.adapters.asgi.ProtectApiMiddleware protects ASGI applications (FastAPI, Starlette, "
            "Quart), monocloud_mw.adapters.wsgi.ProtectApiMiddleware WSGI applications"
        )
    raise ConfigurationError(
        f"cannot protect a {type(target).__name__}: only functions, methods, Flask applications and "
        f"blueprints can be protected; {advice}"
    )


def _synchronous(function: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Let a function of the application be async, in the way that its views may be."""
    return None if function is None else lambda *arguments: current_app.ensure_sync(function)(*arguments)


def _flask_on_error(on_error: FlaskOnError) -> OnError:
    def answer(error: MonoCloudError, response: ErrorResponse, _request: Any) -> Any:
        default = _to_flask(response)
        changed = current_app.ensure_sync(on_error)(error, default)
        return default if changed is None else current_app.make_response(changed)

    return answer


def _to_flask(response: ErrorResponse) -> Response:
    return Response(response.body, response.status, list(response.headers))


def _raise(refused: Refused) -> NoReturn:
    """Raise the exception of the status, so that error handlers see it; the response is in it."""
    response = refused.answer or _to_flask(refused.response)
    kind = default_exceptions.get(refused.response.status, HTTPException)
    raise kind(response=response) from refused.error
