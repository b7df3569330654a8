"""Fixtures: a tenant for each test, and both kinds of clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monocloud_mw.testing import LocalTenant


@pytest.fixture
def tenant() -> Iterator[LocalTenant]:
    """Return a tenant for one test."""
    with LocalTenant(algorithms=["ES256"]) as tenant:
        yield tenant


@pytest.fixture(params=["threads", "event loop", "event loop, HTTP in threads"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return the kind of client that a program uses."""
    kind: str = request.param
    return kind
