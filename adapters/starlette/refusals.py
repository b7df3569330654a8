"""Refusals as Starlette's exceptions, and the functions that turn them into responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.authentication import AuthenticationError, UnauthenticatedUser
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response

from monocloud_mw.errors import CredentialsError, MonoCloudError, Reason, TokenError
from monocloud_mw.protect.responses import ErrorResponse, error_response

from ..asgi import POLICY_VIOLATION
from .user import AccessTokenUser

__all__ = ["EXCEPTION_HANDLERS", "AccessRefused", "TokenRefused", "WebSocketRefused", "on_error"]


class TokenRefused(AuthenticationError):  # noqa: N818  like its two siblings
    """Raised by the backend for a refused token; rendered by :func:`on_error`.

    Attributes:
        error: the reason; for the log, not for the caller.
        response: status, headers and body for the caller.
    """

    def __init__(self, error: MonoCloudError, response: ErrorResponse) -> None:
        self.error = error
        self.response = response
        super().__init__(response.description)


class AccessRefused(HTTPException):
    """Raised by :func:`~.requires.requires` for a refused request.

    Attributes:
        error: the reason; for the log, not for the caller.
        response: status, headers and body for the caller.
    """

    def __init__(self, error: MonoCloudError, response: ErrorResponse) -> None:
        self.error = error
        self.response = response
        headers = {name: value for name, value in response.headers if name != "Content-Type"}
        super().__init__(response.status, response.description, headers)


class WebSocketRefused(WebSocketException):
    """Raised by :func:`~.requires.requires` for a refused WebSocket.

    Attributes:
        error: the reason; for the log, not for the caller.
        response: the response that an HTTP request would get.
    """

    def __init__(self, error: MonoCloudError, response: ErrorResponse) -> None:
        self.error = error
        self.response = response
        super().__init__(POLICY_VIOLATION, response.description)


def on_error(_conn: HTTPConnection, error: Exception) -> Response:
    """Render errors of the backend; pass it as ``AuthenticationMiddleware(on_error=...)``."""
    if isinstance(error, TokenRefused):
        return _render(error.response)
    return PlainTextResponse(str(error), 400)  # error of another backend: Starlette's default


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
