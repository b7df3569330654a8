"""Starts and stops a client with an ASGI application (``lifespan``)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

from monocloud_mw.errors import HttpError, MonoCloudError

__all__ = ["level_of", "running_client"]

_LOGGER: Final = logging.getLogger("monocloud_mw")


@contextlib.asynccontextmanager
async def running_client(client: Any, *, owned: bool) -> AsyncIterator[None]:
    """Prefetch the tenant's metadata and keys, and close the client at the end.

    A tenant that cannot be reached does not stop the start: the failure is logged.

    Args:
        client: an asynchronous client, or an object with only ``authenticate``.
        owned: close the client at the end.
    """
    try:
        if hasattr(client, "prefetch"):
            await client.prefetch()
    except MonoCloudError as error:
        _LOGGER.log(level_of(error), "The application starts without the tenant's keys: %s", error)
    try:
        yield
    finally:
        if owned and hasattr(client, "aclose"):
            await client.aclose()


def level_of(error: MonoCloudError) -> int:
    """Return the level at which to log a failure at start: ``WARNING`` for an outage, else ``ERROR``."""
    is_outage = isinstance(error, HttpError) and error.temporary
    return logging.WARNING if is_outage else logging.ERROR
