"""The one body of logic behind every client and adapter: which checks an access token goes through.

All flows here are pure: they yield effects (:mod:`.effects`) and never read a clock or touch a socket.
The order is that of the documentation's page "How a token flows": origin, issuer, audience, lifetime,
subject, binding, scopes, groups.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from ..claims import AccessTokenClaims
from ..errors import ConfigurationError, Problem, Reason, TokenError
from ..jose import MAX_TOKEN_CHARACTERS
from ..options import VARIABLE_PREFIX, Options
from .certificate_binding import check_certificate_binding
from .claim_checks import (
    Lifetime,
    check_audience,
    check_issuer,
    check_lifetime,
    check_subject,
    parse_lifetime,
)
from .effects import Flow, Instant
from .introspection import Introspection
from .jwt_access_token import JwtReader, name_origin
from .requirements import Requirements, check_groups, check_scopes
from .tenant import Tenant

__all__ = ["Validator"]

Certificate: TypeAlias = str | bytes | None
Validation: TypeAlias = Callable[[str, Certificate, Requirements, Instant], Flow[AccessTokenClaims]]

_NO_CLIENT: Final = Problem(
    "client_id", f"{VARIABLE_PREFIX}CLIENT_ID", "is required to introspect an access token that is no JWT"
)


class Validator:
    """Validates access tokens for one API of one tenant, and keeps what it learned of the tenant."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._introspects_jwts = options.introspect_jwt_tokens
        self.tenant = Tenant(options)
        self._jwt = JwtReader(options, self.tenant)
        self._introspection = Introspection(options, self.tenant) if options.client_id else None

    def validate(
        self,
        token: str,
        certificate: Certificate,
        requirements: Requirements,
        now: Instant,
        *,
        from_request: bool = False,
    ) -> Flow[AccessTokenClaims]:
        """Return the flow that validates an access token of either kind.

        Args:
            token: what the caller presented.
            certificate: what the caller presented in TLS, PEM or DER.
            requirements: what the route asks for.
            now: when.
            from_request: the caller chose the token, not the developer, so that an opaque one where
                introspection is not set up is [malformed] and no mistake in the configuration.

        Raises:
            TokenError: it is refused.
            ConfigurationError: it is no JWT, and there is no ``client_id`` to introspect it with.
            AuthorizationServerError: the tenant is needed and does not do its part.
        """
        check_form(token)
        otherwise = refuse_opaque if from_request and self._introspection is None else self._introspect
        if self._introspects_jwts:
            return otherwise(token, certificate, requirements, now)
        return self._validate_jwt(token, certificate, requirements, now, otherwise)

    def validate_jwt(
        self, token: str, certificate: Certificate, requirements: Requirements, now: Instant
    ) -> Flow[AccessTokenClaims]:
        """Return the flow that validates a JWT access token with the tenant's keys (RFC 9068 section 4).

        Raises:
            TokenError: it is refused.
            AuthorizationServerError: there are no keys to check it with.
        """
        check_form(token)
        return self._validate_jwt(token, certificate, requirements, now)

    def introspect(
        self, token: str, certificate: Certificate, requirements: Requirements, now: Instant
    ) -> Flow[AccessTokenClaims]:
        """Return the flow that asks the tenant about an access token of either kind (RFC 7662).

        Raises:
            TokenError: it is refused.
            ConfigurationError: there is no ``client_id`` to ask with.
            AuthorizationServerError: the tenant does not do its part.
        """
        check_form(token)
        return self._introspect(token, certificate, requirements, now)

    def _validate_jwt(
        self,
        token: str,
        certificate: Certificate,
        requirements: Requirements,
        now: Instant,
        otherwise: Validation | None = None,
    ) -> Flow[AccessTokenClaims]:
        digest = self._jwt.digest(token)
        verified = self._jwt.recall(digest, now)
        if verified is None:
            # Only now, since recalling a token takes less time than counting its dots.
            if otherwise is not None and token.count(".") != 2:
                return (yield from otherwise(token, certificate, requirements, now))
            verified = yield from self._jwt.verify(token, digest, now)
        try:
            self._check_request(verified.claims, verified.lifetime, certificate, requirements, now)
        except TokenError as error:
            name_origin(error, verified.claims, verified.key)
            raise
        return verified.claims

    def _introspect(
        self, token: str, certificate: Certificate, requirements: Requirements, now: Instant
    ) -> Flow[AccessTokenClaims]:
        if self._introspection is None:
            raise ConfigurationError([_NO_CLIENT])
        claims = yield from self._introspection.claims(token)
        issuer = (yield from self.tenant.metadata.current(now)).issuer
        try:
            check_issuer(claims, issuer, required=False)
            check_audience(claims, self._options.audience)
            lifetime = parse_lifetime(claims, expiry_required=False)
            self._check_request(claims, lifetime, certificate, requirements, now)
        except TokenError as error:
            name_origin(error, claims)
            raise
        return claims

    def _check_request(
        self,
        claims: AccessTokenClaims,
        lifetime: Lifetime,
        certificate: Certificate,
        requirements: Requirements,
        now: Instant,
    ) -> None:
        """Check what differs from one request to the next, though the token is the same, and what follows it.

        A wrong subject stays wrong, but a token that has expired as well is refused for that.
        """
        options = self._options
        check_lifetime(
            lifetime,
            now,
            skew_seconds=options.clock_skew,
            tolerance_seconds=options.clock_tolerance,
        )
        check_subject(claims)
        check_certificate_binding(claims, certificate, options.validate_certificate_binding)
        if requirements.scopes:
            check_scopes(claims, requirements)
        if requirements.groups:
            check_groups(claims, requirements, match_all=options.groups_match_all)


def check_form(token: object) -> None:
    """Refuse what cannot be an access token, before anything else looks at it [malformed]."""
    if not isinstance(token, str):
        raise TokenError(Reason.MALFORMED, "it is not a string")
    if not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
        raise TokenError(Reason.MALFORMED, "it is empty or too long")
    if token.strip() != token:
        raise TokenError(Reason.MALFORMED, "white space around it is not part of a token")


def refuse_opaque(
    _token: str, _certificate: Certificate, _requirements: Requirements, _now: Instant
) -> Flow[AccessTokenClaims]:
    """Refuse what could only be introspected, where that is not set up [malformed]."""
    raise TokenError(Reason.MALFORMED, "it is no JWT, and introspection is not configured")
