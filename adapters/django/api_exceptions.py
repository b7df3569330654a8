"""The REST framework exception for a refused request."""

from __future__ import annotations

import json

from rest_framework.exceptions import APIException
from rest_framework.request import Request

from monocloud_mw.errors import MonoCloudError
from monocloud_mw.protect.guard import Refused

__all__ = ["AccessTokenException", "forbid_caching"]


class AccessTokenException(APIException):
    """Raised for a refused request, with the attributes that REST framework's exception handler reads.

    Attributes:
        error: the reason.
        status_code: the HTTP status (table in :mod:`monocloud_mw.protect.responses`).
        detail: ``error`` and ``error_description``.
        auth_header: the challenge, or ``None``.
        wait: the seconds of ``Retry-After``, or ``None``.

    Args:
        refused: the refusal.
        request: the request; its view is told not to let the response be cached.
    """

    def __init__(self, refused: Refused, request: Request) -> None:
        response = refused.response
        headers = dict(response.headers)
        forbid_caching(request)
        self.error: MonoCloudError = refused.error
        self.status_code = response.status
        self.auth_header = headers.get("WWW-Authenticate")
        wait = headers.get("Retry-After")
        self.wait = None if wait is None else int(wait)
        super().__init__(json.loads(response.body))


def forbid_caching(request: Request) -> None:
    """Tell the view of a request to add ``Cache-Control: no-store`` to its response."""
    view = (request.parser_context or {}).get("view")
    if view is not None and hasattr(view, "headers"):  # of the response
        view.headers["Cache-Control"] = "no-store"
