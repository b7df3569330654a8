"""Event loops other than asyncio are refused at once, with an explanation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from monocloud_mw import AsyncBackendClient, ConfigurationError
from monocloud_mw.testing import LocalTenant

OPERATIONS: dict[str, Callable[[AsyncBackendClient, str], Awaitable[Any]]] = {
    "validate": lambda client, token: client.validate_access_token(token),
    "introspect": lambda client, token: client.introspect_access_token(token),
    "prefetch": lambda client, _token: client.prefetch(),
    "keys": lambda client, _token: client.get_jwks(),
    "close": lambda client, _token: client.aclose(),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_trio_is_refused_at_once(operation: Callable[..., Awaitable[Any]]) -> None:
    """No run is left behind that a later request on asyncio would wait for."""
    with LocalTenant(algorithms=["ES256"]) as tenant:
        client = AsyncBackendClient(**tenant.settings(tenant.client))
        token = tenant.mint()
        with pytest.raises(
            ConfigurationError, match=r"needs asyncio, .* or call a BackendClient in a worker"
        ):
            trio.run(operation, client, token)
        assert client._driver._runs._runs == {}
        assert tenant.requests.count("discovery") == 0

        async def on_asyncio() -> None:
            async with client:
                await client.validate_access_token(token)

        asyncio.run(on_asyncio())
