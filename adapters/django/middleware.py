"""The middleware: checks a request after Django has resolved the view and before the view runs.

- A view without a declaration needs a valid token, unless ``deny_by_default`` is off or ``public_views`` or
  ``public_apps`` name it (:mod:`.config`). The view's own declaration takes precedence.
- Put it before ``CsrfViewMiddleware``, which otherwise refuses ``POST`` requests that have a token and no
  cookie; a system check reports the wrong order.
- Requests without a view (404), and requests that another middleware answers, are not checked.
- On ASGI it runs on the event loop, without threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from monocloud_mw.protect.guard import Refused

from .config import get_protection
from .declarations import Declaration, enforced_on
from .refusals import AccessTokenRefused, response_of
from .request_check import check_request, check_request_async
from .requests import prepare

__all__ = ["ProtectApiMiddleware"]

_UNDECLARED = Declaration()


class ProtectApiMiddleware:
    """For ``MIDDLEWARE``: ``"monocloud_mw.adapters.django.ProtectApiMiddleware"``.

    Raises:
        ConfigurationError: with every problem found in ``MONOCLOUD_BACKEND`` and the environment.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        is_async = iscoroutinefunction(get_response)
        get_protection().guard_for(is_async=is_async)
        if is_async:
            markcoroutinefunction(self)
            self.process_view = self._process_view_async  # type: ignore[method-assign]

    def __call__(self, request: HttpRequest) -> Any:
        prepare(request)
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _args: Any, _kwargs: Any
    ) -> HttpResponseBase | None:
        """Return the error response of a refused request, or ``None`` to let it pass."""
        declaration = _declaration_for(request, view)
        if declaration is not None:
            try:
                check_request(request, declaration)
            except Refused as refused:
                return response_of(refused)
        return None

    async def _process_view_async(
        self, request: HttpRequest, view: Callable[..., Any], _args: Any, _kwargs: Any
    ) -> HttpResponseBase | None:
        declaration = _declaration_for(request, view)
        if declaration is not None:
            try:
                await check_request_async(request, declaration)
            except Refused as refused:
                return response_of(refused)
        return None

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Return the error response if a view called a protected view that refused the request."""
        return error.response if isinstance(error, AccessTokenRefused) else None


def _declaration_for(request: HttpRequest, view: Callable[..., Any]) -> Declaration | None:
    """Return the declaration that applies to a view, or ``None`` if the view is public."""
    declaration = enforced_on(view)
    if declaration is not None:
        return None if declaration.public else declaration
    return _UNDECLARED if get_protection().denies(view, request.resolver_match.app_names) else None
