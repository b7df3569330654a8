"""What the error of a failed exchange says: address and reason, and nothing that was sent or received."""

from __future__ import annotations

from typing import Final

import requests
import urllib3

from ..errors import HttpError, quoted
from ..http import HttpRequest

__all__ = ["NO_SOCKS", "check_encoding", "check_size", "failed_exchange"]

NO_SOCKS: Final = "the environment names a SOCKS proxy; only HTTP proxies are supported"


def failed_exchange(request: HttpRequest, error: BaseException, handled: BaseException | None) -> HttpError:
    """Return the error for an exchange that ended without a whole answer.

    Raise it outside of the handler, so that no foreign exception hangs on to it: its text may hold headers.

    Args:
        request: what was asked.
        error: what the HTTP client raised.
        handled: what our caller was handling when it called: Python chains that too, but it is no cause.
    """
    cause = _innermost(error, handled)
    if isinstance(cause, (TimeoutError, urllib3.exceptions.TimeoutError)):
        message = f"gave no complete answer within {request.timeout_seconds:g} seconds"
    else:
        message = f"cannot be reached: {_described(cause)}"
    return HttpError(f"{quoted(request.url)} {message}")


def check_encoding(request: HttpRequest, status: int, content_encoding: str) -> None:
    """Refuse a compressed body before any of it is read.

    Raises:
        HttpError: the header ``Content-Encoding`` names anything but ``identity``.
    """
    if content_encoding.strip().lower() not in ("", "identity"):
        raise HttpError(f"{quoted(request.url)} sent a compressed body", status=status)


def check_size(request: HttpRequest, status: int, size_bytes: int) -> None:
    """Refuse a body of more than ``max_body_bytes``.

    Raises:
        HttpError: it is larger.
    """
    if size_bytes > request.max_body_bytes:
        raise HttpError(f"{quoted(request.url)} sent more than {request.max_body_bytes} bytes", status=status)


def _innermost(error: BaseException, handled: BaseException | None) -> BaseException:
    """Return the first cause: what is wrapped around it helps nobody."""
    while not isinstance(error, TimeoutError):  # behind which stands what it interrupted
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None or cause is handled:
            break
        error = cause
    return error


def _described(cause: BaseException) -> str:
    """Name an error, and quote it where the system wrote the text; other texts hold what was being sent."""
    name = type(cause).__name__
    is_of_the_system = isinstance(cause, OSError) and not isinstance(cause, requests.RequestException)
    return f"{name} {quoted(cause)}" if is_of_the_system else name
