"""The checks on the claims of a verified or introspected token.

RFC 7519 section 4.1 and RFC 9068 section 4 for JWTs; RFC 7662 section 2.2 for introspection, where the tenant
may omit ``iss`` and ``exp``. A claim of the wrong type is rejected, never converted: neither ``true`` nor
``"12"`` is a date.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from ...durations import describe_duration
from ...errors import Reason, TokenError
from ...quoting import quoted, quoted_list
from ..effects import Instant

__all__ = ["Lifetime", "check_audience", "check_issuer", "check_lifetime", "check_subject", "parse_lifetime"]


Lifetime: TypeAlias = tuple[float, float]
"""When a token is accepted, in Unix seconds of the local clock: start (inclusive) and end (exclusive)."""

# Dates outside this range would overflow float arithmetic and are rejected. The bounds are integers, like
# nearly all dates, because Python compares two integers much faster than an integer with a float.
_FOREVER: Final = int(sys.float_info.max)
_LONG_AGO: Final = -_FOREVER


def check_issuer(claims: Mapping[str, Any], issuer: str, *, required: bool = True) -> None:
    """Refuse a token of another issuer (RFC 7519 section 4.1.1) [wrong_issuer]; the comparison is exact."""
    found = claims.get("iss")
    if found == issuer or (not required and "iss" not in claims):
        return
    raise TokenError(
        Reason.WRONG_ISSUER,
        f"expected {quoted(issuer)}",
        issuer=quoted(found),
        expected=quoted(issuer),
        found=quoted(found) if "iss" in claims else "no iss",
        hint=_hint([found], [issuer]),
    )


def check_audience(claims: Mapping[str, Any], audience: tuple[str, ...]) -> None:
    """Refuse a token without one of this API's audiences (RFC 7519 section 4.1.3) [wrong_audience]."""
    found = claims.get("aud")
    names = (found,) if isinstance(found, str) else found
    if isinstance(names, (list, tuple)):
        for name in names:
            if name in audience:
                return
    texts = [name for name in names if isinstance(name, str)] if isinstance(names, (list, tuple)) else []
    raise TokenError(
        Reason.WRONG_AUDIENCE,
        f"expected {', '.join(map(quoted, audience))}",
        expected=quoted_list(audience),
        found=quoted_list(texts) or "no audience",
        hint=_hint(texts, audience),
    )


def _hint(found: Iterable[object], expected: Iterable[str]) -> str | None:
    """Return a hint if two values differ only in a trailing slash or in letter case."""
    plain = {text.rstrip("/").lower() for text in expected}
    if any(isinstance(text, str) and text.rstrip("/").lower() in plain for text in found):
        return "they differ only in a slash at the end or in case; write both in the same way"
    return None


def parse_lifetime(
    claims: Mapping[str, Any],
    *,
    skew_seconds: float,
    tolerance_seconds: float,
    expiry_required: bool = True,
) -> Lifetime:
    """Read ``exp`` and ``nbf`` (RFC 7519 sections 4.1.4 and 4.1.5).

    Args:
        claims: the claims of a verified or introspected token.
        skew_seconds: how far the local clock is behind the tenant's.
        tolerance_seconds: how long before ``nbf`` and after ``exp`` a token is accepted.
        expiry_required: whether ``exp`` must be present.

    Raises:
        TokenError: a date is not a number, or ``exp`` is required and missing [invalid_claim].
    """
    expires_at, not_before = _date(claims, "exp"), _date(claims, "nbf")
    if expires_at is None and expiry_required:
        raise TokenError(Reason.INVALID_CLAIM, "exp is missing")
    return (
        -math.inf if not_before is None else not_before - skew_seconds - tolerance_seconds,
        math.inf if expires_at is None else expires_at - skew_seconds + tolerance_seconds,
    )


def check_lifetime(lifetime: Lifetime, now: Instant) -> None:
    """Refuse a token outside its lifetime [expired, not_yet_valid]."""
    begins, ends = lifetime
    if not begins <= now.unix < ends:
        raise _refuse_at(now.unix, begins, ends)


def _refuse_at(now: float, begins: float, ends: float) -> TokenError:
    found = f"{_time(now)}, {_distance(now, ends if now >= ends else begins)}"
    if now < ends:
        return TokenError(
            Reason.NOT_YET_VALID,
            expected=f"{_time(begins)} or later (nbf, with clock_skew and clock_tolerance)",
            found=found,
            hint="the clock of this machine may be slow" if begins - now < CLOCK_FAULT_SECONDS else None,
        )
    expected = f"before {_time(ends)} (exp, with clock_skew and clock_tolerance)"
    return TokenError(Reason.EXPIRED, expected=expected, found=found)


CLOCK_FAULT_SECONDS: Final = 3600.0
"""A later ``nbf`` is probably intended and not caused by a wrong clock."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _time(unix: float) -> str:
    """Return a time in UTC, or the number if it is out of range for a date."""
    try:
        return f"{_EPOCH + timedelta(seconds=int(unix)):%Y-%m-%dT%H:%M:%SZ}"
    except OverflowError:
        return f"{float(unix):.6g}"


def _distance(now: float, other: float) -> str:
    seconds = float(now) - float(other)
    return f"{describe_duration(abs(seconds))} {'later' if seconds >= 0.0 else 'earlier'}"


def check_subject(claims: Mapping[str, Any]) -> None:
    """Refuse a ``sub`` that is not a string (RFC 7519 section 4.1.2) [invalid_claim]; it may be absent."""
    if "sub" in claims and not isinstance(claims["sub"], str):
        raise TokenError(Reason.INVALID_CLAIM, "sub is not a string")


def _date(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a NumericDate (RFC 7519 section 2); ``bool``, a subclass of ``int``, is not a date."""
    value = claims.get(name)
    if (type(value) is int or type(value) is float) and _LONG_AGO <= value <= _FOREVER:
        return value
    if name not in claims:
        return None
    raise TokenError(Reason.INVALID_CLAIM, f"{name} is not a number")
