"""The one body of logic behind every client and adapter: which checks an access token goes through.

All flows here are pure: they yield effects (:mod:`.effects`) and never read a clock or touch a socket.
The order is that of the documentation's page "How a token flows": origin, issuer, audience, lifetime,
subject, binding, scopes, groups.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from ...claims import AccessTokenClaims
from ...errors import ConfigurationError, Problem, Reason, TokenError
from ...jose import MAX_TOKEN_CHARACTERS, split_compact
from ...options import VARIABLE_PREFIX, Options
from ..effects import Flow, Instant
from ..tenant.tenant import Tenant
from .claim_checks import (
    check_audience,
    check_issuer,
    check_lifetime,
    check_subject,
    parse_lifetime,
)
from .introspection import Introspection
from .jwt import JwtAccessTokenVerifier, add_log_context
from .requirements import Requirements, check_groups, check_scopes
from .sender_constraint import check_certificate_binding

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
        self._jwt = JwtAccessTokenVerifier(options, self.tenant)
        self._introspection = Introspection(options, self.tenant) if options.client_id else None
        self._requires_binding = options.validate_certificate_binding == "required"

    def authenticate(
        self, token: str, certificate: Certificate, requirements: Requirements, now: Instant
    ) -> Flow[AccessTokenClaims]:
        """Return the flow that validates the access token of a request.

        Unlike :meth:`validate`, an opaque token where introspection is not set up is [malformed]: the caller
        chose it, not the developer.

        Raises:
            TokenError: it is refused.
            AuthorizationServerError: the tenant is needed and does not do its part.
        """
        check_token_text(token)
        if_opaque = REFUSE_OPAQUE if self._introspection is None else self._introspect
        if self._introspects_jwts:
            return if_opaque(token, certificate, requirements, now)
        return self._validate_jwt(token, certificate, requirements, now, if_opaque)

    def validate(
        self, token: str, certificate: Certificate, requirements: Requirements, now: Instant
    ) -> Flow[AccessTokenClaims]:
        """Return the flow that validates an access token of either kind.

        Args:
            token: what the caller presented.
            certificate: what the caller presented in TLS, PEM or DER.
            requirements: what the route asks for.
            now: when.

        Raises:
            TokenError: it is refused.
            ConfigurationError: it is no JWT, and there is no ``client_id`` to introspect it with.
            AuthorizationServerError: the tenant is needed and does not do its part.
        """
        check_token_text(token)
        if self._introspects_jwts:
            return self._introspect(token, certificate, requirements, now)
        return self._validate_jwt(token, certificate, requirements, now, self._introspect)

    def validate_jwt(
        self, token: str, certificate: Certificate, requirements: Requirements, now: Instant
    ) -> Flow[AccessTokenClaims]:
        """Return the flow that validates a JWT access token with the tenant's keys (RFC 9068 section 4).

        Raises:
            TokenError: it is refused.
            AuthorizationServerError: there are no keys to check it with.
        """
        check_token_text(token)
        return self._validate_jwt(token, certificate, requirements, now, REFUSE_FORM)

    def introspect(
        self, token: str, certificate: Certificate, requirements: Requirements, now: Instant
    ) -> Flow[AccessTokenClaims]:
        """Return the flow that asks the tenant about an access token of either kind (RFC 7662).

        Raises:
            TokenError: it is refused.
            ConfigurationError: there is no ``client_id`` to ask with.
            AuthorizationServerError: the tenant does not do its part.
        """
        check_token_text(token)
        return self._introspect(token, certificate, requirements, now)

    def forget(self, token: str) -> Flow[None]:
        """Return the flow that removes a token from the verified JWTs and from the claims cache.

        Raises:
            TokenError: it cannot be an access token [malformed].
            MonoCloudError: the claims cache failed, and may still hold its claims.
        """
        check_token_text(token)
        if token.split() != [token]:
            raise TokenError(Reason.MALFORMED, "white space is not part of a token")
        self._jwt.forget(token)
        if self._introspection is not None:
            yield from self._introspection.forget(token)

    def _validate_jwt(
        self,
        token: str,
        certificate: Certificate,
        requirements: Requirements,
        now: Instant,
        otherwise: Validation,
    ) -> Flow[AccessTokenClaims]:
        jwt = self._jwt
        digest = jwt.digest(token)
        verified = jwt.recall(digest)
        if verified is not None and verified.keys is not self.tenant.keys.fresh(now):
            verified = yield from jwt.renew(verified, digest, now)
        if verified is None:
            parts = split_compact(token)
            if parts is None:
                return (yield from otherwise(token, certificate, requirements, now))
            verified = yield from jwt.verify(parts, digest, now)
        try:
            check_lifetime(verified.lifetime, now)
            self._check_request(verified.claims, certificate, requirements)
        except TokenError as error:
            add_log_context(error, verified.claims, verified.key)
            raise
        return verified.claims

    def _introspect(
        self, token: str, certificate: Certificate, requirements: Requirements, now: Instant
    ) -> Flow[AccessTokenClaims]:
        if token.strip() != token:
            raise TokenError(Reason.MALFORMED, "white space around it is not part of a token")
        if self._introspection is None:
            raise ConfigurationError([_NO_CLIENT])
        options = self._options
        claims = yield from self._introspection.claims(token)
        issuer = (yield from self.tenant.metadata.current(now)).issuer
        try:
            check_issuer(claims, issuer, required=False)
            check_audience(claims, options.audience)
            lifetime = parse_lifetime(
                claims,
                skew_seconds=options.clock_skew,
                tolerance_seconds=options.clock_tolerance,
                expiry_required=False,
            )
            check_lifetime(lifetime, now)
            check_subject(claims)
            self._check_request(claims, certificate, requirements)
        except TokenError as error:
            add_log_context(error, claims)
            raise
        return claims

    def _check_request(
        self, claims: AccessTokenClaims, certificate: Certificate, requirements: Requirements
    ) -> None:
        """Check what differs from one request to the next, though the token is the same."""
        if "cnf" in claims or self._requires_binding:
            check_certificate_binding(claims, certificate, self._options.validate_certificate_binding)
        if requirements.scopes:
            check_scopes(claims, requirements)
        if requirements.groups:
            check_groups(claims, requirements, match_all=self._options.groups_match_all)


def check_token_text(token: object) -> None:
    """Refuse what cannot be an access token, before anything else looks at it [malformed]."""
    if not isinstance(token, str):
        raise TokenError(Reason.MALFORMED, "it is not a string")
    if not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
        raise TokenError(Reason.MALFORMED, "it is empty or too long")


def refusing(detail: str) -> Validation:
    """Return what refuses every token [malformed]."""

    def refuse(*_: object) -> Flow[AccessTokenClaims]:
        raise TokenError(Reason.MALFORMED, detail)

    return refuse


REFUSE_OPAQUE: Final = refusing("it is no JWT, and introspection is not configured")
REFUSE_FORM: Final = refusing("it does not have three parts")
