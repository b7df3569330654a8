"""Checks of adapter arguments at construction, so that mistakes show at start and not at a request.

This includes a client or callable that is async where a sync one is required, or vice versa.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from ..callables import is_async
from ..claims import AccessTokenClaims
from ..core.token.presented import Presented
from ..core.token.requirements import Requirements
from ..errors import ConfigurationError, Problem
from ..quoting import quoted

__all__ = [
    "CLAIMS_KEY",
    "AsyncAuthenticator",
    "Authenticator",
    "check_application",
    "check_boolean",
    "check_booleans",
    "check_callable",
    "check_resolvers",
    "collect_problems",
    "require_application",
    "require_claims",
    "select_client",
]

CLAIMS_KEY: Final = "monocloud.claims"
"""The key under which adapters put the claims; a value that a request arrives with is removed first."""


class Authenticator(Protocol):
    """The interface that sync adapters need; :class:`monocloud_mw.BackendClient` implements it.

    ``authenticate`` returns the claims of a valid token or raises a ``MonoCloudError``.
    """

    def authenticate(self, presented: Presented, requirements: Requirements, /) -> AccessTokenClaims: ...


class AsyncAuthenticator(Protocol):
    """The async version of ``Authenticator``; :class:`monocloud_mw.AsyncBackendClient` implements it."""

    async def authenticate(
        self, presented: Presented, requirements: Requirements, /
    ) -> AccessTokenClaims: ...


def collect_problems(*steps: Callable[[], Any]) -> tuple[Any, ...]:
    """Run all steps and return their results.

    Raises:
        ConfigurationError: with the problems of all steps together.
    """
    results: list[Any] = []
    problems: list[Problem] = []
    for step in steps:
        try:
            results.append(step())
        except ConfigurationError as error:
            problems.extend(error.problems or [Problem("configuration", None, str(error))])
    if problems:
        raise ConfigurationError(problems)
    return tuple(results)


def select_client(client: object, kind: type[Any]) -> Any:
    """Return the given client, or the shared one of ``kind``.

    Raises:
        ConfigurationError: the environment has invalid options, or the client does not have the interface of
            ``kind``.
    """
    if client is None:
        return getattr(kind, "shared", kind)()
    if isinstance(client, type):
        message = f"must be a client, not the class {client.__name__}: write {client.__name__}()"
        raise ConfigurationError([Problem("client", None, message)])
    authenticate = getattr(client, "authenticate", None)
    if not callable(authenticate) or is_async(authenticate) is not is_async(kind.authenticate):
        message = f"must be {kind.__name__} or have its authenticate(), not {type(client).__name__}"
        raise ConfigurationError([Problem("client", None, message)])
    return client


def check_boolean(name: str, value: object) -> bool:
    """Return a boolean; other values are rejected because a string such as ``"false"`` is truthy.

    Raises:
        ConfigurationError: the value is not a boolean.
    """
    if not isinstance(value, bool):
        raise ConfigurationError([Problem(name, None, f"must be True or False, not {type(value).__name__}")])
    return value


def check_booleans(**values: object) -> None:
    """Raise ``ConfigurationError`` unless every value, named by its option, is a boolean."""
    collect_problems(*(partial(check_boolean, name, value) for name, value in values.items()))


def check_callable(name: str, function: object, *arguments: str, may_be_async: bool) -> None:
    """Raise ``ConfigurationError`` unless the value is ``None`` or a callable that this adapter can call.

    Args:
        name: the name of the option.
        function: the value.
        arguments: what the adapter calls it with, in order.
        may_be_async: whether the adapter can call an async function.
    """
    if function is None:
        return
    if not callable(function):
        message = f"must be callable, not {type(function).__name__}"
    elif isinstance(function, type) and name != "on_error":  # an instance may be the response of on_error
        kind = function.__name__
        message = f"must be a function, not the class {kind}: pass a function, or an instance, {kind}()"
    elif not may_be_async and is_async(function):
        message = "must not be async: this adapter has no event loop to run it on"
    elif not _takes(function, len(arguments)):
        message = f"must be callable as {name}({', '.join(arguments)})"
    else:
        return
    raise ConfigurationError([Problem(name, None, message)])


def check_resolvers(token: object, certificate: object, argument: str, *, may_be_async: bool) -> None:
    """Check ``token_resolver`` and ``certificate_resolver`` of an adapter with :func:`check_callable`."""
    collect_problems(
        lambda: check_callable("token_resolver", token, argument, may_be_async=may_be_async),
        lambda: check_callable("certificate_resolver", certificate, argument, may_be_async=may_be_async),
    )


def check_application(app: object, kind: str, arguments: int) -> None:
    """Raise ``ConfigurationError`` unless a value can be called as an application.

    Args:
        app: the value.
        kind: the expected kind for the message, such as ``"a WSGI application"``.
        arguments: the number of arguments of the application.
    """
    if not callable(app) or not _takes(app, arguments):
        message = f"must be {kind}, which is called with {arguments} arguments, not {type(app).__name__}"
        raise ConfigurationError([Problem("app", None, message)])


def require_claims(answer: object) -> AccessTokenClaims:
    """Return the result of a client; raise ``ConfigurationError`` if it is not claims."""
    if not isinstance(answer, AccessTokenClaims):
        raise ConfigurationError(
            f"authenticate() of the client must return AccessTokenClaims, not {type(answer).__name__}"
        )
    return answer


def require_application(answer: object, kind: str, arguments: int) -> Any:
    """Return the result of ``on_error`` of a middleware, if it is an application or ``None``.

    Args:
        answer: the result.
        kind: the expected kind for the message, such as ``"a WSGI application"``.
        arguments: the number of arguments of the application.

    Raises:
        ConfigurationError: the result is something else; the request is refused.
    """
    if answer is None or (callable(answer) and not isinstance(answer, type) and _takes(answer, arguments)):
        return answer
    message = f"must return an ErrorResponse, {kind} or None, not {quoted(type(answer).__name__)}"
    raise ConfigurationError([Problem("on_error", None, message)])


def _takes(function: Callable[..., Any], arguments: int) -> bool:
    try:  # without follow_wrapped: a decorator may add arguments that it does not take itself
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):  # a built-in function without a signature
        return True
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        return False
    return True
