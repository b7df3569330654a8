"""Fixtures: tenants for one test each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monocloud_mw.testing import LocalTenant


@pytest.fixture
def tenant() -> Iterator[LocalTenant]:
    """Return a tenant for one test; with elliptic curves it starts at once."""
    with LocalTenant(algorithms=["ES256"]) as tenant:
        yield tenant


@pytest.fixture(scope="module")
def tls_tenant() -> Iterator[LocalTenant]:
    """Return a tenant under TLS with an additional trust store."""
    with LocalTenant(tls=True, algorithms=["ES256"], trust_stores=["partners"]) as tenant:
        yield tenant
