"""Refusals in Flask: the ``HTTPException`` of the status, which has the response.

- Error handlers of the application or of extensions may replace the response. If its status is unchanged,
  missing protocol headers (``WWW-Authenticate``, ``Retry-After``, ``Cache-Control``) are added to it.
- In Flask-SocketIO, ``@socketio.on_error`` can turn an exception of a ``connect`` handler into an accepted
  connection, unless it is a ``ConnectionRefusedError``. So a refusal is a ``ConnectionRefusedError`` there.
"""

from __future__ import annotations

import sys
from typing import Any, Final, NoReturn

from flask import Request, Response, after_this_request
from werkzeug.exceptions import HTTPException, default_exceptions

from monocloud_mw.protect.guard import Refused
from monocloud_mw.protect.responses import ErrorResponse

__all__ = ["raise_refusal", "to_flask"]

_PROTOCOL: Final = ("WWW-Authenticate", "Retry-After", "Cache-Control")


def raise_refusal(refused: Refused, incoming: Request) -> NoReturn:
    """Raise the ``HTTPException`` of the status, with the response, so that error handlers receive it."""
    default = refused.response

    @after_this_request
    def complete(response: Response) -> Response:
        if response.status_code == default.status:
            missing = [name for name in _PROTOCOL if name not in response.headers]
            response.headers.extend([header for header in default.headers if header[0] in missing])
        return response

    kind = default_exceptions.get(default.status, HTTPException)
    event = getattr(incoming, "event", None)
    if isinstance(event, dict) and event.get("message") == "connect":
        kind = _as_refused_connection(kind)
    # Handlers of the application may render the description.
    raise kind(default.description, refused.answer or to_flask(default)) from refused.error


def _as_refused_connection(kind: type[HTTPException]) -> type[HTTPException]:
    exceptions = sys.modules.get("socketio.exceptions")  # loaded if Flask-SocketIO is used
    refused: Any = getattr(exceptions, "ConnectionRefusedError", None)
    return kind if refused is None else type(kind.__name__, (kind, refused), {"error_args": kind.__name__})


def to_flask(response: ErrorResponse) -> Response:
    """Convert an error response to a Flask response."""
    return Response(response.body, response.status, list(response.headers))
