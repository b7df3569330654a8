"""A token whose origin is proven, and the checks that every request with it has to pass.

Both kinds of tokens end up here: a JWT whose signature is verified, and a token that the tenant says is
active (RFC 7662). The order is fixed, so that each token is refused for one reason, whatever its kind:

1. issuer, audience and the form of its dates, once per token (:func:`verify_claims`);
2. lifetime, subject, binding, scopes and groups, on every request (:func:`check_request`).
"""

from __future__ import annotations

import attrs

from ...claims import AccessTokenClaims
from ...errors import TokenError, quoted
from ...jose import Jwk, KeySet
from ...options import Options
from ..effects import Instant
from .claim_checks import (
    Lifetime,
    check_audience,
    check_issuer,
    check_lifetime,
    check_subject,
    parse_lifetime,
)
from .presented import Presented
from .requirements import Requirements, check_groups, check_scopes
from .sender_constraint import check_confirmation

__all__ = ["VerifiedToken", "check_request", "verify_claims"]


@attrs.frozen
class VerifiedToken:
    """What cannot change about a token: what it says, when it is valid, and who vouches for it.

    Args:
        claims: of this API's tenant, for this API.
        lifetime: when it is accepted.
        key: signed it; ``None`` for an introspected token.
        keys: the last key set that had this key; ``None`` likewise.
    """

    claims: AccessTokenClaims = attrs.field(repr=False)
    lifetime: Lifetime
    key: Jwk | None = None
    keys: KeySet | None = None


def verify_claims(
    claims: AccessTokenClaims,
    issuer: str,
    options: Options,
    *,
    key: Jwk | None = None,
    keys: KeySet | None = None,
) -> VerifiedToken:
    """Check what cannot change about a token (RFC 7519 section 4.1, RFC 9068 section 4).

    Args:
        claims: of a token whose origin is proven.
        issuer: what ``iss`` must be.
        options: say the audiences, and the leeway on dates.
        key: signed the token. Without a key the tenant vouches for it, and may leave out ``iss`` and ``exp``
            (RFC 7662 section 2.2).
        keys: the key set that has the key.

    Raises:
        TokenError: [wrong_issuer], [wrong_audience], or [invalid_claim] for a date that cannot be read.
    """
    is_jwt = key is not None
    try:
        check_issuer(claims, issuer, required=is_jwt)
        check_audience(claims, options.audience)
        lifetime = parse_lifetime(
            claims,
            skew_seconds=options.clock_skew,
            tolerance_seconds=options.clock_tolerance,
            expiry_required=is_jwt,
        )
    except TokenError as error:
        _add_log_context(error, claims, key)
        raise
    return VerifiedToken(claims, lifetime, key, keys)


def check_request(
    token: VerifiedToken, presented: Presented, requirements: Requirements, options: Options, now: Instant
) -> None:
    """Check what may differ from one request to the next, though the token is the same.

    Raises:
        TokenError: [expired, not_yet_valid], [invalid_claim] for ``sub`` or ``cnf``, what
            :func:`~.sender_constraint.check_confirmation` raises, [insufficient_scope, insufficient_groups]
    """
    claims = token.claims
    try:
        check_lifetime(token.lifetime, now)
        check_subject(claims)
        if "cnf" in claims or options.validate_certificate_binding == "required":
            check_confirmation(claims, presented.client_certificate, options.validate_certificate_binding)
        if requirements.scopes or requirements.any_scopes:
            check_scopes(claims, requirements)
        if requirements.groups:
            check_groups(claims, requirements, match_all=options.groups_match_all)
    except TokenError as error:
        _add_log_context(error, claims, token.key)
        raise


def _add_log_context(error: TokenError, claims: AccessTokenClaims, key: Jwk | None) -> None:
    """Add who issued the token, and which key signed it where that is known, for the log."""
    error.key_id = None if key is None or key.key_id is None else quoted(key.key_id)
    error.issuer = quoted(claims["iss"]) if "iss" in claims else None
