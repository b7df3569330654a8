"""JWT access tokens: from an untrusted string to claims whose origin is proven (RFC 9068 section 4).

Checks run cheap before expensive: size, form and header before any key is looked for, so that garbage
never causes a request to the tenant; the signature before any claim is believed.

What cannot change about a token is remembered: that this key signed these claims, that they are from our
issuer and for our audience, and when they are valid. Everything that can change is checked again on each
request: whether the key is still in the key set, and all of :func:`~.verified.check_request`.
The memory is keyed by a digest of the token together with our issuer and audiences, and only tokens of our
tenant for our API get in, so that nobody can fill it with others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import attrs

from ...claims import AccessTokenClaims
from ...errors import HttpError, Reason, TokenError, quoted
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
from .verified import VerifiedToken, verify_claims

__all__ = ["JwtAccessTokenVerifier", "check_payload", "check_type"]

MAX_HEADERS: Final = 64  # of one issuer: one per key and algorithm

ACCESS_TOKEN_TYPES: Final = frozenset({"at+jwt", "application/at+jwt", "jwt"})
"""What ``typ`` may be, in lower case (RFC 9068 section 2.1): no ID, logout or DPoP proof token."""


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
        self._options = options
        self._tenant = tenant
        self._keys = tenant.keys
        self._verified: TwoGenerationCache[bytes, VerifiedToken] = TwoGenerationCache(options.jwt_cache_size)
        # Of good tokens: issuers sign millions with one header. Nobody else can fill this memory.
        self._headers: TwoGenerationCache[str, JwsHeader] = TwoGenerationCache(MAX_HEADERS)
        self._to_claims = partial(
            AccessTokenClaims, groups_claim=options.groups_claim, scopes_claim=options.scopes_claim
        )
        self.cache_key = token_cache_key("jwt", options)
        self.cached: Callable[[bytes], VerifiedToken | None] = self._verified.get

    def forget(self, token: str) -> None:
        """Remove a token from the verified ones."""
        self._verified.discard(self.cache_key(token))

    def recheck_key(self, cache_key: bytes, now: Instant) -> Flow[VerifiedToken | None]:
        """Return a token that was verified before, where its key is in the current key set as well.

        Raises:
            AuthorizationServerError: there is no key set.
        """
        known = self.cached(cache_key)
        if known is None:
            return None
        keys = yield from self._keys.current(now)
        if known.key in keys:
            return self._remember(cache_key, attrs.evolve(known, keys=keys))
        self._verified.discard(cache_key)
        return None

    def verify(self, parts: CompactParts, cache_key: bytes, now: Instant) -> Flow[VerifiedToken]:
        """Return what the token says, once it is known to be the tenant's and for this API.

        Raises:
            TokenError: [malformed, unsupported_algorithm, wrong_type, unknown_key, bad_signature,
                wrong_issuer, wrong_audience, or invalid_claim for a date that cannot be read]
            AuthorizationServerError: there are no keys to check it with.
        """
        encoded_header, encoded_payload, encoded_signature, signing_input = parts
        payload, signature = base64url.decode(encoded_payload), base64url.decode(encoded_signature)
        known_header = self._headers.get(encoded_header)
        header = known_header or self._read_header(encoded_header)
        check_payload(payload)
        message = signing_input.encode()
        keys = yield from self._keys.current(now)
        key: Jwk | None = None
        while key is None:
            try:
                key = verify(header, signature, message, keys)
            except TokenError as error:
                keys = yield from self._newer_keys(error, header, keys, now)
        claims = self._to_claims(parse_json_object(payload))
        issuer = yield from self._tenant.jwt_issuer(now)
        verified = verify_claims(claims, issuer, self._options, key=key, keys=keys)
        if known_header is None:
            self._headers.put(encoded_header, header)
        return self._remember(cache_key, verified)

    def _remember(self, cache_key: bytes, verified: VerifiedToken) -> VerifiedToken:
        self._verified.put(cache_key, verified)
        return verified

    def _read_header(self, encoded: str) -> JwsHeader:
        header = parse_header(encoded, self._options.algorithms)
        check_type(header.parameters)
        return header

    def _newer_keys(self, refusal: TokenError, header: JwsHeader, keys: KeySet, now: Instant) -> Flow[KeySet]:
        """Return a newer key set where it may hold the key that signed the token, or raise the refusal.

        Keys may be replaced under one ``kid``, so a bad signature is worth a look too. Without a ``kid``,
        a signature that fits no key is treated like an unknown ``kid``.

        Raises:
            TokenError: the refusal; the current key set has no such key.
            HttpError: the key is unknown, and whether it is new cannot be told at the moment.
        """
        try:
            newer = yield from self._keys.newer(keys, now)
        except HttpError:
            if refusal.reason is Reason.BAD_SIGNATURE and header.key_id is not None:
                raise refusal from None
            raise
        if newer is keys:
            raise refusal
        return newer
