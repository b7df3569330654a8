"""Fetching a JSON document of the tenant, and trusting nothing about it but that it is one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ...errors import HttpError, quoted
from ...frozen import FrozenDict
from ...http import HttpRequest, HttpResponse
from ...jose import DocumentError, parse_json_document
from ..effects import Failure, Flow, fetch
from .retry_after import parse_retry_after

__all__ = ["MAX_BODY_BYTES", "exchange", "fetch_document", "parse_body", "status_error"]

MAX_BODY_BYTES: Final = 1024 * 1024
"""Bounds every response body; the largest real key sets have some ten kilobytes."""

_ACCEPT_JSON: Final = {"accept": "application/json"}


def exchange(request: HttpRequest) -> Flow[HttpResponse]:
    """Perform one exchange.

    Raises:
        HttpError: no whole response arrived (``status`` is ``None``), it is larger than asked for, or the
            user's fetcher returned something else.
    """
    response = yield from fetch(request)
    if isinstance(response, Failure):
        raise response.copy()
    if not isinstance(response, HttpResponse):
        raise HttpError(f"the fetcher returned {type(response).__name__}, not an HttpResponse")
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
        url: where it is.
        timeout_seconds: bounds the exchange.
        now_unix: the time, in Unix seconds.
        advice: what to change where it is not there: for a redirect, which is not followed, since it may
            lead out of the tenant, and for a status that says that the request was wrong (4xx).
        body_advice: what to change where there is something else.

    Raises:
        HttpError: it cannot be had.
    """
    request = HttpRequest(
        url=url, headers=_ACCEPT_JSON, timeout_seconds=timeout_seconds, max_body_bytes=MAX_BODY_BYTES
    )
    response = yield from exchange(request)
    if response.status != 200:
        if advice is not None and "location" in response.headers:
            advice += f": it redirects to {quoted(response.headers['location'])}"
        raise status_error(url, response, now_unix, advice)
    return parse_body(url, response, advice=body_advice)


def status_error(
    url: str, response: HttpResponse, now_unix: float | None = None, advice: str | None = None
) -> HttpError:
    """Return the error for a response whose status is not the one that was asked for.

    Args:
        url: where the response is from.
        response: its ``Retry-After`` goes into the error.
        now_unix: when the request was sent, in Unix seconds.
        advice: what to change where waiting does not help.
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
        url: where the response is from.
        response: of any status.
        unique: names of which there must not be two members.
        advice: what to change where it is none.

    Raises:
        HttpError: it is none; the message says why, and does not quote the body, which may hold claims.
    """
    try:
        return parse_json_document(response.body, unique=unique)
    except DocumentError as error:
        message = f"{quoted(url)} did not answer with a JSON object: {error}"
        raise HttpError(message, status=response.status, advice=advice) from error
