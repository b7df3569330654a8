"""The options by name, with the types that each accepts: what type checkers and editors know of them.

:mod:`.options` has the same names, with how each is read and the type that is kept; a test compares the two.
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
    """The URL of the tenant; ``https://`` may be left out."""

    audience: str | Iterable[str] | None
    """The identifier of this API at the tenant, or several; a token must name at least one."""

    client_id: str | None
    """The client with which this API introspects tokens; without it, only JWTs are accepted."""

    client_secret: ClientSecret | None
    """Text, a JWK, a PEM private key, a ``SigningKey``, or a callable that returns the current SVID."""

    client_auth_method: ClientAuthMethod | None
    """How this API authenticates to introspect tokens; default ``client_secret_post``."""

    mtls_certificate: PathPair | None
    """The paths of this API's own PEM certificate and of its unencrypted key, for the methods in TLS."""

    client_assertion_audience: str | None
    """``aud`` of client assertions; default: the issuer."""

    trust_store_id: str | None
    """Which entry of the tenant's ``mtls_additional_endpoint_aliases`` to use."""

    ca_bundle: str | Path | None
    """The path of a PEM bundle that verifies the tenant's server; default: what ``requests`` trusts."""

    scopes_claim: str | None
    """The claim that holds the scopes, or its path in objects; default ``scope``."""

    groups_claim: str | None
    """The claim that holds the groups, or its path in objects; default ``groups``."""

    groups_match_all: bool | None
    """Whether a route that names several groups needs all of them; default: one is enough."""

    clock_skew: float | None
    """Seconds that are added to the current time, up to an hour; default 0."""

    clock_tolerance: float | None
    """Seconds of leeway on ``exp`` and ``nbf``, up to an hour; default 60."""

    introspect_jwt_tokens: bool | None
    """Whether to introspect JWTs as well; default: they are verified with the tenant's keys."""

    validate_certificate_binding: CertificateBinding | None
    """Which tokens must be bound to the caller's certificate; default ``when_present``."""

    jwks_cache_duration: float | None
    """Seconds that a key set is current, up to a day; default 300, 0 fetches it for every request."""

    metadata_cache_duration: float | None
    """Seconds that the discovery document is current, up to a day; default 300."""

    introspection_cache_duration: float | None
    """Seconds that an introspection result stays in ``cache``, up to a day; default 300, 0 turns that off."""

    max_stale: float | None
    """Seconds that keys and metadata serve past their cache duration, up to a week; default 3600."""

    refresh_cooldown: float | None
    """Seconds between fetches that a failure or an unknown key id caused, up to an hour; default 30."""

    response_timeout: float | None
    """Seconds for a whole exchange with the tenant, at most 120; default 10. (The variable: milliseconds.)"""

    algorithms: str | Iterable[str] | None
    """The signature algorithms to accept; default: all asymmetric ones."""

    max_token_size: int | None
    """How many characters a token may have; default 16384."""

    jwt_cache_size: int | None
    """How many verified JWTs to keep in memory; default 1024, 0 turns that off."""

    cache: ClaimsCache | AsyncClaimsCache | None
    """Where introspection results are kept; default: nowhere. An asynchronous one is for the async client."""

    fetcher: Fetcher | None
    """What performs HTTP instead of the default transport; a coroutine function is for the async client."""

    metadata_resolver: Resolver | None
    """What returns the discovery document instead of fetching it; likewise."""

    jwks_resolver: Resolver | None
    """What returns the key set instead of fetching it; likewise."""

    clock: Clock | None
    """What returns the time in Unix seconds, for tests of expiry; default: the system's."""

    observer: Observer | ObserverFunction | None
    """A synchronous function, or an ``Observer``, that is told of events (:mod:`monocloud_mw.events`)."""
