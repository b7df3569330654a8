"""Django Ninja: ``auth=`` for an API, a router or an operation, sync or async.

::

    api = NinjaAPI(auth=AccessTokenAuth())

    @api.get("/orders", auth=AccessTokenAuth(scopes=["orders:read"]))
    def list_orders(request):
        return {"caller": request.auth.subject}

- ``request.auth`` and ``request.access_token`` are the claims; of an anonymous caller (``optional=True``)
  they are ``ANONYMOUS`` and ``None``.
- A refusal is raised as an ``HttpError`` of Ninja with the response in it; the API is given a handler that
  sends that response, with its challenge, unless it has one of its own.
- A request without a token is left to the next entry, where ``auth`` is a list.
- With the middleware, leave these views to Ninja: ``"public_apps": ["ninja"]``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

try:
    from ninja.errors import HttpError
    from ninja.operation import Operation, PathView
    from ninja.security.base import AuthBase
except ImportError as error:
    raise ImportError(
        "monocloud_mw.adapters.django.ninja needs Django Ninja beside monocloud-mw[django]: "
        "pip install django-ninja"
    ) from error

from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import CredentialsError, MonoCloudError
from monocloud_mw.protect.adapter_checks import check_boolean, collect_problems
from monocloud_mw.protect.guard import Refused

from ..declared_by import naming
from .checking import check_request, check_request_async, is_on_event_loop
from .declarations import Declaration
from .refusals import response_of
from .requests import checked_claims, reject_forgery

__all__ = ["ANONYMOUS", "AccessTokenAuth", "AccessTokenError", "render_refusal"]


class _Anonymous:
    def __repr__(self) -> str:
        return "ANONYMOUS"


ANONYMOUS: Final = _Anonymous()
"""``request.auth`` of a caller without a token; Ninja takes nothing that is false for an answer."""


class AccessTokenError(HttpError):
    """A request that must not pass.

    Attributes:
        error: why.
        response: what the caller is sent.
    """

    def __init__(self, error: MonoCloudError, response: HttpResponseBase) -> None:
        self.error = error
        self.response = response
        super().__init__(response.status_code, response.reason_phrase)


def render_refusal(_request: HttpRequest, error: AccessTokenError) -> HttpResponseBase:
    """Return the response of a refusal; what the API is given as its handler of ``AccessTokenError``."""
    return error.response


class AccessTokenAuth(AuthBase):
    """Lets only requests with a valid access token reach an operation.

    Args:
        scopes: all of them are required; one string may list several, separated by spaces.
        any_scopes: any of them is enough.
        groups: the caller must be in at least one, or in all with the option ``groups_match_all``.
        optional: let requests without a token pass; a token that is there is checked.

    Raises:
        ConfigurationError: an argument has a wrong type; it names the operation that is being declared.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = "An access token from MonoCloud"

    def __init__(
        self,
        *,
        scopes: str | Iterable[str] = (),
        any_scopes: str | Iterable[str] = (),
        groups: str | Iterable[str] = (),
        optional: bool = False,
    ) -> None:
        super().__init__()
        self.is_async = True  # so that Ninja awaits what it is given; on a thread it is given no awaitable
        with naming():
            requirements, _ = collect_problems(
                lambda: Requirements.of(scopes, groups, any_scopes),
                lambda: check_boolean("optional", optional),
            )
        self._needed = Declaration(requirements=requirements, optional=optional)

    def __call__(self, request: HttpRequest) -> Any:
        """Return the claims of a request, or an awaitable of them on an event loop; ``None`` without a token.

        Raises:
            AccessTokenError: the request must not pass.
        """
        if is_on_event_loop():
            return self._authenticate(request)
        try:
            check_request(request, self._needed)
        except Refused as refused:
            return self._leave_or_raise(request, refused)
        return self._answer(request, None if _is_beyond_doubt(request) else reject_forgery(request))

    async def _authenticate(self, request: HttpRequest) -> Any:
        try:
            await check_request_async(request, self._needed)
        except Refused as refused:
            return self._leave_or_raise(request, refused)
        forgery = None if _is_beyond_doubt(request) else await sync_to_async(reject_forgery)(request)
        return self._answer(request, forgery)

    def _answer(self, request: HttpRequest, forgery: Any) -> Any:
        if forgery is not None:
            raise HttpError(403, "CSRF check failed")
        return checked_claims(request) or ANONYMOUS

    def _leave_or_raise(self, request: HttpRequest, refused: Refused) -> None:
        """Leave a request without a token to the next entry of ``auth``; raise any other refusal."""
        operation = _find_operation(request)
        error = refused.error
        has_token = not isinstance(error, CredentialsError) or error.malformed
        if not has_token and (operation is None or len(operation.auth_callbacks) > 1):
            return
        if operation is not None:
            operation.api._exception_handlers.setdefault(AccessTokenError, render_refusal)  # noqa: SLF001
        raise AccessTokenError(error, response_of(refused)) from error


def _is_beyond_doubt(request: HttpRequest) -> bool:
    """Tell whether a request cannot be forged by a page of somebody else, since a browser sent nothing."""
    return getattr(request, "_dont_enforce_csrf_checks", False) or checked_claims(request) is None


def _find_operation(request: HttpRequest) -> Operation | None:
    """Return what Ninja runs for a request: its view is a closure over the operations of a path."""
    view = inspect.unwrap(request.resolver_match.func)
    for cell in view.__closure__ or ():
        if isinstance(cell.cell_contents, PathView):
            return cell.cell_contents._find_operation(request)  # noqa: SLF001
    return None
