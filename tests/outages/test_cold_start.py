"""The tenant fails when the API starts: 503 with ``Retry-After``, then recovery without a restart.

A response that cannot be the tenant's counts as a configuration error: 500.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monocloud_mw import AsyncBackendClient, BackendClient
from monocloud_mw.testing import LocalTenant, faults

from ..adapters.exchange import Call, call_asgi, call_wsgi
from ..adapters.sample_api import create_asgi_app, create_flask_app, create_wsgi_app
from .harness import COOLDOWN, SETTINGS, Clock, CountingTransport
from .test_outages import OUTAGES, Outage

pytestmark = pytest.mark.slow

WORTHLESS_KEYS: dict[str, Outage] = {
    name: lambda tenant, fault=fault: tenant.failing(fault, endpoint="jwks")  # type: ignore[misc]
    for name, fault in {
        "keys: empty": faults.empty_key_set(),
        "keys: hang": faults.hang(),
        "keys: html": faults.html(),
        "keys: half": faults.half_body(),
    }.items()
}
SOME = ("down", "hang", "trickle", "reset", "status 500", "status 429", "half body", "oversized")
AT_START = {name: OUTAGES[name] for name in SOME} | WORTHLESS_KEYS

MISTAKES = ("status 404", "redirect", "html", "garbage", "wrong document", "array")


@pytest.fixture
def transport() -> Iterator[CountingTransport]:
    """Return the transport to the tenant."""
    transport = CountingTransport()
    yield transport
    transport.close()


@pytest.fixture
def settings(tenant: LocalTenant, transport: CountingTransport) -> dict[str, Any]:
    """Return the options of an API that has just started."""
    return SETTINGS | tenant.settings(tenant.client) | {"fetcher": transport}


@pytest.fixture
def client(settings: dict[str, Any], clock: Clock) -> Iterator[BackendClient]:
    """Return a synchronous client with empty caches."""
    with BackendClient(**settings) as client:
        client._driver.now = clock
        yield client


@pytest.fixture
def async_client(settings: dict[str, Any], clock: Clock) -> Iterator[AsyncBackendClient]:
    """Return an asynchronous client with empty caches."""
    client = AsyncBackendClient(**settings)
    client._driver.now = clock
    yield client
    asyncio.run(client.aclose())


@pytest.fixture
def flask(client: BackendClient) -> Call:
    """Call the sample API on Flask."""
    return call_wsgi(create_flask_app(client))


@pytest.fixture
def wsgi(client: BackendClient) -> Call:
    """Call the sample API on WSGI."""
    return call_wsgi(create_wsgi_app(client))


@pytest.fixture
def asgi(async_client: AsyncBackendClient) -> Call:
    """Call the sample API on ASGI."""
    return call_asgi(create_asgi_app(async_client))


@pytest.fixture(params=["flask", "wsgi", "asgi"])
def get(request: pytest.FixtureRequest) -> Callable[..., tuple[int, dict[str, str], Any]]:
    """Return a function that calls the sample API on each adapter, with or without a token."""
    call: Call = request.getfixturevalue(request.param)

    def get(path: str, token: str | None = None) -> tuple[int, dict[str, str], Any]:
        answer = call("GET", path, [] if token is None else [("Authorization", f"Bearer {token}")])
        return answer.status, answer.headers, answer.json

    return get


@pytest.mark.parametrize("outage", AT_START.values(), ids=AT_START)
def test_the_api_starts_without_its_tenant(
    get: Any, outage: Outage, transport: CountingTransport, clock: Clock, tenant: LocalTenant
) -> None:
    """Requests that need the tenant get 503, others work; a cool-down after the outage all work."""
    good, opaque = tenant.mint(scopes="api"), tenant.mint_opaque(scopes="api")
    only_keys = outage in WORTHLESS_KEYS.values()
    with transport.short_timeout(path="/jwks" if only_keys else ""), outage(tenant):
        status, headers, body = get("/me", good)
        assert status == 503
        assert int(headers["retry-after"]) > 0
        assert headers["cache-control"] == "no-store"
        assert "www-authenticate" not in headers
        assert body["error"] == "temporarily_unavailable"

        transport.count()
        assert get("/me", good)[0] == get("/me", tenant.mint(lifetime_seconds=-300))[0] == 503
        assert transport.count() == 0  # no second request within the cool-down
        assert get("/healthz")[0] == 200
        assert get("/me")[0] == get("/me", "not.a.token")[0] == 401
        assert get("/me", opaque)[0] == (200 if only_keys else 503)

    assert get("/me", good)[0] == 503
    clock.advance(COOLDOWN)
    assert get("/me", good)[0] == 200
    assert get("/me", opaque)[0] == 200
    assert get("/me", tenant.mint(scopes="api", lifetime_seconds=-300))[0] == 401


@pytest.mark.parametrize("name", MISTAKES)
def test_an_invalid_tenant_is_a_configuration_error(
    get: Any,
    name: str,
    transport: CountingTransport,
    clock: Clock,
    tenant: LocalTenant,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The response is a 500 with an ERROR that names the option; if the tenant is repaired, it recovers."""
    good = tenant.mint(scopes="api")
    with OUTAGES[name](tenant):
        for token in (good, tenant.mint_opaque(scopes="api")):
            caplog.clear()
            status, headers, body = get("/me", token)
            assert (status, body["error"]) == (500, "server_error")
            assert headers["cache-control"] == "no-store"
            assert {"retry-after", "www-authenticate"}.isdisjoint(headers)
            (record,) = (record for record in caplog.records if record.name == "monocloud_mw")
            assert record.levelno == logging.ERROR
            assert "; check tenant_domain (MONOCLOUD_BACKEND_TENANT_DOMAIN)" in record.getMessage()
        transport.count()
        assert get("/me", good)[0] == 500
        assert transport.count() == 0  # no second request within the cool-down
    clock.advance(COOLDOWN)
    assert get("/me", good)[0] == 200
