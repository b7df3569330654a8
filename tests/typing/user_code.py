"""The types that users see, written as users would write them; nothing here runs.

``make types`` checks this file beside the sources, and ``make test-wheel`` against the installed wheel: with
mypy ``--strict``, and with pyright. A ``type: ignore`` marks a mistake that has to be found;
mypy reports one that suppresses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_type

from flask import Blueprint, Flask

from monocloud_mw import (
    AccessTokenClaims,
    AsyncBackendClient,
    AsyncClaimsCache,
    AsyncTransport,
    BackendClient,
    ClaimsCache,
    ConfigurationError,
    KeySet,
    MemoryCache,
    Metadata,
    Options,
    Problem,
    Reason,
    Rule,
    Settings,
    TokenError,
    Transport,
    __version__,
)
from monocloud_mw.adapters import asgi, wsgi
from monocloud_mw.adapters.flask import current_claims, protect_api
from monocloud_mw.jose import VerifiedJws, verify_compact
from monocloud_mw.stores.redis import AsyncRedisCache, RedisCache
from monocloud_mw.testing import LocalTenant
from monocloud_mw.transports.httpcore2 import Httpcore2Transport
from monocloud_mw.transports.requests import RequestsTransport


def use_a_client() -> None:
    """Everything that validates gives claims."""
    with BackendClient(tenant_domain="acme.us.monocloud.com", audience=["a", "b"]) as client:
        assert_type(client, BackendClient)
        assert_type(client.options, Options)
        assert_type(client.validate_access_token("a.b.c"), AccessTokenClaims)
        assert_type(client.validate_access_token("t", scopes="a b", groups=["x"]), AccessTokenClaims)
        assert_type(client.validate_jwt_access_token("t", client_certificate=b""), AccessTokenClaims)
        assert_type(client.introspect_access_token("t", scopes={"a"}), AccessTokenClaims)
        assert_type(client.get_metadata().issuer, str)
        assert_type(client.get_jwks(force_refresh=True), KeySet)
    client.validate_access_token("t", scopes=1)  # type: ignore[arg-type]
    client.validate_access_token("t", ["a"])  # type: ignore[call-arg]
    client.validate_access_token(b"t")  # type: ignore[arg-type]


def choose_options(jwk: dict[str, Any]) -> None:
    """What is given has the types that are accepted, what is kept one type for each option."""
    options = Options.from_environment({}, audience="a", clock_skew=1)
    assert_type(options, Options)
    assert_type(options.audience, tuple[str, ...])
    assert_type(options.ca_bundle, str | None)
    assert_type(options.mtls_certificate, tuple[str, str] | None)
    assert_type(options.algorithms, tuple[str, ...])
    Options(tenant_domain="t", audience="a", client_id="c", client_secret=jwk, algorithms=["ES256"])
    settings: Settings = {"tenant_domain": "t", "audience": {"a", "b"}, "response_timeout": 3}
    Options(**settings)
    BackendClient(**settings)


async def use_an_async_client() -> None:
    """The asynchronous equivalent."""
    async with AsyncBackendClient(Options(tenant_domain="t", audience=("a",), cache=MemoryCache())) as client:
        assert_type(client, AsyncBackendClient)
        assert_type(await client.validate_access_token("a.b.c"), AccessTokenClaims)
        assert_type(await client.validate_jwt_access_token("t", groups=("x",)), AccessTokenClaims)
        assert_type(await client.introspect_access_token("t"), AccessTokenClaims)
        assert_type((await client.get_metadata()).jwks_uri, str)
        assert_type(await client.get_jwks(), KeySet)
    client.close()  # type: ignore[attr-defined]


def plug_in(redis: RedisCache, async_redis: AsyncRedisCache) -> None:
    """The classes of the package implement its protocols."""
    transport: Transport = RequestsTransport()
    async_transport: AsyncTransport = Httpcore2Transport()
    caches: list[ClaimsCache] = [MemoryCache(), redis]
    async_cache: AsyncClaimsCache = async_redis
    BackendClient(fetcher=transport, cache=caches[0])
    AsyncBackendClient(fetcher=async_transport, cache=async_cache)
    assert_type(BackendClient.shared(), BackendClient)
    assert_type(AsyncBackendClient.shared(), AsyncBackendClient)
    assert_type(BackendClient().forget("t"), None)
    assert_type(BackendClient().get_metadata(), Metadata)
    version: str = __version__
    print(version)


def read_claims(claims: AccessTokenClaims) -> None:
    """The registered claims have types of their own; any other claim may have any type."""
    assert_type(claims.issuer, str | None)
    assert_type(claims.subject, str | None)
    assert_type(claims.audience, tuple[str, ...])
    assert_type(claims.client_id, str | None)
    assert_type(claims.scopes, frozenset[str])
    assert_type(claims.groups, tuple[str, ...])
    assert_type(claims.expires_at, float | None)
    assert_type(claims.not_before, float | None)
    assert_type(claims.issued_at, float | None)
    assert_type(claims.token_id, str | None)
    assert_type(claims["tenant"], Any)
    assert_type(claims.group_set, frozenset[str])
    claims.subject.encode()  # type: ignore[union-attr]
    (claims.subject or "a client").encode()
    claims.subject = "root"  # type: ignore[misc]


def handle_errors(error: TokenError, wrong: ConfigurationError) -> None:
    """The attributes of errors are typed."""
    assert_type(error.reason, Reason)
    assert_type(error.code, str)
    assert_type(error.description, str)
    assert_type(wrong.problems, tuple[Problem, ...])


def protect_flask(app: Flask, blueprint: Blueprint) -> None:
    """The decorator keeps the type of what it decorates."""
    protect = protect_api()
    protect.init_app(app)

    @protect
    def bare(name: str) -> dict[str, str]:
        return {"name": name}

    @protect(scopes=["orders:read"], groups="sales")
    async def with_requirements() -> str:
        return current_claims.subject or "a client"

    @protect
    def own_claims() -> AccessTokenClaims:
        return current_claims

    assert_type(bare("x"), dict[str, str])
    named: Callable[[str], dict[str, str]] = bare
    assert_type(protect(app), Flask)
    assert_type(protect(blueprint), Blueprint)
    assert_type(current_claims.scopes, frozenset[str])
    protect(scopes=1)  # type: ignore[call-overload]
    bare(named)  # type: ignore[arg-type]


def protect_wsgi_and_asgi(wsgi_app: Any, asgi_app: Any) -> None:
    """The WSGI middleware takes a synchronous client, the ASGI middleware an asynchronous one."""
    rules = [Rule("/healthz", public=True), Rule("/orders", methods=["POST"], scopes="orders:write")]
    wsgi.ProtectApiMiddleware(wsgi_app, BackendClient(), rules=rules)
    asgi.ProtectApiMiddleware(asgi_app, AsyncBackendClient(), rules=rules, groups=["staff"])
    wsgi.ProtectApiMiddleware(wsgi_app, AsyncBackendClient())  # type: ignore[arg-type]
    asgi.ProtectApiMiddleware(asgi_app, BackendClient())  # type: ignore[arg-type]
    Rule("/orders", method="POST")  # type: ignore[call-arg]


def verify_and_test() -> None:
    """Signatures alone, and the local tenant."""
    assert_type(verify_compact("a.b.c", KeySet.from_dict({"keys": []})), VerifiedJws)
    with LocalTenant() as tenant:
        assert_type(tenant, LocalTenant)
        assert_type(tenant.mint(scopes=["a"], lifetime_seconds=60), str)
        tenant.mint(lifetime="60")  # type: ignore[call-arg]
