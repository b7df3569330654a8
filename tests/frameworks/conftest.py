"""Fixtures for tests with real frameworks: one tenant and a client that trusts it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from monocloud_mw.testing import LocalTenant

from .django_configuration import configure_django

Bearer: TypeAlias = Callable[..., dict[str, str]]

configure_django()  # before the modules are imported: REST framework and Ninja read the settings then


@pytest.fixture(scope="session")
def bearer(tenant: LocalTenant) -> Bearer:
    """Return a function that mints a token and returns the Authorization header."""

    def headers(**parameters: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {tenant.mint(**parameters)}"}

    return headers
