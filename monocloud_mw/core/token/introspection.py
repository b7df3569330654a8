"""Asking the tenant about an access token (RFC 7662), and remembering what it said.

``active`` must be the JSON value ``true``; anything else is an inactive token or no answer at all, never
claims. Concurrent questions about one token are one request. An answer goes into the claims cache as soon
as it arrives, under a digest of the token with our issuer, audiences and client; every check of the claims
runs again on each hit.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from ...claims import AccessTokenClaims
from ...errors import (
    AuthorizationServerError,
    ConfigurationError,
    HttpError,
    Problem,
    Reason,
    TokenError,
    quoted,
)
from ...frozen import FrozenDict
from ...http import HttpRequest
from ...options import VARIABLE_PREFIX, Options
from ...options.client_authentication import CLIENT_AUTH_METHODS
from ..effects import CacheDelete, CacheGet, CacheSet, Failure, Flow, Instant, read_clock, run_once
from ..tenant.circuit_breaker import CircuitBreaker
from ..tenant.client_authentication import authenticate_client
from ..tenant.first_load import outage_once_loaded
from ..tenant.http_json import MAX_BODY_BYTES, exchange
from ..tenant.metadata import Metadata
from ..tenant.tenant import Tenant
from .cache_key import token_cache_key
from .introspected_type import check_introspected_type
from .introspection_response import parse_introspection

__all__ = ["Introspection", "introspection_endpoint", "parse_introspection"]

ENDPOINT: Final = "introspection_endpoint"

MAX_INACTIVE_SECONDS: Final = 15.0
"""How long an inactive answer is remembered at most: a caller can make up any number of tokens, and what a
cache holds of those is bounded by what comes in this time."""


class Introspection:
    """Asks one tenant on behalf of one client."""

    def __init__(self, options: Options, tenant: Tenant) -> None:
        self._options = options
        self._exchange = outage_once_loaded(self._answer)
        self._metadata = tenant.metadata
        self._circuit = CircuitBreaker(options.refresh_cooldown)
        self._cached = options.cache is not None and options.introspection_cache_duration > 0
        self._to_claims = partial(
            AccessTokenClaims, groups_claim=options.groups_claim, scopes_claim=options.scopes_claim
        )
        self._digest = token_cache_key("introspection", options)
        self._forgotten = 0  # how many tokens: what was asked before must not be remembered after

    def claims(self, token: str) -> Flow[AccessTokenClaims]:
        """Return what the tenant says of an active access token; its claims are not checked here.

        Raises:
            TokenError: it is not active [inactive], or not an access token [wrong_type].
            ConfigurationError: the tenant has no endpoint for our way to authenticate.
            OAuthResponseError: the tenant refused our client.
            HttpError: the tenant cannot be reached, or what it said makes no sense.
        """
        key = self._digest(token).hex()
        answer: Any = yield from self._recall(key)
        if answer is None:
            run = ("introspection", key, self._forgotten)  # after forget(), the tenant is asked afresh
            answer = yield from run_once(run, lambda start: self._ask(token, key, start))
            if isinstance(answer, Failure):
                raise answer.copy()
        if answer.get("active") is not True:
            raise TokenError(Reason.INACTIVE)
        check_introspected_type(answer)
        return self._to_claims(answer)

    def forget(self, token: str) -> Flow[None]:
        """Remove what the claims cache holds of a token; an answer that is on its way is not kept either.

        Raises:
            MonoCloudError: the cache failed, and may still hold it.
        """
        self._forgotten += 1
        if self._options.cache is not None:
            yield from self._delete(self._digest(token).hex())

    def _delete(self, key: str) -> Flow[None]:
        answer = yield CacheDelete(key)
        if isinstance(answer, Failure):
            raise answer.copy()

    def _recall(self, key: str) -> Flow[Mapping[str, Any] | None]:
        """Return what the cache has, if it is an introspection response; anything else is a miss."""
        entry: Any = (yield CacheGet(key)) if self._cached else None
        return entry if isinstance(entry, Mapping) and isinstance(entry.get("active"), bool) else None

    def _ask(self, token: str, key: str, now: Instant) -> Flow[Mapping[str, Any]]:
        # Once more: the answer may have come to another request after this one looked for it.
        answer = yield from self._recall(key)
        if answer is not None:
            return answer
        forgotten = self._forgotten
        self._circuit.check(key, now)
        metadata = yield from self._metadata.current(now)
        request = yield from self._request(token, metadata, now)
        try:
            answer = yield from self._exchange(request, now)
        except AuthorizationServerError as error:
            if not isinstance(error, HttpError) or not error.temporary:
                self._circuit.record_success(key, now, active=None)  # it answers, and refuses our client
            elif not error.local:
                self._circuit.record_failure(key, error, (yield from read_clock()))
            raise
        self._circuit.record_success(key, now, active=answer["active"])
        if self._cached and forgotten == self._forgotten:
            yield CacheSet(key, answer, self._forget_at(answer, now))
            if forgotten != self._forgotten:  # meanwhile
                yield from self._delete(key)
        return answer

    def _answer(self, request: HttpRequest, now: Instant) -> Flow[FrozenDict]:
        response = yield from exchange(request)
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
        """Return when the cache must forget an answer, in Unix seconds: never after the token expires."""
        duration = self._options.introspection_cache_duration
        if answer["active"] is False:
            return now.unix + min(duration, MAX_INACTIVE_SECONDS)
        forget_at = now.unix + duration
        expires_at = answer.get("exp")
        if isinstance(expires_at, (int, float)) and not isinstance(expires_at, bool):
            return min(forget_at, expires_at)
        return forget_at


def introspection_endpoint(metadata: Metadata, options: Options) -> str:
    """Return the endpoint that serves our way to authenticate.

    A method with a certificate has an endpoint of its own (RFC 8705 section 5). There is no fallback to
    the common one: it would not ask for the certificate, and refuse us for a reason nobody could guess.

    Raises:
        ConfigurationError: the tenant names none.
        HttpError: it names one that is not safe to speak to.
    """
    place, aliases = "the discovery document", metadata.document
    if CLIENT_AUTH_METHODS[options.client_auth_method].mutual_tls:
        place, aliases = "mtls_endpoint_aliases", _object(metadata.document, "mtls_endpoint_aliases")
        if options.trust_store_id is not None:
            place = f"mtls_additional_endpoint_aliases[{quoted(options.trust_store_id)}]"
            stores = _object(metadata.document, "mtls_additional_endpoint_aliases")
            aliases = _object(stores, options.trust_store_id)
    if aliases.get(ENDPOINT) is None:
        message = f"the tenant names no {ENDPOINT} in {place} for client {quoted(options.client_id)}"
        variable = f"{VARIABLE_PREFIX}CLIENT_AUTH_METHOD"
        raise ConfigurationError(
            [Problem("client_auth_method", variable, f"{options.client_auth_method}: {message}")]
        )
    return metadata.endpoint(ENDPOINT, aliases)


def _object(parent: Mapping[str, Any], name: str) -> FrozenDict:
    member = parent.get(name)
    return member if isinstance(member, FrozenDict) else FrozenDict()
