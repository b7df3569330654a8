"""Fixture: the API under attack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .api import Api
from .attack import options


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """Return an API that has the tenant's documents and needs no network."""
    api = Api(options())
    yield api
    api.close()
