"""The checks on the claims of a token whose origin is proven, in the order they are made.

RFC 7519 section 4.1 and RFC 9068 section 4 for JWTs; RFC 7662 section 2.2 for introspection, where the
tenant vouches for the token and may leave out ``iss`` and ``exp``. A claim of the wrong type is refused,
never converted: ``true`` is no date, and ``"12"`` is none either.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from ...errors import Reason, TokenError, quoted
from ..effects import Instant

__all__ = ["Lifetime", "check_audience", "check_issuer", "check_lifetime", "check_subject", "parse_lifetime"]


Lifetime: TypeAlias = tuple[float, float]
"""When we accept a token, in Unix seconds of our own clock: from the first on, and before the second."""

# A date beyond these is none, since it would not survive arithmetic. They are integers, as nearly all dates
# are: Python compares two integers in a fraction of the time that an integer and a float take.
_FOREVER: Final = int(sys.float_info.max)
_LONG_AGO: Final = -_FOREVER


def check_issuer(claims: Mapping[str, Any], issuer: str, *, required: bool = True) -> None:
    """Refuse a token of another issuer (RFC 7519 section 4.1.1) [wrong_issuer]; the comparison is exact."""
    found = claims.get("iss")
    if found == issuer or (found is None and not required and "iss" not in claims):
        return
    raise TokenError(Reason.WRONG_ISSUER, f"expected {quoted(issuer)}", issuer=quoted(found))


def check_audience(claims: Mapping[str, Any], audience: tuple[str, ...]) -> None:
    """Refuse a token that names none of our audiences (RFC 7519 section 4.1.3) [wrong_audience]."""
    found = claims.get("aud")
    names = (found,) if isinstance(found, str) else found
    if isinstance(names, (list, tuple)):
        for name in names:
            if name in audience:
                return
    raise TokenError(Reason.WRONG_AUDIENCE, f"expected {', '.join(map(quoted, audience))}")


def parse_lifetime(
    claims: Mapping[str, Any],
    *,
    skew_seconds: float,
    tolerance_seconds: float,
    expiry_required: bool = True,
) -> Lifetime:
    """Read ``exp`` and ``nbf`` (RFC 7519 sections 4.1.4 and 4.1.5).

    Args:
        claims: of a token whose origin is proven.
        skew_seconds: how far our clock is behind the tenant's.
        tolerance_seconds: how much earlier, and longer, than it says a token is accepted.
        expiry_required: there must be an ``exp``.

    Raises:
        TokenError: a date is no number, or ``exp`` is missing where it is required [invalid_claim].
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
        raise TokenError(Reason.NOT_YET_VALID if now.unix < ends else Reason.EXPIRED)


def check_subject(claims: Mapping[str, Any]) -> None:
    """Refuse a ``sub`` that is not a string (RFC 7519 section 4.1.2) [invalid_claim]; it may be absent."""
    if "sub" in claims and not isinstance(claims["sub"], str):
        raise TokenError(Reason.INVALID_CLAIM, "sub is not a string")


def _date(claims: Mapping[str, Any], name: str) -> float | None:
    """Read a NumericDate (RFC 7519 section 2); ``bool`` is an ``int`` in Python, and no date."""
    value = claims.get(name)
    if (type(value) is int or type(value) is float) and _LONG_AGO <= value <= _FOREVER:
        return value
    if name not in claims:
        return None
    raise TokenError(Reason.INVALID_CLAIM, f"{name} is not a number")
