"""The validation of access tokens that all clients and adapters share.

The flows do no I/O: they yield effects (:mod:`~monocloud_mw.core.effects`) and never read a clock. For tokens
of either kind, :func:`~.verified.check_request` is the last step.
"""

from __future__ import annotations

import re
from typing import Final

from ...claims import AccessTokenClaims
from ...errors import ConfigurationError, Problem, Reason, TokenError
from ...jose import split_compact
from ...options import VARIABLE_PREFIX, Options
from ..effects import Flow, Instant, timed
from ..tenant.tenant import Tenant
from .introspection import Introspection
from .jwt import JwtAccessTokenVerifier
from .presented import Presented
from .requirements import Requirements
from .verified import VerifiedToken, check_request, verify_claims

__all__ = ["Validator"]

_NO_CLIENT: Final = Problem(
    "client_id", f"{VARIABLE_PREFIX}CLIENT_ID", "is required to introspect access tokens that are not JWTs"
)


class Validator:
    """Validates access tokens for one API of one tenant, and caches the tenant's documents."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._max_size = options.max_token_size
        self._introspects_jwts = options.introspect_jwt_tokens
        self.tenant = Tenant(options)
        self._jwt = JwtAccessTokenVerifier(options, self.tenant)
        self._introspection = Introspection(options, self.tenant) if options.client_id else None
        self._opaque_refusal = REFUSE_OPAQUE if self._introspection is None else None

    def authenticate(
        self, presented: Presented, requirements: Requirements, now: Instant
    ) -> Flow[AccessTokenClaims]:
        """Return the flow that validates the access token of a request.

        Unlike :meth:`validate`, it refuses an opaque token as [malformed] if introspection is not configured,
        because that is an error of the caller.

        Raises:
            TokenError: the token is refused.
            AuthorizationServerError: the tenant had to be contacted and the request failed.
        """
        check_token_text(presented.token, self._max_size)
        if self._introspects_jwts:
            return self._introspect(presented, requirements, now)
        return self._validate_jwt(presented, requirements, now, self._opaque_refusal)

    def validate(
        self, presented: Presented, requirements: Requirements, now: Instant
    ) -> Flow[AccessTokenClaims]:
        """Return the flow that validates an access token of either kind.

        Raises:
            TokenError: the token is refused.
            ConfigurationError: it is not a JWT, and introspection needs ``client_id``, which is not set.
            AuthorizationServerError: the tenant had to be contacted and the request failed.
        """
        check_token_text(presented.token, self._max_size)
        if self._introspects_jwts:
            return self._introspect(presented, requirements, now)
        return self._validate_jwt(presented, requirements, now, None)

    def validate_jwt(
        self, presented: Presented, requirements: Requirements, now: Instant
    ) -> Flow[AccessTokenClaims]:
        """Return the flow that validates a JWT access token with the tenant's keys (RFC 9068 section 4).

        Raises:
            TokenError: the token is refused.
            AuthorizationServerError: the tenant's keys had to be loaded and the request failed.
        """
        check_token_text(presented.token, self._max_size)
        return self._validate_jwt(presented, requirements, now, "it does not have three parts")

    def introspect(
        self, presented: Presented, requirements: Requirements, now: Instant
    ) -> Flow[AccessTokenClaims]:
        """Return the flow that introspects an access token of either kind (RFC 7662).

        Raises:
            TokenError: the token is refused.
            ConfigurationError: introspection needs ``client_id``, which is not set.
            AuthorizationServerError: the introspection request failed.
        """
        check_token_text(presented.token, self._max_size)
        return self._introspect(presented, requirements, now)

    def forget(self, token: str) -> Flow[None]:
        """Return the flow that removes a token from the verified JWTs and from the claims cache.

        Raises:
            TokenError: the token is malformed.
            MonoCloudError: the claims cache failed, and may still contain the token's claims.
        """
        check_token_text(token, self._max_size)
        if token.split() != [token]:
            raise TokenError(Reason.MALFORMED, "a token must not contain white space")
        self._jwt.forget(token)
        if self._introspection is not None:
            yield from self._introspection.forget(token)

    def _validate_jwt(
        self, presented: Presented, requirements: Requirements, now: Instant, opaque_refusal: str | None
    ) -> Flow[AccessTokenClaims]:
        """Validate a token with three parts as a JWT; introspect other tokens, or refuse them."""
        cache_key = self._jwt.cache_key(presented.token)
        token = self._jwt.cached(cache_key)
        if token is None or token.keys is not self.tenant.keys.fresh(now):
            verification = self._verify(presented.token, token, cache_key, opaque_refusal, now)
            token, now = yield from timed(verification, now)
        check_request(token, presented, requirements, self._options, now)
        return token.claims

    def _verify(
        self,
        token: str,
        known: VerifiedToken | None,
        cache_key: bytes,
        opaque_refusal: str | None,
        now: Instant,
    ) -> Flow[VerifiedToken]:
        if known is not None:
            known = yield from self._jwt.recheck_key(known, cache_key, now)
            if known is not None:
                return known
        parts = split_compact(token)
        if parts is not None:
            try:
                return (yield from self._jwt.verify(parts, cache_key, now))
            except TokenError as error:
                add_scheme_hint(error, token)
                raise
        if opaque_refusal is not None:
            raise add_scheme_hint(TokenError(Reason.MALFORMED, opaque_refusal), token)
        return (yield from self._verify_by_introspection(token, now))

    def _introspect(
        self, presented: Presented, requirements: Requirements, now: Instant
    ) -> Flow[AccessTokenClaims]:
        token, now = yield from timed(self._verify_by_introspection(presented.token, now), now)
        check_request(token, presented, requirements, self._options, now)
        return token.claims

    def _verify_by_introspection(self, token: str, now: Instant) -> Flow[VerifiedToken]:
        check_introspectable(token)
        if self._introspection is None:
            raise ConfigurationError([_NO_CLIENT])
        try:
            claims, now = yield from timed(self._introspection.claims(token), now)
        except TokenError as error:
            add_scheme_hint(error, token)
            raise
        issuer = (yield from self.tenant.metadata.current(now)).issuer
        return verify_claims(claims, issuer, self._options)


def add_scheme_hint(error: TokenError, token: str) -> TokenError:
    """Add a hint to the error of a token that includes its scheme; return the error."""
    if token[:7].lower() == "bearer ":
        error.hint = 'the token begins with "Bearer "; pass it without its scheme'
    return error


def check_token_text(token: object, max_size: int) -> None:
    """Refuse a value that cannot be an access token, before any other check [malformed]."""
    if not isinstance(token, str):
        raise TokenError(Reason.MALFORMED, "it is not a string")
    if not 0 < len(token) <= max_size:
        detail = f"it has {len(token)} characters; max_token_size is {max_size}" if token else "it is empty"
        raise TokenError(Reason.MALFORMED, detail)


def check_introspectable(token: str) -> None:
    """Refuse a token that introspection cannot accept, without a request to the tenant [malformed]."""
    if token.strip() != token or _CONTROL.search(token):
        raise TokenError(Reason.MALFORMED, "it has leading or trailing white space, or control characters")


REFUSE_OPAQUE: Final = "it is not a JWT, and introspection is not configured"
# RFC 6749 appendix A.12 allows only visible ASCII characters. Other Unicode text is left to the tenant.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
