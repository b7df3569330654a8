"""JWT access tokens: from an untrusted string to claims whose origin is proven (RFC 9068 section 4).

Checks run cheap before expensive: size, form and header before any key is looked for, so that garbage
never causes a request to the tenant; the signature before any claim is believed.

What cannot change about a token is remembered: that this key signed these claims, when they are valid, and
that they are from our issuer, for our audience, and about a subject that is text. Everything that can change
is checked again on each request: whether the key is still in the key set, the time, the certificate, and
what the route asks for.
The memory is keyed by a digest of the token together with our issuer and audiences, and only tokens of our
tenant for our API get in, so that nobody can fill it with others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from ...claims import AccessTokenClaims
from ...errors import Reason, TokenError, quoted
from ...jose import (
    CompactParts,
    Jwk,
    JwsHeader,
    KeySet,
    base64url,
    parse_header,
    parse_json_object,
    verify,
)
from ...options import Options
from ..effects import Flow, Instant
from ..tenant.tenant import Tenant
from ..two_generation_cache import TwoGenerationCache
from .cache_key import token_cache_key
from .claim_checks import (
    Lifetime,
    check_audience,
    check_issuer,
    check_lifetime,
    check_subject,
    parse_lifetime,
)

__all__ = ["JwtAccessTokenVerifier", "VerifiedToken", "add_log_context", "check_payload", "check_type"]

MAX_HEADERS: Final = 64  # of one issuer: one per key and algorithm

ACCESS_TOKEN_TYPES: Final = frozenset({"at+jwt", "application/at+jwt", "jwt"})
"""What ``typ`` may be, in lower case (RFC 9068 section 2.1): no ID, logout or DPoP proof token."""


@attrs.frozen
class VerifiedToken:
    """What stays true of a token: what it says, and that one of these keys has signed it."""

    claims: AccessTokenClaims = attrs.field(repr=False)
    lifetime: Lifetime
    key: Jwk
    keys: KeySet


def add_log_context(error: TokenError, claims: AccessTokenClaims, key: Jwk | None = None) -> None:
    """Say in an error who issued the token and which key signed it, where that is known, for the log."""
    error.key_id = None if key is None or key.key_id is None else quoted(key.key_id)
    error.issuer = quoted(claims["iss"]) if "iss" in claims else None


def check_type(header: Any) -> None:
    """Refuse a JWT that is not an access token by its ``typ`` (RFC 8725 section 3.11) [wrong_type]."""
    found = header.get("typ")
    if "typ" in header and not (isinstance(found, str) and found.lower() in ACCESS_TOKEN_TYPES):
        raise TokenError(Reason.WRONG_TYPE, f"typ is {quoted(found)}")


def check_payload(payload: bytes) -> None:
    """Refuse what cannot be a JSON object (RFC 7519 section 7.2), before any key is looked for [malformed].

    Two brackets tell: to parse it all, unproven as it is, could cost many times what a good token does.
    """
    text = payload.strip(b" \t\r\n")
    if not (text.startswith(b"{") and text.endswith(b"}")):
        raise TokenError(Reason.MALFORMED, "its payload is not a JSON object")


class JwtAccessTokenVerifier:
    """Proves that JWTs are the tenant's, and for this API."""

    def __init__(self, options: Options, tenant: Tenant) -> None:
        self._tenant = tenant
        self._keys = tenant.keys
        self._audience = options.audience
        self._algorithms = frozenset(options.algorithms)
        self._groups_claim = options.groups_claim
        self._verified: TwoGenerationCache[bytes, VerifiedToken] = TwoGenerationCache(options.jwt_cache_size)
        # Of good tokens: issuers sign millions with one header. Nobody else can fill this memory.
        self._headers: TwoGenerationCache[str, JwsHeader] = TwoGenerationCache(MAX_HEADERS)
        self._skew, self._tolerance = options.clock_skew, options.clock_tolerance
        self.digest = token_cache_key("jwt", options)
        self.recall: Callable[[bytes], VerifiedToken | None] = self._verified.get

    def forget(self, token: str) -> None:
        """Remove a token from the verified ones."""
        self._verified.discard(self.digest(token))

    def renew(self, known: VerifiedToken, digest: bytes, now: Instant) -> Flow[VerifiedToken | None]:
        """Return a token that was verified before, where its key is in the current key set as well.

        Raises:
            AuthorizationServerError: there is no key set.
        """
        keys = yield from self._keys.current(now)
        if known.key in keys:
            return self._remember(digest, attrs.evolve(known, keys=keys))
        self._verified.discard(digest)
        return None

    def verify(self, parts: CompactParts, digest: bytes, now: Instant) -> Flow[VerifiedToken]:
        """Return what the token says, once it is known to be the tenant's and for this API.

        Raises:
            TokenError: [malformed, unsupported_algorithm, wrong_type, unknown_key, bad_signature,
                wrong_issuer, wrong_audience, invalid_claim (a date or ``sub``), and expired or not_yet_valid
                where ``sub`` is wrong as well]
            AuthorizationServerError: there are no keys to check it with.
        """
        encoded_header, encoded_payload, encoded_signature, signing_input = parts
        payload, signature = base64url.decode(encoded_payload), base64url.decode(encoded_signature)
        known_header = self._headers.get(encoded_header)
        header = known_header or self._read_header(encoded_header)
        check_payload(payload)
        message = signing_input.encode()
        fresh = self._keys.fresh(now)
        keys = fresh if fresh is not None else (yield from self._keys.current(now))
        try:
            key = verify(header, signature, message, keys)
        except TokenError as error:
            keys = yield from self._newer_keys(error, header, keys, now)
            key = verify(header, signature, message, keys)
        claims = AccessTokenClaims(parse_json_object(payload), groups_claim=self._groups_claim)
        issuer = self._tenant.known_jwt_issuer(now) or (yield from self._tenant.jwt_issuer(now))
        try:
            check_issuer(claims, issuer)
            check_audience(claims, self._audience)
            lifetime = parse_lifetime(claims, skew_seconds=self._skew, tolerance_seconds=self._tolerance)
            try:
                check_subject(claims)
            except TokenError:
                check_lifetime(lifetime, now)  # which comes first, and is otherwise for each request to check
                raise
        except TokenError as error:
            add_log_context(error, claims, key)
            raise
        if known_header is None:
            self._headers.put(encoded_header, header)
        return self._remember(digest, VerifiedToken(claims, lifetime, key, keys))

    def _remember(self, digest: bytes, verified: VerifiedToken) -> VerifiedToken:
        self._verified.put(digest, verified)
        return verified

    def _read_header(self, encoded: str) -> JwsHeader:
        header = parse_header(encoded, self._algorithms)
        check_type(header.parameters)
        return header

    def _newer_keys(self, refusal: TokenError, header: JwsHeader, keys: KeySet, now: Instant) -> Flow[KeySet]:
        """Return a newer key set where it may hold the key that signed the token, or raise the refusal.

        Without a ``kid`` a new key cannot be told from a forgery, so a signature that fits no key is
        treated like an unknown ``kid`` there.
        """
        unknown = refusal.reason is Reason.UNKNOWN_KEY
        if unknown or (refusal.reason is Reason.BAD_SIGNATURE and header.key_id is None):
            newer = yield from self._keys.newer(keys, now)
            if newer is not keys:
                return newer
        raise refusal
