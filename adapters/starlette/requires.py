"""``@requires``: the access requirements of a view."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final, TypeVar, cast

from starlette.requests import HTTPConnection

from monocloud_mw.callables import is_async
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError, CredentialsError
from monocloud_mw.protect.authorization import parse_authorization
from monocloud_mw.protect.guard import Guard, Refused, refuse

from ..asgi import list_authorization
from ..view_names import naming
from .refusals import AccessRefused, WebSocketRefused
from .user import AccessTokenUser

__all__ = ["GUARD_KEY", "PREFLIGHT_KEY", "requirements_of", "requires"]

View = TypeVar("View", bound=Callable[..., Any])

PREFLIGHT_KEY: Final = "monocloud.preflight"
"""In the scope: whether :class:`.MonoCloudBackend` let a CORS preflight pass."""

GUARD_KEY: Final = "monocloud.guard"
"""In the scope: the guard of :class:`.MonoCloudBackend`, which logs and reports refusals."""

_REQUIREMENTS: Final = "__monocloud_requirements__"


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
    if inspect.isroutine(scopes):
        raise ConfigurationError(f"@requires: {scopes!r} is not a scope; write @requires() above a view")
    with naming():
        requirements = Requirements.of(scopes, groups, any_scopes)

    def decorate(view: View) -> View:
        names = _parameters_of(view)
        name = next((name for name in names if name in ("request", "websocket")), None)
        if name is None:
            raise ConfigurationError(f"@requires: {view!r} has no parameter named request or websocket")
        position = names.index(name)

        def check(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
            connection = kwargs[name] if name in kwargs else args[position]
            if not isinstance(connection, HTTPConnection):
                raise ConfigurationError(
                    f"@requires: {name} of {view!r} is {type(connection).__name__}, not a request "
                    "of Starlette; for another framework, use its adapter in monocloud_mw.adapters"
                )
            _check(connection, requirements)

        @functools.wraps(view)
        async def protected(*args: Any, **kwargs: Any) -> Any:
            check(args, kwargs)
            return await view(*args, **kwargs)

        @functools.wraps(view)
        def protected_sync(*args: Any, **kwargs: Any) -> Any:
            check(args, kwargs)
            return view(*args, **kwargs)

        chosen: Any = protected if is_async(view) else protected_sync
        chosen.__dict__[_REQUIREMENTS] = requirements
        return cast(View, chosen)

    return decorate


def _parameters_of(view: Any) -> list[str]:
    if isinstance(view, (staticmethod, classmethod)):
        raise ConfigurationError(f"@requires: write it below @{type(view).__name__} of {view.__func__!r}")
    try:
        return list(inspect.signature(view).parameters)
    except (TypeError, ValueError):
        raise ConfigurationError(f"@requires must decorate a view function, not {view!r}") from None


def requirements_of(view: Any) -> Requirements | None:
    """Return what :func:`requires` asks of a view; ``None`` without it."""
    found = getattr(view, "__dict__", {}).get(_REQUIREMENTS)
    return found if isinstance(found, Requirements) else None


def _no_token(scope: MutableMapping[str, Any]) -> CredentialsError:
    """Return the error of a request without a token, with a hint if its header has another scheme."""
    try:
        parse_authorization(list_authorization(scope))
    except CredentialsError as error:
        if not error.malformed:
            return error
    return CredentialsError("The request has no access token")  # a token_resolver looks elsewhere


def _check(connection: HTTPConnection, requirements: Requirements) -> None:
    scope = connection.scope
    method, url, user = scope.get("method", "GET"), scope["path"], scope.get("user")
    if scope.get(PREFLIGHT_KEY) is True:
        return
    try:
        if user is None:
            message = "@requires needs AuthenticationMiddleware with backend=MonoCloudBackend()"
            raise refuse(ConfigurationError(message), method=method, url=url)
        if not isinstance(user, AccessTokenUser):
            guard = scope.get(GUARD_KEY)
            create_refusal = guard.refuse if isinstance(guard, Guard) else refuse  # with another backend
            raise create_refusal(_no_token(scope), method=method, url=url)
        user.check(requirements, method=method, url=url)
    except Refused as refused:
        kind = WebSocketRefused if scope["type"] == "websocket" else AccessRefused
        raise kind(refused.error, refused.response) from refused.error
