"""Django Ninja: ``auth=`` for an API, a router or an operation, sync or async.

::

    api = NinjaAPI(auth=AccessTokenAuth())

    @api.get("/orders", auth=AccessTokenAuth(scopes=["orders:read"]))
    def list_orders(request):
        return {"caller": request.auth.subject}

- ``request.auth`` and ``request.access_token`` are the claims. For an anonymous caller (``optional=True``)
  they are ``ANONYMOUS`` and ``None``.
- A refusal is raised as :class:`AccessTokenError`, an ``HttpError``. A handler that sends its response with
  the challenge is added to the API, unless the API already has one for this class.
- If ``auth`` is a list, a request without a token is passed to the next entry. If none accepts it, the 401
  has the challenge ``Bearer``.
- Ninja's OpenAPI document shows an optional token as a required one, since its ``auth`` describes the scheme
  only. Add ``openapi_extra={"security": [{}]}`` to the operation.
- With the middleware, exempt the views of Ninja: ``"public_apps": ["ninja"]``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

try:
    from ninja.errors import AuthenticationError, HttpError
    from ninja.operation import Operation, PathView
    from ninja.security.base import AuthBase
except ImportError as error:
    raise ImportError(
        "monocloud_mw.adapters.django.ninja needs Django Ninja in addition to monocloud-mw[django]: "
        "pip install django-ninja"
    ) from error

from monocloud_mw.errors import ConfigurationError, CredentialsError, MonoCloudError
from monocloud_mw.lifecycle.event_loops import running_loop
from monocloud_mw.protect.guard import Refused

from ..view_names import read_declared
from .declarations import Declaration
from .refusals import response_of
from .request_check import check_request, check_request_async
from .requests import checked_claims, reject_forgery

__all__ = ["ANONYMOUS", "AccessTokenAuth", "AccessTokenError", "render_refusal"]


_LEFT: Final = "_monocloud_left_to_others"  # on a request without a token, where auth is a list


class _Anonymous:
    def __repr__(self) -> str:
        return "ANONYMOUS"


ANONYMOUS: Final = _Anonymous()
"""``request.auth`` of a caller without a token. It is truthy: Ninja treats falsy values as a failure."""


class AccessTokenError(HttpError):
    """Raised for a refused request.

    Attributes:
        error: the reason.
        response: the response for the caller.
    """

    def __init__(self, error: MonoCloudError, response: HttpResponseBase) -> None:
        self.error = error
        self.response = response
        super().__init__(response.status_code, response.reason_phrase)


def render_refusal(_request: HttpRequest, error: AccessTokenError) -> HttpResponseBase:
    """Return the response of a refusal; the default handler of ``AccessTokenError``."""
    return error.response


class AccessTokenAuth(AuthBase):
    """Requires a valid access token for an operation.

    Args:
        scopes: all of them are required; one string may list several, separated by spaces.
        any_scopes: the token must have at least one.
        groups: the caller must be in at least one, or in all with the option ``groups_match_all``.
        optional: let requests without a token pass; a token that is sent is still checked.

    Raises:
        ConfigurationError: an argument has a wrong type; the error names the operation.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = "An access token from MonoCloud"

    def __init__(
        self,
        request: None = None,
        /,
        *,
        scopes: str | Iterable[str] = (),
        any_scopes: str | Iterable[str] = (),
        groups: str | Iterable[str] = (),
        optional: bool = False,
    ) -> None:
        if request is not None:  # Ninja calls auth=AccessTokenAuth, the class, with each request
            raise ConfigurationError(
                "AccessTokenAuth takes no positional argument: write auth=AccessTokenAuth(), or name the "
                "requirements, such as AccessTokenAuth(scopes=[...])"
            )
        super().__init__()
        self.is_async = True  # makes Ninja await awaitable results; a sync call returns none
        requirements = read_declared(scopes, any_scopes, groups, optional)
        self._needed = Declaration(requirements=requirements, optional=optional)

    def __call__(self, request: HttpRequest) -> Any:
        """Return the claims of a request, on an event loop as an awaitable; ``None`` without a token.

        Raises:
            AccessTokenError: the request is refused.
        """
        if running_loop() is not None:
            return self._authenticate(request)
        try:
            check_request(request, self._needed)
        except Refused as refused:
            return self._leave_or_raise(request, refused)
        return self._answer(request, None if _needs_no_csrf_check(request) else reject_forgery(request))

    async def _authenticate(self, request: HttpRequest) -> Any:
        try:
            await check_request_async(request, self._needed)
        except Refused as refused:
            return self._leave_or_raise(request, refused)
        forgery = None if _needs_no_csrf_check(request) else await sync_to_async(reject_forgery)(request)
        return self._answer(request, forgery)

    def _answer(self, request: HttpRequest, forgery: Any) -> Any:
        if forgery is not None:
            raise HttpError(403, "CSRF check failed")
        return checked_claims(request) or ANONYMOUS

    def _leave_or_raise(self, request: HttpRequest, refused: Refused) -> None:
        """Return if a request without a token can go on to the next entry of ``auth``; otherwise raise."""
        operation = _find_operation(request)
        error = refused.error
        has_token = not isinstance(error, CredentialsError) or error.malformed
        if not has_token and (operation is None or len(operation.auth_callbacks) > 1):
            if operation is not None:
                setattr(request, _LEFT, True)
                handler = partial(_challenge, operation.api)
                operation.api._exception_handlers.setdefault(AuthenticationError, handler)  # noqa: SLF001
            return
        if operation is not None:
            operation.api._exception_handlers.setdefault(AccessTokenError, render_refusal)  # noqa: SLF001
        raise AccessTokenError(error, response_of(refused)) from error


def _challenge(api: Any, request: HttpRequest, error: AuthenticationError) -> HttpResponseBase:
    """Answer like the handler of HTTP errors, with a challenge if a token would have been accepted."""
    response: HttpResponseBase = api._exception_handlers[HttpError](request, error)  # noqa: SLF001
    if getattr(request, _LEFT, False) and response.status_code == HTTPStatus.UNAUTHORIZED:
        response.headers.setdefault("WWW-Authenticate", "Bearer")
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _needs_no_csrf_check(request: HttpRequest) -> bool:
    """Return whether a request needs no CSRF check: no browser attached its token, or it has none."""
    return getattr(request, "_dont_enforce_csrf_checks", False) or checked_claims(request) is None


def _find_operation(request: HttpRequest) -> Operation | None:
    """Return the Ninja operation of a request; Ninja's view is a closure over the operations of a path."""
    view = inspect.unwrap(request.resolver_match.func)
    for cell in view.__closure__ or ():
        if isinstance(cell.cell_contents, PathView):
            return cell.cell_contents._find_operation(request)  # noqa: SLF001
    return None
