"""FastAPI exceptions for refused requests, and their description in the OpenAPI document.

Handle them with ``@app.exception_handler(AccessRefused)``, ``(HTTPException)`` or ``(401)``: ``.error`` is
the reason, ``.response`` the default response of the other adapters. Without a handler, FastAPI sends
``{"detail": {"error": ..., "error_description": ...}}`` with the status and headers of the refusal.

A WebSocket is refused before it is accepted; servers answer the handshake with 403.
"""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import HTTPException, WebSocketException
from pydantic import BaseModel

from monocloud_mw.errors import MonoCloudError
from monocloud_mw.protect.responses import ErrorResponse

from ..asgi import POLICY_VIOLATION

__all__ = ["RESPONSES", "AccessRefused", "RefusalBody", "RefusalDetail", "WebSocketRefused"]


class AccessRefused(HTTPException):
    """Raised for a refused request.

    Attributes:
        error: the reason; for the log, not for the caller.
        response: status, headers and body for the caller.
    """

    def __init__(self, error: MonoCloudError, response: ErrorResponse) -> None:
        self.error = error
        self.response = response
        # The response class that renders the body sets its type.
        headers = {name: value for name, value in response.headers if name != "Content-Type"}
        super().__init__(response.status, json.loads(response.body), headers)


class WebSocketRefused(WebSocketException):
    """Raised for a refused WebSocket.

    Attributes:
        error: the reason; for the log, not for the caller.
        response: the response that an HTTP request would get.
    """

    def __init__(self, error: MonoCloudError, response: ErrorResponse) -> None:
        self.error = error
        self.response = response
        super().__init__(POLICY_VIOLATION, response.description)


class RefusalDetail(BaseModel):
    """Why a request was refused (RFC 6750 section 3.1)."""

    error: str
    error_description: str


class RefusalBody(BaseModel):
    """The body of a refusal."""

    detail: RefusalDetail


def _describe(description: str, header: str) -> dict[str, Any]:
    return {
        "model": RefusalBody,
        "description": description,
        "headers": {header: {"schema": {"type": "string"}}},
    }


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    401: _describe("The access token is missing or refused", "WWW-Authenticate"),
    403: _describe("The access token lacks a required scope or group", "WWW-Authenticate"),
    503: _describe("Access tokens cannot be checked at the moment", "Retry-After"),
}
"""For ``responses=`` of an application, a router or a view: documents refusals for generated clients."""
