"""Verified tokens, and the checks on every request with one.

Used for both kinds of tokens: JWTs with a verified signature, and tokens that the tenant reported as active
(RFC 7662). The order of the checks is fixed, so that the reason for a refusal does not depend on the kind:

1. issuer, audience and the format of the dates, once per token (:func:`verify_claims`);
2. lifetime, subject, binding, scopes and groups, on every request (:func:`check_request`).
"""

from __future__ import annotations

import attrs

from ...claims import AccessTokenClaims
from ...errors import TokenError
from ...jose import Jwk, KeySet
from ...options import Options
from ...quoting import quoted
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
    """The properties of a token that cannot change: its claims, its lifetime and its key.

    Args:
        claims: the claims, with issuer and audience checked.
        lifetime: when the token is accepted.
        key: the key that signed it; ``None`` for an introspected token.
        keys: the last key set that contained this key; ``None`` for an introspected token.
        is_plain: whether ``sub`` is valid or absent and no certificate is needed, as for nearly all tokens.
    """

    claims: AccessTokenClaims = attrs.field(repr=False)
    lifetime: Lifetime
    key: Jwk | None = None
    keys: KeySet | None = None
    is_plain: bool = False


def verify_claims(
    claims: AccessTokenClaims,
    issuer: str,
    options: Options,
    *,
    key: Jwk | None = None,
    keys: KeySet | None = None,
) -> VerifiedToken:
    """Make the checks whose result cannot change (RFC 7519 section 4.1, RFC 9068 section 4).

    Args:
        claims: the claims of a token with a verified signature, or of an introspection response.
        issuer: the required value of ``iss``.
        options: the audiences, and the tolerance for dates.
        key: the key that signed the token. Without a key the token is introspected, and ``iss`` and ``exp``
            may be absent (RFC 7662 section 2.2).
        keys: the key set that contains the key.

    Raises:
        TokenError: [wrong_issuer], [wrong_audience], or [invalid_claim] for an invalid date.
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
    is_plain = (
        "cnf" not in claims
        and options.validate_certificate_binding != "required"
        and isinstance(claims.get("sub", ""), str)
    )
    return VerifiedToken(claims, lifetime, key, keys, is_plain)


def check_request(
    token: VerifiedToken, presented: Presented, requirements: Requirements, options: Options, now: Instant
) -> None:
    """Make the checks whose result may differ between requests with the same token.

    Raises:
        TokenError: [expired, not_yet_valid], [invalid_claim] for ``sub`` or ``cnf``, what
            :func:`~.sender_constraint.check_confirmation` raises, [insufficient_scope, insufficient_groups]
    """
    claims = token.claims
    try:
        check_lifetime(token.lifetime, now)
        if not token.is_plain:
            check_subject(claims)
            check_confirmation(claims, presented.client_certificate, options.validate_certificate_binding)
        if requirements.scopes or requirements.any_scopes:
            check_scopes(claims, requirements)
        if requirements.groups:
            check_groups(claims, requirements, match_all=options.groups_match_all)
    except TokenError as error:
        _add_log_context(error, claims, token.key)
        raise


def _add_log_context(error: TokenError, claims: AccessTokenClaims, key: Jwk | None) -> None:
    """Add the issuer and subject of the token and, if known, the key that signed it."""
    error.key_id = None if key is None or key.key_id is None else quoted(key.key_id)
    error.issuer = quoted(claims["iss"]) if "iss" in claims else None
    error.subject = claims.get("sub")
