"""A refusal in the forms that Django knows: a response, or an exception that has the response in it."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse

from monocloud_mw.errors import MonoCloudError, TokenError
from monocloud_mw.protect.guard import Refused
from monocloud_mw.protect.responses import ErrorResponse

__all__ = ["AccessTokenRefused", "response_of", "to_django"]


class AccessTokenRefused(PermissionDenied):
    """Raised where a protected view that Django did not choose itself is called, and must not run.

    The middleware turns it into ``response``; without the middleware, Django answers 403.

    Attributes:
        error: why.
        response: what the caller is to be sent.
    """

    def __init__(self, error: MonoCloudError, response: HttpResponse) -> None:
        self.error = error
        self.response = response
        super().__init__(
            error.description if isinstance(error, TokenError) else "An access token is required"
        )


def response_of(refused: Refused) -> HttpResponse:
    """Return the response to a refusal: that of ``on_error``, or the default one."""
    return to_django(refused.response) if refused.answer is None else refused.answer


def to_django(response: ErrorResponse) -> HttpResponse:
    """Return an error response as one of Django."""
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))
