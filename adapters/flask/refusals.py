"""Refusals as Flask's own: the ``HTTPException`` of the status, with the response in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from flask import Response, current_app
from werkzeug.exceptions import HTTPException, default_exceptions

from monocloud_mw.errors import MonoCloudError
from monocloud_mw.protect.guard import OnError, Refused
from monocloud_mw.protect.responses import ErrorResponse

__all__ = ["FlaskOnError", "flask_on_error", "raise_refusal"]

FlaskOnError = Callable[[MonoCloudError, Response], Any]


def raise_refusal(refused: Refused) -> NoReturn:
    """Raise the exception of the status, so that error handlers see it; the response is in it."""
    response = refused.answer or _to_flask(refused.response)
    kind = default_exceptions.get(refused.response.status, HTTPException)
    raise kind(response=response) from refused.error


def flask_on_error(on_error: FlaskOnError) -> OnError:
    """Return an ``on_error`` for the guard that calls one which takes and returns Flask's responses."""

    def answer(error: MonoCloudError, response: ErrorResponse, _request: Any) -> Any:
        default = _to_flask(response)
        changed = current_app.ensure_sync(on_error)(error, default)
        return default if changed is None else current_app.make_response(changed)

    return answer


def _to_flask(response: ErrorResponse) -> Response:
    return Response(response.body, response.status, list(response.headers))
