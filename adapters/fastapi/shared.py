"""State shared by a ``ProtectApi`` and those derived from it: the guard, and startup with an application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any, Final
from weakref import WeakKeyDictionary

from fastapi.applications import FastAPI  # OpenTelemetry replaces fastapi.FastAPI with a subclass

from monocloud_mw.errors import ConfigurationError, MonoCloudError
from monocloud_mw.protect.adapter_checks import AsyncAuthenticator
from monocloud_mw.protect.guard import Guard, find_caller
from monocloud_mw.protect.responses import RETRY_AFTER_SECONDS

from ..client_lifespan import level_of, running_client
from .checks import find_problems
from .openapi_scheme import Scheme
from .served_routes import routers_of

__all__ = ["Shared"]

_LOGGER: Final = logging.getLogger("monocloud_mw")


class Shared:
    """The shared state.

    Args:
        client: validates tokens.
        guard: checks requests with it.
        scheme: the security scheme in the OpenAPI document.
        owns_client: close the client when the application stops.
        allow_cors_preflight: let CORS preflights pass.
        public_mounts: mounts and plain routes that are public.
    """

    def __init__(
        self,
        client: AsyncAuthenticator,
        guard: Guard,
        scheme: Scheme,
        *,
        owns_client: bool,
        allow_cors_preflight: bool,
        public_mounts: frozenset[str],
    ) -> None:
        self.client = client
        self.guard = guard
        self.scheme = scheme
        self.allow_cors_preflight = allow_cors_preflight
        self._owns_client = owns_client
        self._public_mounts = public_mounts
        self._checked: WeakKeyDictionary[FastAPI, int] = WeakKeyDictionary()  # the number of routes then

    def check_once(self, app: Any) -> None:
        """Check the routes of an application, unless they were checked and none was added since.

        Raises:
            ConfigurationError: lists every invalid declaration.
        """
        if isinstance(app, FastAPI) and self._checked.get(app) != _count_routes(app):
            self.check_routes(app)

    def check_routes(self, app: FastAPI) -> None:
        """Check the declarations on the routes of an application.

        Raises:
            ConfigurationError: lists every invalid declaration.
        """
        problems = find_problems(app, self._public_mounts)
        if problems:
            raise ConfigurationError(problems)
        self._checked[app] = _count_routes(app)

    @contextlib.asynccontextmanager
    async def running(self, app: FastAPI) -> AsyncIterator[None]:
        """Run with an application; see :meth:`.ProtectApi.lifespan`."""
        self.check_routes(app)
        async with running_client(self.client, owned=self._owns_client):
            retry: asyncio.Task[None] | None = None
            is_needed = self.scheme.needs_metadata and find_caller() is None
            if is_needed and hasattr(self.client, "get_metadata"):
                try:
                    await self._load_scheme(app)
                except MonoCloudError as error:
                    message = "The OpenAPI document lacks the authorization code flow: %s"
                    _LOGGER.log(level_of(error), message, error)
                    retry = asyncio.create_task(self._keep_loading_scheme(app))
            try:
                yield
            finally:
                if retry is not None:
                    retry.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await retry

    async def _load_scheme(self, app: FastAPI) -> None:
        client: Any = self.client
        self.scheme.read_metadata(await client.get_metadata())
        app.openapi_schema = None  # regenerate it with the URLs

    async def _keep_loading_scheme(self, app: FastAPI) -> None:
        while self.scheme.needs_metadata:
            try:
                await self._load_scheme(app)
            except MonoCloudError as error:
                await asyncio.sleep(getattr(error, "retry_after", None) or RETRY_AFTER_SECONDS)


def _count_routes(app: FastAPI) -> int:
    return sum(len(router.routes) for router in routers_of(app.router))
