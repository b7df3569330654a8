"""The tenant's metadata and keys, and the requests that load them."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from monocloud_mw.core.tenant.tenant import Tenant
from monocloud_mw.errors import HttpError
from monocloud_mw.options import Options

from ..fake_driver import FakeDriver, json_response
from ..keys import FIRST, jwks_of

TENANT: Final = "https://acme.us.monocloud.com"
DISCOVERY: Final = f"{TENANT}/.well-known/openid-configuration"
JWKS_URI: Final = f"{TENANT}/jwks"
METADATA: Final = {"issuer": f"{TENANT}/", "jwks_uri": JWKS_URI}


def tenant_of(**settings: Any) -> Tenant:
    """Return a tenant about which nothing is known yet."""
    return Tenant(Options(**{"tenant_domain": TENANT, "audience": "api", **settings}))


def driver_of() -> FakeDriver:
    """Return a driver with the tenant."""
    return FakeDriver(
        {DISCOVERY: json_response(json.dumps(METADATA)), JWKS_URI: json_response(json.dumps(jwks_of(FIRST)))}
    )


@pytest.mark.parametrize(
    ("settings", "issuer", "urls"),
    [
        ({}, f"{TENANT}/", [DISCOVERY]),
        ({"jwks_resolver": lambda: jwks_of(FIRST)}, TENANT, []),
        ({"metadata_resolver": lambda: METADATA}, f"{TENANT}/", []),
        (
            {"jwks_resolver": lambda: jwks_of(FIRST), "metadata_resolver": lambda: METADATA},
            f"{TENANT}/",
            [],
        ),
    ],
    ids=["discovery", "keys resolved", "metadata resolved", "both resolved"],
)
def test_where_the_issuer_of_jwts_comes_from(settings: Any, issuer: str, urls: list[str]) -> None:
    """From the metadata, or from the tenant domain if only the keys come from a resolver."""
    driver = driver_of()
    assert driver.run(tenant_of(**settings).jwt_issuer(driver.now)) == issuer
    assert driver.urls == urls


@pytest.mark.parametrize(
    ("settings", "issuer"),
    [({}, f"{TENANT}/"), ({"jwks_resolver": lambda: jwks_of(FIRST)}, TENANT)],
    ids=["discovery", "keys resolved"],
)
def test_the_issuer_of_jwts_is_the_same_whatever_was_loaded(settings: Any, issuer: str) -> None:
    """If keys come from a resolver, metadata loaded for another reason do not change the issuer."""
    driver, tenant = driver_of(), tenant_of(**settings)
    driver.run(tenant.metadata.current(driver.now))
    assert driver.run(tenant.jwt_issuer(driver.now)) == issuer


@pytest.mark.parametrize(
    ("settings", "urls"),
    [
        ({}, [DISCOVERY, JWKS_URI]),
        ({"metadata_resolver": lambda: METADATA}, [JWKS_URI]),
        ({"jwks_resolver": lambda: jwks_of(FIRST)}, []),
        ({"jwks_resolver": lambda: jwks_of(FIRST), "metadata_resolver": lambda: METADATA}, []),
    ],
    ids=["nothing resolved", "metadata resolved", "keys resolved", "both resolved"],
)
def test_prefetching_loads_what_jwts_need(settings: Any, urls: list[str]) -> None:
    """After prefetch no request has to wait."""
    driver, tenant = driver_of(), tenant_of(**settings)
    driver.run(tenant.prefetch(driver.now))
    driver.run(tenant.prefetch(driver.now))
    assert driver.urls == urls
    keys = tenant.keys.fresh(driver.now)
    assert keys is not None
    assert [key.key_id for key in keys] == ["first"]
    driver.effects.clear()
    driver.run(tenant.jwt_issuer(driver.now))
    assert driver.effects == []


def test_prefetching_from_a_tenant_that_is_down() -> None:
    """A failed prefetch raises the tenant's error."""
    driver = FakeDriver()
    with pytest.raises(HttpError, match="nothing answers there"):
        driver.run(tenant_of().prefetch(driver.now))
