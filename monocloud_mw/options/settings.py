"""The accepted type of each option, for type checkers and editors.

:mod:`.options` has the same names, with the conversions and the resulting types; a test compares the two.
``None`` counts as not given.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict

from ..claims_cache import AsyncClaimsCache, ClaimsCache
from ..events import Observer, ObserverFunction
from ..http import HttpRequest, HttpResponse
from ..jose import SigningKey

__all__ = [
    "CertificateBinding",
    "ClientAuthMethod",
    "ClientSecret",
    "Clock",
    "Fetcher",
    "Resolver",
    "Settings",
]

ClientAuthMethod: TypeAlias = Literal[
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "spiffe_jwt",
    "spiffe_x509",
]
CertificateBinding: TypeAlias = Literal["when_present", "required", "dangerously_ignore"]
ClientSecret: TypeAlias = str | Mapping[str, Any] | SigningKey | Callable[[], str | Awaitable[str]]
PathPair: TypeAlias = tuple[str | Path, str | Path] | list[str | Path] | list[str] | list[Path]
Fetcher: TypeAlias = Callable[[HttpRequest], HttpResponse] | Callable[[HttpRequest], Awaitable[HttpResponse]]
Resolver: TypeAlias = Callable[[], Mapping[str, Any]] | Callable[[], Awaitable[Mapping[str, Any]]]
Clock: TypeAlias = Callable[[], float]


class Settings(TypedDict, total=False):
    """The options, as keyword arguments of both clients and of :class:`Options`. Durations are in seconds."""

    tenant_domain: str | None
    """The URL of the tenant; ``https://`` may be omitted."""

    audience: str | Iterable[str] | None
    """The identifier of this API at the tenant, or several; a token must contain at least one."""

    client_id: str | None
    """The ID of the client with which this API introspects tokens; without it, only JWTs are accepted."""

    client_secret: ClientSecret | None
    """Text, a JWK, a PEM private key, a ``SigningKey``, or a callable that returns the current SVID."""

    client_auth_method: ClientAuthMethod | None
    """How this API authenticates at the introspection endpoint; default ``client_secret_post``."""

    mtls_certificate: PathPair | None
    """The paths of this API's PEM certificate and of its unencrypted key, for mutual TLS."""

    client_assertion_audience: str | None
    """The ``aud`` of client assertions; default: the issuer."""

    trust_store_id: str | None
    """The entry of the tenant's ``mtls_additional_endpoint_aliases`` to use."""

    ca_bundle: str | Path | None
    """The path of a PEM bundle to verify the tenant's certificate; default: that of ``requests``."""

    scopes_claim: str | None
    """The name or the dotted path of the claim with the scopes; default ``scope``."""

    groups_claim: str | None
    """The name or the dotted path of the claim with the groups; default ``groups``."""

    groups_match_all: bool | None
    """Whether a route with several groups requires all of them; default: one is enough."""

    clock_skew: float | None
    """Seconds that are added to the current time, up to an hour; default 0."""

    clock_tolerance: float | None
    """Tolerance for ``exp`` and ``nbf`` in seconds, up to an hour; default 60."""

    introspect_jwt_tokens: bool | None
    """Whether to introspect JWTs, too; default: they are verified with the tenant's keys."""

    validate_certificate_binding: CertificateBinding | None
    """Which tokens must be bound to the caller's certificate; default ``when_present``."""

    jwks_cache_duration: float | None
    """How many seconds a key set is current, up to a day; default 300; 0 loads it for every request."""

    metadata_cache_duration: float | None
    """How many seconds the discovery document is current, up to a day; default 300."""

    introspection_cache_duration: float | None
    """How many seconds introspection results are cached, up to a day; default 300; 0 disables caching."""

    max_stale: float | None
    """How many seconds keys and metadata are used after they expired in an outage; default 3600."""

    refresh_cooldown: float | None
    """Minimum seconds between loads after a failure or for an unknown key ID, up to an hour; default 30."""

    response_timeout: float | None
    """Timeout of a request to the tenant in seconds, at most 120; default 10. The variable: milliseconds."""

    algorithms: str | Iterable[str] | None
    """The signature algorithms to accept; default: all asymmetric ones."""

    max_token_size: int | None
    """The maximum number of characters in a token; default 16384."""

    jwt_cache_size: int | None
    """How many verified JWTs to cache in memory; default 1024; 0 disables caching."""

    cache: ClaimsCache | AsyncClaimsCache | None
    """The cache for introspection results; default: none. The async client also accepts an async cache."""

    fetcher: Fetcher | None
    """A function that replaces the HTTP transport; the async client also accepts a coroutine function."""

    metadata_resolver: Resolver | None
    """A function that returns the discovery document; the async client also accepts a coroutine function."""

    jwks_resolver: Resolver | None
    """A function that returns the key set; the async client also accepts a coroutine function."""

    clock: Clock | None
    """A function that returns the time in Unix seconds, for tests of expiry; default: ``time.time``."""

    observer: Observer | ObserverFunction | None
    """A synchronous function, or an ``Observer``, that receives events (:mod:`monocloud_mw.events`)."""
