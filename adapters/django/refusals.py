"""Refusals for Django: a response, or an exception that carries the response."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse

from monocloud_mw.errors import MonoCloudError, TokenError
from monocloud_mw.protect.guard import Refused
from monocloud_mw.protect.responses import ErrorResponse

__all__ = ["AccessTokenRefused", "response_of", "to_django"]


class AccessTokenRefused(PermissionDenied):
    """Raised when code other than Django calls a protected view and the request is refused.

    The middleware sends ``response``. Without the middleware, Django answers 403.

    Attributes:
        error: the reason.
        response: the response for the caller.
    """

    def __init__(self, error: MonoCloudError, response: HttpResponse) -> None:
        self.error = error
        self.response = response
        super().__init__(
            error.description if isinstance(error, TokenError) else "An access token is required"
        )


def response_of(refused: Refused) -> HttpResponse:
    """Return the response of a refusal: from ``on_error``, or the default one."""
    return to_django(refused.response) if refused.answer is None else refused.answer


def to_django(response: ErrorResponse) -> HttpResponse:
    """Convert an error response to a Django response."""
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))
