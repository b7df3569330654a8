"""Adapts the functions of an application (``token_resolver``, ``on_error``, ...) to the guard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, current_app

from monocloud_mw.callables import coroutine_function
from monocloud_mw.errors import ConfigurationError, MonoCloudError, Problem
from monocloud_mw.protect.guard import OnError
from monocloud_mw.protect.responses import ErrorResponse
from monocloud_mw.quoting import quoted

from .refusals import to_flask

__all__ = ["FlaskOnError", "flask_on_error", "synchronous"]

FlaskOnError = Callable[[MonoCloudError, Response], Any]


def synchronous(function: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Return a function that can be called synchronously, as Flask does for async views."""
    if function is None:
        return None
    call = coroutine_function(function)
    return lambda *arguments: current_app.ensure_sync(call)(*arguments)


def flask_on_error(on_error: FlaskOnError) -> OnError:
    """Convert an ``on_error`` that takes and returns Flask responses to one for the guard."""
    call = coroutine_function(on_error)

    def answer(error: MonoCloudError, response: ErrorResponse, _request: Any) -> Any:
        default = to_flask(response)
        changed = current_app.ensure_sync(call)(error, default)
        try:
            return default if changed is None else current_app.make_response(changed)
        except TypeError as wrong:
            message = f"must return a response of a view, or None, not {quoted(type(changed).__name__)}"
            raise ConfigurationError([Problem("on_error", None, message)]) from wrong

    return answer
