"""Verify JWT access tokens (RFC 9068 section 4).

Cheap checks run before expensive ones: size, form and header before the key is looked up, so that an invalid
token never causes a request to the tenant; the signature before any claim is used.

Results that cannot change for a token are cached: the key that signed it, its claims, that issuer and
audience are correct, and its lifetime. Everything that can change is checked on each request: whether the key
is still in the key set, and all of :func:`~.verified.check_request`. The cache key is a digest of the token,
tenant, client and audiences. Only valid tokens for this API are cached, so that callers cannot fill the cache
with made-up ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from ...claims import frozen_claims
from ...errors import HttpError, Reason, TokenError
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
from ...quoting import quoted, quoted_list
from ..effects import Flow, Instant
from ..tenant.tenant import Tenant
from ..two_generation_cache import TwoGenerationCache
from .cache_key import token_cache_key
from .verified import VerifiedToken, verify_claims

__all__ = ["JwtAccessTokenVerifier", "check_payload", "check_type"]

MAX_HEADERS: Final = 64  # of one issuer: one per key and algorithm

ACCESS_TOKEN_TYPES: Final = frozenset({"at+jwt", "application/at+jwt", "jwt"})
"""The accepted values of ``typ``, in lower case (RFC 9068 section 2.1)."""


def check_type(header: Any) -> None:
    """Refuse a JWT with the ``typ`` of another kind of token (RFC 8725 section 3.11) [wrong_type]."""
    found = header.get("typ")
    if "typ" in header and not (isinstance(found, str) and found.lower() in ACCESS_TOKEN_TYPES):
        raise TokenError(
            Reason.WRONG_TYPE,
            f"typ is {quoted(found)}",
            expected=f"typ {quoted_list(sorted(ACCESS_TOKEN_TYPES))} or none",
            found=f"typ {quoted(found)}",
        )


def check_payload(payload: bytes) -> None:
    """Refuse a payload that cannot be a JSON object (RFC 7519 section 7.2) [malformed].

    Only the two outer brackets are checked before the signature: parsing an unverified payload could cost
    many times as much as validating a valid token.
    """
    text = payload.strip(b" \t\r\n")
    if not (text.startswith(b"{") and text.endswith(b"}")):
        raise TokenError(Reason.MALFORMED, "its payload is not a JSON object")


def add_named_issuer(error: TokenError, payload: bytes, tenant_domain: str) -> None:
    """Add the unverified issuer of a token to the error for an unknown key; it is used for nothing else.

    Such a token is most often from another tenant. A large payload is not parsed, because it is not verified.
    """
    error.expected = f"a key of {quoted(tenant_domain)}"
    if len(payload) > MAX_UNPROVEN_BYTES:
        return
    try:
        named = parse_json_object(payload, max_values=MAX_UNPROVEN_VALUES).get("iss")
    except TokenError:
        return
    if isinstance(named, str):
        error.found = f"a token that names the issuer {quoted(named)} (not verified)"
        if named.removesuffix("/") != tenant_domain:
            error.hint = "the token is from another tenant, or tenant_domain names the wrong one"
        else:
            error.hint = "the tenant has replaced its key: request a new token; or the token is forged"


MAX_UNPROVEN_BYTES: Final = 4 * 1024
MAX_UNPROVEN_VALUES: Final = 128


class JwtAccessTokenVerifier:
    """Verifies that JWTs were issued by the tenant for this API."""

    def __init__(self, options: Options, tenant: Tenant) -> None:
        self._options = options
        self._tenant = tenant
        self._keys = tenant.keys
        self._verified: TwoGenerationCache[bytes, VerifiedToken] = TwoGenerationCache(options.jwt_cache_size)
        # Headers of valid tokens only, so that callers cannot fill the cache. Issuers use few different ones.
        self._headers: TwoGenerationCache[str, JwsHeader] = TwoGenerationCache(MAX_HEADERS)
        self.cache_key = token_cache_key("jwt", options)
        self.cached: Callable[[bytes], VerifiedToken | None] = self._verified.get

    def forget(self, token: str) -> None:
        """Remove a token from the verified ones."""
        self._verified.discard(self.cache_key(token))

    def recheck_key(self, known: VerifiedToken, cache_key: bytes, now: Instant) -> Flow[VerifiedToken | None]:
        """Return a cached token if its key is in the current key set, and ``None`` otherwise.

        Raises:
            AuthorizationServerError: the key set cannot be loaded.
        """
        keys = yield from self._keys.current(now)
        if known.key in keys:
            rechecked = attrs.evolve(known, keys=keys)
            self._verified.put(cache_key, rechecked)
            return rechecked
        self._verified.discard(cache_key)
        return None

    def verify(self, parts: CompactParts, cache_key: bytes, now: Instant) -> Flow[VerifiedToken]:
        """Verify a token's signature, issuer, audience and dates.

        Raises:
            TokenError: [malformed, unsupported_algorithm, wrong_type, unknown_key, bad_signature,
                wrong_issuer, wrong_audience, or invalid_claim for an invalid date]
            AuthorizationServerError: the keys or the issuer cannot be loaded.
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
                try:
                    keys = yield from self._newer_keys(error, header, keys, now)
                except TokenError:
                    if error.reason is Reason.UNKNOWN_KEY:
                        add_named_issuer(error, payload, self._options.tenant_domain)
                    raise
        options = self._options
        claims = frozen_claims(parse_json_object(payload), options.groups_claim, options.scopes_claim)
        issuer = yield from self._tenant.jwt_issuer(now)
        verified = verify_claims(claims, issuer, options, key=key, keys=keys)
        if known_header is None:
            self._headers.put(encoded_header, header)
        self._verified.put(cache_key, verified)
        return verified

    def _read_header(self, encoded: str) -> JwsHeader:
        header = parse_header(encoded, self._options.algorithms)
        check_type(header.parameters)
        return header

    def _newer_keys(self, refusal: TokenError, header: JwsHeader, keys: KeySet, now: Instant) -> Flow[KeySet]:
        """Return a newer key set that may contain the token's key, or raise ``refusal``.

        A key may be replaced by another one with the same ``kid``, so a bad signature also causes a look-up.
        Without a ``kid``, a signature that matches no key is treated like an unknown ``kid``.

        Raises:
            TokenError: ``refusal``; there is no newer key set.
            HttpError: the key is unknown, and whether there is a newer key set is unknown at the moment.
        """
        try:
            newer = yield from self._keys.newer_than(keys, now)
        except HttpError:
            if refusal.reason is Reason.BAD_SIGNATURE and header.key_id is not None:
                raise refusal from None
            raise
        if newer is keys:
            raise refusal
        return newer
