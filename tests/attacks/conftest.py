"""The API that all attacks of a module are aimed at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .api import Api
from .attack import options


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """Return an API that knows the tenant's documents and asks nobody."""
    api = Api(options())
    yield api
    api.close()
