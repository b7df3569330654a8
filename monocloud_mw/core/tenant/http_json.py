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


def fetch_document(url: str, *, timeout_seconds: float, now_unix: float | None = None) -> Flow[FrozenDict]:
    """Fetch one JSON object; ``now_unix`` is the time, in Unix seconds.

    Raises:
        HttpError: it cannot be had; a redirect is not followed, since it may lead out of the tenant.
    """
    request = HttpRequest(
        url=url, headers=_ACCEPT_JSON, timeout_seconds=timeout_seconds, max_body_bytes=MAX_BODY_BYTES
    )
    response = yield from exchange(request)
    if response.status != 200:
        raise status_error(url, response, now_unix)
    return parse_body(url, response)


def status_error(url: str, response: HttpResponse, now_unix: float | None = None) -> HttpError:
    """Return the error for a response whose status is not the one that was asked for.

    Args:
        url: where the response is from.
        response: its ``Retry-After`` goes into the error.
        now_unix: when the request was sent, in Unix seconds.
    """
    return HttpError(
        f"{quoted(url)} answered with status {response.status}",
        status=response.status,
        retry_after=parse_retry_after(response, now_unix),
    )


def parse_body(url: str, response: HttpResponse, *, unique: Collection[str] = ()) -> FrozenDict:
    """Read the body of a response as a JSON object, as :mod:`monocloud_mw.jose.lenient_json` does.

    Args:
        url: where the response is from.
        response: of any status.
        unique: names of which there must not be two members.

    Raises:
        HttpError: it is none; the message says why, and does not quote the body, which may hold claims.
    """
    try:
        return parse_json_document(response.body, unique=unique)
    except DocumentError as error:
        raise HttpError(
            f"{quoted(url)} did not answer with a JSON object: {error}", status=response.status
        ) from error
