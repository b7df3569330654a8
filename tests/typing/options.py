"""The options as users write them: every line that ends in ``# mistake`` has to be found, and no other.

Nothing here runs; :mod:`.test_options` has mypy ``--strict`` and pyright look at it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monocloud_mw import AsyncBackendClient, BackendClient, HttpRequest, HttpResponse, Options, Settings
from monocloud_mw.adapters.django import DjangoSettings
from monocloud_mw.jose import SigningKey
from monocloud_mw.stores import MemoryCache
from monocloud_mw.stores.redis import AsyncRedisCache, RedisCache
from monocloud_mw.transports.httpcore2 import Httpcore2Transport
from monocloud_mw.transports.requests import RequestsTransport


def fetch(request: HttpRequest) -> HttpResponse:
    """Perform an exchange."""
    return HttpResponse(status=len(request.url))


async def fetch_async(request: HttpRequest) -> HttpResponse:
    """The asynchronous equivalent."""
    return fetch(request)


def document() -> dict[str, Any]:
    """Return a document."""
    return {}


async def document_async() -> Mapping[str, Any]:
    """The asynchronous equivalent."""
    return {}


async def svid() -> str:
    """Return an identity."""
    return ""


def now() -> int:
    """Return a time in whole seconds."""
    return 0


def names() -> Iterator[str]:
    """Generate audiences."""
    yield "a"


def every_spelling_that_is_documented(redis: RedisCache, async_redis: AsyncRedisCache) -> None:
    """As arguments of both clients, of Options, and of Options that the environment completes."""
    BackendClient()
    AsyncBackendClient(tenant_domain="t", audience="a")
    BackendClient(Options(tenant_domain="t", audience="a"))
    Options(audience=["a", "b"], algorithms=["ES256", "RS256"])
    Options(audience={"a", "b"}, algorithms="ES256")
    Options(audience=("a", "b"), algorithms=("ES256",))
    Options(audience=names())
    Options(client_id="c", client_secret="s", client_auth_method="client_secret_basic")
    Options(client_secret={"kty": "oct"}, client_auth_method="client_secret_jwt")
    Options(client_secret=SigningKey.generate("ES256"), client_auth_method="private_key_jwt")
    Options(client_secret=lambda: "svid", client_auth_method="spiffe_jwt")
    Options(client_secret=svid, client_assertion_audience="a", trust_store_id="t")
    Options(mtls_certificate=("cert.pem", "key.pem"), client_auth_method="tls_client_auth")
    Options(mtls_certificate=(Path("cert.pem"), "key.pem"), ca_bundle=Path("ca.pem"))
    Options(mtls_certificate=["cert.pem", "key.pem"], ca_bundle="ca.pem")
    Options(mtls_certificate=[Path("cert.pem"), Path("key.pem")])
    Options(groups_claim="roles", groups_match_all=True, introspect_jwt_tokens=False)
    Options(clock_skew=1, clock_tolerance=0.5, validate_certificate_binding="required")
    Options(jwks_cache_duration=60, metadata_cache_duration=60.0, introspection_cache_duration=0)
    Options(max_stale=0, refresh_cooldown=1, response_timeout=2.5, jwt_cache_size=0)
    Options(cache=MemoryCache(), fetcher=fetch, metadata_resolver=document, jwks_resolver=document, clock=now)
    Options(cache=redis, fetcher=RequestsTransport())
    AsyncBackendClient(cache=async_redis, fetcher=fetch_async, clock=lambda: 0.0)
    AsyncBackendClient(metadata_resolver=document_async, jwks_resolver=document_async)
    AsyncBackendClient(fetcher=Httpcore2Transport())
    AsyncBackendClient(cache=MemoryCache(), fetcher=fetch)
    Options.from_environment({}, tenant_domain=None, audience=None, clock_skew=None, cache=None)


def mistakes(settings: Settings) -> None:
    """A name that is not an option, or a value that it does not take."""
    BackendClient(tenant_domian="t")  # mistake
    AsyncBackendClient(tenant_domian="t")  # mistake
    Options(tenant_domian="t")  # mistake
    Options.from_environment({}, tenant_domian="t")  # mistake
    BackendClient(clock_skew="a lot")  # mistake
    AsyncBackendClient(clock_skew="a lot")  # mistake
    Options(clock_skew="a lot")  # mistake
    Options.from_environment({}, clock_skew="a lot")  # mistake
    BackendClient({"audience": "a"})  # mistake
    Options("t", "a")  # mistake
    Options(tenant_domain=b"t")  # mistake
    Options(audience=1)  # mistake
    Options(audience=[1])  # mistake
    Options(algorithms=b"ES256")  # mistake
    Options(client_auth_method="private_key_jtw")  # mistake
    Options(validate_certificate_binding="requierd")  # mistake
    Options(validate_certificate_binding=True)  # mistake
    Options(client_secret=b"s")  # mistake
    Options(client_secret=lambda: 1)  # mistake
    Options(mtls_certificate="cert.pem")  # mistake
    Options(mtls_certificate=("cert.pem", "key.pem", "ca.pem"))  # mistake
    Options(ca_bundle=True)  # mistake
    Options(groups_match_all="yes")  # mistake
    Options(response_timeout="10")  # mistake
    Options(jwt_cache_size=1.5)  # mistake
    Options(cache={})  # mistake
    Options(cache="redis://localhost")  # mistake
    Options(fetcher=document)  # mistake
    Options(fetcher=svid)  # mistake
    Options(jwks_resolver=fetch)  # mistake
    Options(metadata_resolver=document())  # mistake
    Options(clock=0.0)  # mistake
    settings["tenant_domian"] = "t"  # mistake


BACKEND: DjangoSettings = {
    "tenant_domain": "t",
    "audience": ["a", "b"],
    "clock_skew": 1,
    "scopes": "read write",
    "groups": ["a"],
    "deny_by_default": False,
    "public_views": ["health.views.ping"],
    "public_apps": {"admin"},
    "token_resolver": "shop.tokens.from_cookie",
    "certificate_resolver": lambda request: None,
    "on_error": lambda error, response, request: response,
}


def mistakes_in_django(settings: DjangoSettings) -> None:
    """In ``MONOCLOUD_BACKEND`` of Django, which also has the settings of the adapter."""
    settings["tenant_domian"] = "t"  # mistake
    settings["deny_by_defualt"] = True  # mistake
    settings["deny_by_default"] = "no"  # mistake
    settings["clock_skew"] = "a lot"  # mistake
    settings["public_apps"] = 5  # mistake
    settings["token_resolver"] = 5  # mistake
    settings["on_error"] = lambda error: None  # mistake
