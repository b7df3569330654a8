"""Fixtures: tenants for one test each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from monocloud_mw.testing import LocalTenant


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a JWT, unverified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


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
