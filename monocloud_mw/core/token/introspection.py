"""Introspect access tokens at the tenant (RFC 7662), and cache the responses.

``active`` must be the JSON value ``true``: ``false`` means an inactive token, anything else an invalid
response. Concurrent introspections of one token share one request. A response is stored in the claims cache
at once, under a digest of the token, tenant, audiences and client; the claims are checked on every cache hit.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from ...claims import AccessTokenClaims
from ...errors import AuthorizationServerError, ConfigurationError, HttpError, Problem, Reason, TokenError
from ...events import CircuitClosed, CircuitOpened, TokenIntrospected
from ...frozen import FrozenDict
from ...http import HttpRequest
from ...options import VARIABLE_PREFIX, Options
from ...options.client_authentication import CLIENT_AUTH_METHODS
from ...quoting import quoted
from ..effects import CacheDelete, CacheGet, CacheSet, Emit, Failure, Flow, Instant, read_clock, run_once
from ..tenant.circuit_breaker import CircuitBreaker
from ..tenant.client_authentication import authenticate_client
from ..tenant.first_load import outage_once_loaded
from ..tenant.http_json import MAX_BODY_BYTES, fetch_response
from ..tenant.metadata import Metadata
from ..tenant.tenant import Tenant
from .cache_key import token_cache_key
from .introspected_type import check_introspected_type
from .introspection_response import parse_introspection

__all__ = ["Introspection", "introspection_endpoint", "parse_introspection"]

ENDPOINT: Final = "introspection_endpoint"

MAX_INACTIVE_SECONDS: Final = 15.0
"""How long an inactive response is cached at most. A caller can make up any number of tokens; this limits how
many of them a cache holds."""


class Introspection:
    """Introspects tokens at one tenant, authenticated as one client."""

    def __init__(self, options: Options, tenant: Tenant) -> None:
        self._options = options
        self._exchange = outage_once_loaded(self._answer)
        self._metadata = tenant.metadata
        self._circuit = CircuitBreaker(options.refresh_cooldown)
        self._is_observed = options.observer is not None
        self._cached = options.cache is not None and options.introspection_cache_duration > 0
        self._to_claims = partial(
            AccessTokenClaims, groups_claim=options.groups_claim, scopes_claim=options.scopes_claim
        )
        self._digest = token_cache_key("introspection", options)
        self._forgotten = 0  # number of forget() calls; responses to earlier requests are not cached

    def claims(self, token: str) -> Flow[AccessTokenClaims]:
        """Return the claims of an active access token; the caller checks them.

        Raises:
            TokenError: it is not active [inactive], or not an access token [wrong_type].
            ConfigurationError: the tenant has no endpoint for the configured ``client_auth_method``.
            OAuthResponseError: the tenant rejected the client.
            HttpError: the tenant is unreachable, or returned an invalid response.
        """
        key = self._digest(token).hex()
        answer: Any = yield from self._read_cache(key)
        if answer is None:
            run = ("introspection", key, self._forgotten)  # after forget(), start a new request
            answer = yield from run_once(run, lambda start: self._introspect(token, key, start))
            if isinstance(answer, Failure):
                raise answer.copy()
        if answer.get("active") is not True:
            raise TokenError(Reason.INACTIVE)
        check_introspected_type(answer)
        return self._to_claims(answer)

    def forget(self, token: str) -> Flow[None]:
        """Remove a token from the claims cache; a response that is still under way is not cached either.

        Raises:
            MonoCloudError: the cache failed, and may still contain the token's claims.
        """
        self._forgotten += 1
        if self._options.cache is not None:
            yield from self._delete(self._digest(token).hex())

    def _delete(self, key: str) -> Flow[None]:
        answer = yield CacheDelete(key)
        if isinstance(answer, Failure):
            raise answer.copy()

    def _read_cache(self, key: str) -> Flow[Mapping[str, Any] | None]:
        """Return the cached introspection response; a value of another form counts as a miss."""
        entry: Any = (yield CacheGet(key)) if self._cached else None
        return entry if isinstance(entry, Mapping) and isinstance(entry.get("active"), bool) else None

    def _introspect(self, token: str, key: str, now: Instant) -> Flow[Mapping[str, Any]]:
        # Again: another request may have stored the response since this one read the cache.
        answer = yield from self._read_cache(key)
        if answer is not None:
            return answer
        forgotten, was_open = self._forgotten, self._circuit.is_open
        self._circuit.check(key, now)
        metadata = yield from self._metadata.current(now)
        request = yield from self._request(token, metadata, now)
        try:
            answer = yield from self._exchange(request, now)
        except AuthorizationServerError as error:
            if not isinstance(error, HttpError) or not error.temporary:
                self._circuit.record_success(key, now, active=None)  # it responds, but rejects the client
            elif not error.local:
                self._circuit.record_failure(key, error, (yield from read_clock()))
            if self._is_observed:
                yield from self._emit("failed", now, was_open, str(error))
            raise
        self._circuit.record_success(key, now, active=answer["active"])
        if self._cached and forgotten == self._forgotten:
            yield CacheSet(key, answer, self._forget_at(answer, now))
            if forgotten != self._forgotten:  # forget() was called during CacheSet
                yield from self._delete(key)
        if self._is_observed:
            yield from self._emit("active" if answer["active"] else "inactive", now, was_open)
        return answer

    def _emit(self, outcome: str, began: Instant, was_open: bool, problem: str = "") -> Flow[None]:
        """Emit that a token was introspected, and whether that opened or closed the circuit."""
        ended = yield from read_clock()
        yield Emit(TokenIntrospected(outcome=outcome, seconds=ended.monotonic - began.monotonic))
        is_open = self._circuit.is_open
        if is_open and not was_open:
            yield Emit(CircuitOpened(problem=problem))
        elif was_open and not is_open:
            yield Emit(CircuitClosed())

    def _answer(self, request: HttpRequest, now: Instant) -> Flow[FrozenDict]:
        response = yield from fetch_response(request)
        return parse_introspection(request.url, response, self._options, now.unix)

    def _request(self, token: str, metadata: Metadata, now: Instant) -> Flow[HttpRequest]:
        options = self._options
        url = introspection_endpoint(metadata, options)
        client = yield from authenticate_client(options, metadata.issuer, now)
        fields = {"token": token, "token_type_hint": "access_token", **client.fields}
        return HttpRequest(
            method="POST",
            url=url,
            headers={
                "accept": "application/json",
                "content-type": "application/x-www-form-urlencoded",
                **client.headers,
            },
            body=urlencode(fields, errors="surrogatepass").encode("ascii"),
            timeout_seconds=options.response_timeout,
            max_body_bytes=MAX_BODY_BYTES,
            mutual_tls=CLIENT_AUTH_METHODS[options.client_auth_method].mutual_tls,
        )

    def _forget_at(self, answer: Mapping[str, Any], now: Instant) -> float:
        """Return when a cached response expires, in Unix seconds: never later than the token itself."""
        duration = self._options.introspection_cache_duration
        if answer["active"] is False:
            return now.unix + min(duration, MAX_INACTIVE_SECONDS)
        forget_at = now.unix + duration
        expires_at = answer.get("exp")
        if isinstance(expires_at, (int, float)) and not isinstance(expires_at, bool):
            return min(forget_at, expires_at)
        return forget_at


def introspection_endpoint(metadata: Metadata, options: Options) -> str:
    """Return the introspection endpoint for the configured ``client_auth_method``.

    Methods with a certificate use an endpoint of their own (RFC 8705 section 5). There is no fallback to the
    other one: it would not request the certificate, and would reject the client for no apparent reason.

    Raises:
        ConfigurationError: the discovery document has no such endpoint.
        HttpError: its URL is invalid or not ``https``.
    """
    place, aliases = "the discovery document", metadata.document
    if CLIENT_AUTH_METHODS[options.client_auth_method].mutual_tls:
        place, aliases = "mtls_endpoint_aliases", _object(metadata.document, "mtls_endpoint_aliases")
        if options.trust_store_id is not None:
            place = f"mtls_additional_endpoint_aliases[{quoted(options.trust_store_id)}]"
            stores = _object(metadata.document, "mtls_additional_endpoint_aliases")
            aliases = _object(stores, options.trust_store_id)
    if aliases.get(ENDPOINT) is None:
        message = (
            f"{options.client_auth_method} needs an {ENDPOINT} in {place} of the tenant, which has none "
            f"(client {quoted(options.client_id)})"
        )
        raise ConfigurationError(
            [Problem("client_auth_method", f"{VARIABLE_PREFIX}CLIENT_AUTH_METHOD", message)]
        )
    return metadata.endpoint(ENDPOINT, aliases)


def _object(parent: Mapping[str, Any], name: str) -> FrozenDict:
    member = parent.get(name)
    return member if isinstance(member, FrozenDict) else FrozenDict()
