"""A refusal as an exception of REST framework."""

from __future__ import annotations

import json

from rest_framework.exceptions import APIException

from monocloud_mw.errors import MonoCloudError
from monocloud_mw.protect.guard import Refused

__all__ = ["AccessTokenException"]


class AccessTokenException(APIException):
    """A request that must not pass, with the attributes that REST framework's exception handler reads.

    Attributes:
        error: why.
        status_code: as the table in :mod:`monocloud_mw.protect.responses` says.
        detail: ``error`` and ``error_description``.
        auth_header: the challenge, or ``None``.
        wait: the seconds of ``Retry-After``, or ``None``.
    """

    def __init__(self, refused: Refused) -> None:
        response = refused.response
        headers = dict(response.headers)
        self.error: MonoCloudError = refused.error
        self.status_code = response.status
        self.auth_header = headers.get("WWW-Authenticate")
        wait = headers.get("Retry-After")
        self.wait = None if wait is None else int(wait)
        try:
            body = json.loads(response.body)
        except ValueError:  # on_error has put another one in its place
            body = None
        super().__init__(body if isinstance(body, dict) else "The request was refused")
