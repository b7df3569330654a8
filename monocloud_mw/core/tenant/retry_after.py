"""Parse ``Retry-After`` of a 429 or 503 response (RFC 9110 section 10.2.3).

The header contains seconds or an HTTP date. A date is compared with the ``Date`` of the same response, which
comes from the same clock, or, without ``Date``, with the time of the request. Invalid values are ignored.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from ...errors import MAX_RETRY_AFTER_SECONDS
from ...http import HttpResponse

__all__ = ["parse_http_date", "parse_retry_after"]

STATUSES: Final = frozenset({429, 503})
MAX_CHARACTERS: Final = 64

_SECONDS: Final = re.compile(r"[0-9]+")
_MAX_DIGITS: Final = 9


def parse_retry_after(response: HttpResponse, now_unix: float | None = None) -> float | None:
    """Return after how many seconds to try again, or ``None`` if the response does not say.

    Args:
        response: a response with any status.
        now_unix: when the request was sent, in Unix seconds.
    """
    if response.status not in STATUSES:
        return None
    value = response.headers.get("retry-after", "").strip(" \t")
    if _SECONDS.fullmatch(value):
        return float(value) if len(value) <= _MAX_DIGITS else MAX_RETRY_AFTER_SECONDS
    until = parse_http_date(value)
    since = parse_http_date(response.headers.get("date", ""))
    if since is None:
        since = now_unix
    return None if until is None or since is None else until - since


def parse_http_date(value: str) -> float | None:
    """Return an HTTP date in Unix seconds (RFC 9110 section 5.6.7), or ``None`` if it is invalid."""
    if len(value) > MAX_CHARACTERS:
        return None
    try:
        date: datetime = parsedate_to_datetime(value)
        return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
