"""Adapts the functions of a project (``token_resolver``, ``on_error``, ...) to the guard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import async_to_sync
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from monocloud_mw.callables import coroutine_function, is_async
from monocloud_mw.errors import ConfigurationError, MonoCloudError
from monocloud_mw.protect.responses import ErrorResponse

from .refusals import to_django
from .requests import has_in_header

__all__ = ["in_djangos_form", "noting_origin", "synchronous"]


def synchronous(function: Any) -> Any:
    """Return a function that a thread can call; an async one is run with ``async_to_sync``."""
    return async_to_sync(coroutine_function(function)) if is_async(function) else function


def noting_origin(resolver: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Wrap a resolver to record on the request whether its token is in the ``Authorization`` header."""

    async def wait(request: HttpRequest, answer: Awaitable[Any]) -> Any:
        token = await answer
        has_in_header(request, token)
        return token

    def resolve(request: HttpRequest) -> Any:
        answer = resolver(request)
        if isinstance(answer, Awaitable):
            return wait(request, answer)
        has_in_header(request, answer)
        return answer

    return resolve


def in_djangos_form(on_error: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``on_error`` to get the default response as Django's, and to return one in any case."""

    async def wait(answer: Awaitable[Any], default: HttpResponseBase) -> HttpResponseBase:
        return _require_response(await answer, default)

    def answer(error: MonoCloudError, response: ErrorResponse, request: HttpRequest) -> Any:
        default = to_django(response)
        changed = on_error(error, default, request)
        if isinstance(changed, Awaitable):
            return wait(changed, default)
        return _require_response(changed, default)

    return answer


def _require_response(answer: Any, default: HttpResponseBase) -> HttpResponseBase:
    if answer is None:
        return default
    if not isinstance(answer, HttpResponseBase):
        raise ConfigurationError(f"on_error must return an HttpResponse or None, not {type(answer).__name__}")
    return answer
