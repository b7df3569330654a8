"""Fetch a JSON document from the tenant; check its size, its status and that it is a JSON object."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ...errors import HttpError
from ...frozen import FrozenDict
from ...http import HttpRequest, HttpResponse
from ...jose import DocumentError, parse_json_document
from ...quoting import quoted
from ..effects import Failure, Flow, fetch
from .retry_after import parse_retry_after

__all__ = ["MAX_BODY_BYTES", "fetch_document", "fetch_response", "parse_body", "status_error"]

MAX_BODY_BYTES: Final = 1024 * 1024
"""The limit of every response body; the largest real key sets have about ten kilobytes."""

_ACCEPT_JSON: Final = {"accept": "application/json"}


def fetch_response(request: HttpRequest) -> Flow[HttpResponse]:
    """Send a request and return the response, whatever its status.

    Raises:
        HttpError: no complete response arrived (``status`` is ``None``), or the body is larger than
            ``max_body_bytes``.
    """
    response = yield from fetch(request)
    if isinstance(response, Failure):
        raise response.copy()
    if len(response.body) > request.max_body_bytes:
        raise HttpError(
            f"{quoted(request.url)} sent more than {request.max_body_bytes} bytes", status=response.status
        )
    return response


def fetch_document(
    url: str,
    *,
    timeout_seconds: float,
    now_unix: float | None = None,
    advice: str | None = None,
    body_advice: str | None = None,
) -> Flow[FrozenDict]:
    """Fetch one JSON object.

    Args:
        url: the address of the document.
        timeout_seconds: the limit for the whole exchange.
        now_unix: the time, in Unix seconds.
        advice: what to change after a 4xx status or a redirect. Redirects are not followed, because they may
            lead to another host than the tenant.
        body_advice: what to change if the body is not a JSON object.

    Raises:
        HttpError: no response, another status than 200, or a body that is not a JSON object.
    """
    request = HttpRequest(
        url=url, headers=_ACCEPT_JSON, timeout_seconds=timeout_seconds, max_body_bytes=MAX_BODY_BYTES
    )
    response = yield from fetch_response(request)
    if response.status != 200:
        if advice is not None and "location" in response.headers:
            advice += f": it redirects to {quoted(response.headers['location'])}"
        raise status_error(url, response, now_unix, advice)
    return parse_body(url, response, advice=body_advice)


def status_error(
    url: str, response: HttpResponse, now_unix: float | None = None, advice: str | None = None
) -> HttpError:
    """Return the error for a response with an unexpected status.

    Args:
        url: the address that was requested.
        response: its ``Retry-After`` becomes that of the error.
        now_unix: when the request was sent, in Unix seconds.
        advice: what to change if waiting does not help.
    """
    status, message = response.status, f"{quoted(url)} answered with status {response.status}"
    error = HttpError(message, status=status, retry_after=parse_retry_after(response, now_unix))
    is_redirect = 300 <= status < 400
    if advice is None or (error.temporary and not is_redirect):
        return error
    if is_redirect:
        message += ", a redirect, which is not followed"
    return HttpError(message, status=status, advice=advice)


def parse_body(
    url: str, response: HttpResponse, *, unique: Collection[str] = (), advice: str | None = None
) -> FrozenDict:
    """Read the body of a response as a JSON object, as :mod:`monocloud_mw.jose.lenient_json` does.

    Args:
        url: the address that was requested.
        response: a response with any status.
        unique: names of members that must not be repeated.
        advice: what to change if the body is not a JSON object.

    Raises:
        HttpError: it is not a JSON object. The message does not quote the body, which may contain claims.
    """
    try:
        return parse_json_document(response.body, unique=unique)
    except DocumentError as error:
        message = f"{quoted(url)} did not answer with a JSON object: {error}"
        raise HttpError(message, status=response.status, advice=advice) from error
