"""Access tokens for Starlette's authentication: ``request.user``, ``request.auth`` and ``@requires``.

::

    app = Starlette(
        routes=routes,
        middleware=[Middleware(AuthenticationMiddleware, backend=MonoCloudBackend(), on_error=on_error)],
        exception_handlers=EXCEPTION_HANDLERS,
    )

    @requires("orders:read")
    async def orders(request):
        return JSONResponse({"caller": request.user.display_name})

- A request without a token is anonymous (``request.user.is_authenticated`` is false), unless the backend has
  ``optional=False``. A token that is sent is always checked; ``on_error`` renders its refusal.
- ``requires`` of this module answers 401 with ``Bearer`` to anonymous callers and 403 with
  ``insufficient_scope`` to others. Starlette's ``requires`` raises a plain 403 for both;
  ``EXCEPTION_HANDLERS`` turns it into the same responses, without the names of the scopes.
- To accept another scheme too, write a backend that calls this one first, and use Starlette's ``requires``,
  which reads the scopes of both. ``requires`` of this module needs an access token.
- A WebSocket is refused before it is accepted; the server answers the handshake with 403.
- The claims are in ``request.user.claims`` and in ``request.scope["monocloud.claims"]``.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, cast

try:
    from starlette.authentication import (
        AuthCredentials,
        AuthenticationBackend,
        AuthenticationError,
        BaseUser,
        UnauthenticatedUser,
    )
except ImportError as error:
    raise ImportError(
        "monocloud_mw.adapters.starlette needs Starlette: pip install 'monocloud-mw[starlette]'"
    ) from error

from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.client import AsyncBackendClient
from monocloud_mw.core.token.requirements import NO_REQUIREMENTS, Requirements
from monocloud_mw.errors import ConfigurationError, CredentialsError, MonoCloudError, Reason, TokenError
from monocloud_mw.protect.adapter_checks import (
    CLAIMS_KEY,
    AsyncAuthenticator,
    check_boolean,
    check_callable,
    collect_problems,
    select_client,
)
from monocloud_mw.protect.guard import Guard, Refused, refuse, run_async
from monocloud_mw.protect.resolvers import Resolver
from monocloud_mw.protect.responses import ErrorResponse, error_response

from .asgi import POLICY_VIOLATION, list_authorization
from .declared_by import naming

__all__ = [
    "EXCEPTION_HANDLERS",
    "AccessRefused",
    "AccessTokenUser",
    "MonoCloudBackend",
    "TokenRefused",
    "WebSocketRefused",
    "on_error",
    "requires",
]

View = TypeVar("View", bound=Callable[..., Any])

_REQUIREMENTS: Final = "__monocloud_requirements__"


class TokenRefused(AuthenticationError):  # noqa: N818  like its two siblings
    """Raised by the backend for a refused token; rendered by :func:`on_error`.

    Attributes:
        error: the reason; for the log, not for the caller.
        response: status, headers and body for the caller.
    """

    def __init__(self, error: MonoCloudError, response: ErrorResponse) -> None:
        self.error = error
        self.response = response
        super().__init__(_description(response))


class AccessRefused(HTTPException):
    """Raised by :func:`requires` for a refused request.

    Attributes:
        error: the reason; for the log, not for the caller.
        response: status, headers and body for the caller.
    """

    def __init__(self, error: MonoCloudError, response: ErrorResponse) -> None:
        self.error = error
        self.response = response
        headers = {name: value for name, value in response.headers if name != "Content-Type"}
        super().__init__(response.status, _description(response), headers)


class WebSocketRefused(WebSocketException):
    """Raised by :func:`requires` for a refused WebSocket.

    Attributes:
        error: the reason; for the log, not for the caller.
        response: the response that an HTTP request would get.
    """

    def __init__(self, error: MonoCloudError, response: ErrorResponse) -> None:
        self.error = error
        self.response = response
        super().__init__(POLICY_VIOLATION, _description(response))


class AccessTokenUser(BaseUser):
    """The caller of a request with a valid access token: ``request.user``.

    Args:
        claims: the claims of the token.
        guard: the guard that validated the token.
    """

    def __init__(self, claims: AccessTokenClaims, guard: Guard) -> None:
        self.claims = claims
        self._guard = guard

    @property
    def is_authenticated(self) -> bool:
        """Always true."""
        return True

    @property
    def display_name(self) -> str:
        """The claim ``name``, or the identity if there is none."""
        name = self.claims.get("name")
        return name if isinstance(name, str) else self.identity

    @property
    def identity(self) -> str:
        """The subject, or ``client_id`` if the token has no subject; empty if it has neither."""
        return self.claims.subject or self.claims.client_id or ""

    def check(self, requirements: Requirements, *, method: str, url: str) -> None:
        """Check the requirements of a view.

        Raises:
            Refused: the token lacks a scope or group.
        """
        self._guard.check_again(self.claims, requirements, method=method, url=url)


class MonoCloudBackend(AuthenticationBackend):
    """A backend for Starlette's ``AuthenticationMiddleware``; pass :func:`on_error` to that too.

    Args:
        client: an :class:`~monocloud_mw.AsyncBackendClient`; default: its ``shared()`` one.
        optional: let requests without a token pass as anonymous; otherwise every request needs one.
        token_resolver: called with the connection, sync or async; returns the access token, instead of the
            ``Authorization`` header.
        certificate_resolver: called with the connection, sync or async; returns the caller's certificate
            (:mod:`monocloud_mw.protect.resolvers`).

    Raises:
        ConfigurationError: with every problem found.
    """

    def __init__(
        self,
        client: AsyncAuthenticator | None = None,
        *,
        optional: bool = True,
        token_resolver: Resolver | None = None,
        certificate_resolver: Resolver | None = None,
    ) -> None:
        self.client: AsyncAuthenticator
        self.client, *_ = collect_problems(
            lambda: select_client(client, AsyncBackendClient),
            lambda: check_boolean("optional", optional),
            lambda: check_callable("token_resolver", token_resolver, may_be_async=True),
            lambda: check_callable("certificate_resolver", certificate_resolver, may_be_async=True),
        )
        self._optional = optional
        self._guard = Guard(
            self.client, token_resolver=token_resolver, certificate_resolver=certificate_resolver
        )

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Return the scopes and the user of a request, or ``None`` for an anonymous one.

        Raises:
            TokenRefused: the token is refused or cannot be checked.
        """
        scope = conn.scope
        scope.pop(CLAIMS_KEY, None)
        check = self._guard.check(
            conn,
            list_authorization(scope),
            NO_REQUIREMENTS,
            method=scope.get("method", "GET"),  # a WebSocket handshake is a GET
            url=scope["path"],
            optional=self._optional,
        )
        try:
            claims = await run_async(check)
        except Refused as refused:
            raise TokenRefused(refused.error, refused.response) from refused.error
        if claims is None:
            return None
        scope[CLAIMS_KEY] = claims
        return AuthCredentials(sorted(claims.scopes)), AccessTokenUser(claims, self._guard)


def on_error(_conn: HTTPConnection, error: Exception) -> Response:
    """Render errors of :class:`MonoCloudBackend`; pass it as ``AuthenticationMiddleware(on_error=...)``."""
    if isinstance(error, TokenRefused):
        return _render(error.response)
    return PlainTextResponse(str(error), 400)  # error of another backend: Starlette's default


def requires(
    scopes: str | Iterable[str] = (),
    *,
    any_scopes: str | Iterable[str] = (),
    groups: str | Iterable[str] = (),
) -> Callable[[View], View]:
    """Return a decorator that requires a valid token for a view.

    The view must have a parameter ``request`` or ``websocket``. Without arguments, any valid token passes.

    Args:
        scopes: all of them are required.
        any_scopes: the token must have at least one.
        groups: the caller must be in at least one.

    Raises:
        ConfigurationError: a requirement has a wrong type (it names the view), or the view has no such
            parameter.
    """
    with naming():
        requirements = Requirements.of(scopes, groups, any_scopes)

    def decorate(view: View) -> View:
        names = list(inspect.signature(view).parameters)
        name = next((name for name in names if name in ("request", "websocket")), None)
        if name is None:
            raise ConfigurationError(f"@requires: {view!r} has no parameter named request or websocket")
        position = names.index(name)

        def check(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
            _check(kwargs[name] if name in kwargs else args[position], requirements)

        @functools.wraps(view)
        async def protected(*args: Any, **kwargs: Any) -> Any:
            check(args, kwargs)
            return await view(*args, **kwargs)

        @functools.wraps(view)
        def protected_sync(*args: Any, **kwargs: Any) -> Any:
            check(args, kwargs)
            return view(*args, **kwargs)

        chosen: Any = protected if inspect.iscoroutinefunction(view) else protected_sync
        chosen.__dict__[_REQUIREMENTS] = requirements
        return cast(View, chosen)

    return decorate


def requirements_of(view: Any) -> Requirements | None:
    """Return what :func:`requires` asks of a view; ``None`` without it."""
    found = getattr(view, "__dict__", {}).get(_REQUIREMENTS)
    return found if isinstance(found, Requirements) else None


def _check(connection: HTTPConnection, requirements: Requirements) -> None:
    scope = connection.scope
    method, url, user = scope.get("method", "GET"), scope["path"], scope.get("user")
    try:
        if user is None:
            message = "@requires needs AuthenticationMiddleware with backend=MonoCloudBackend()"
            raise refuse(ConfigurationError(message), method=method, url=url)
        if not isinstance(user, AccessTokenUser):
            raise refuse(CredentialsError("The request has no access token"), method=method, url=url)
        user.check(requirements, method=method, url=url)
    except Refused as refused:
        kind = WebSocketRefused if scope["type"] == "websocket" else AccessRefused
        raise kind(refused.error, refused.response) from refused.error


def _on_refusal(request: Request, error: Exception) -> Response:
    """Render errors of ``requires`` of this module and of Starlette."""
    if isinstance(error, AccessRefused):
        return _render(error.response)
    assert isinstance(error, HTTPException)
    if error.detail != "Forbidden" or error.headers:  # raised by a view, not by Starlette's requires
        return PlainTextResponse(error.detail, error.status_code, error.headers)
    user = request.scope.get("user")
    if isinstance(user, AccessTokenUser):
        return _render(error_response(TokenError(Reason.INSUFFICIENT_SCOPE)))
    if user is None or isinstance(user, UnauthenticatedUser):
        return _render(error_response(CredentialsError("The request has no access token")))
    return PlainTextResponse(error.detail, error.status_code)  # a user of another backend


EXCEPTION_HANDLERS: Final[Mapping[Any, Callable[[Request, Exception], Response]]] = {
    AccessRefused: _on_refusal,
    403: _on_refusal,
}
"""For ``Starlette(exception_handlers=EXCEPTION_HANDLERS)``: refusals get a challenge and a JSON body."""


def _render(response: ErrorResponse) -> Response:
    return Response(response.body, response.status, dict(response.headers))


def _description(response: ErrorResponse) -> str:
    return str(json.loads(response.body)["error_description"])
