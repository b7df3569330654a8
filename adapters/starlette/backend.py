"""The backend for Starlette's ``AuthenticationMiddleware``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

try:
    from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
except ImportError as error:
    raise ImportError(
        "monocloud_mw.adapters.starlette needs Starlette: pip install 'monocloud-mw[starlette]'"
    ) from error

from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from monocloud_mw.client import AsyncBackendClient
from monocloud_mw.core.token.requirements import NO_REQUIREMENTS
from monocloud_mw.errors import ConfigurationError
from monocloud_mw.protect.adapter_checks import (
    CLAIMS_KEY,
    AsyncAuthenticator,
    check_booleans,
    check_resolvers,
    collect_problems,
    select_client,
)
from monocloud_mw.protect.guard import Guard, Refused, run_check_async
from monocloud_mw.protect.resolvers import Resolver

from ..asgi import is_preflight, list_authorization
from ..client_lifespan import running_client
from .refusals import TokenRefused
from .requires import GUARD_KEY, PREFLIGHT_KEY
from .user import AccessTokenUser

__all__ = ["MonoCloudBackend"]


class MonoCloudBackend(AuthenticationBackend):
    """A backend for Starlette's ``AuthenticationMiddleware``; pass ``on_error`` of this package to that too.

    Args:
        client: an :class:`~monocloud_mw.AsyncBackendClient`; default: its ``shared()`` one.
        optional: let requests without a token pass as anonymous; otherwise every request needs one.
        allow_cors_preflight: let CORS preflights pass as anonymous, also to views with ``requires``. Not
            needed with ``CORSMiddleware`` outside, which answers them.
        token_resolver: called with the connection, sync or async; returns the access token, instead of the
            ``Authorization`` header.
        certificate_resolver: called with the connection, sync or async; returns the caller's certificate
            (:mod:`monocloud_mw.protect.resolvers`).

    Attributes:
        client: the client.
        optional: whether requests without a token pass.

    Raises:
        ConfigurationError: with every problem found.
    """

    def __init__(
        self,
        client: AsyncAuthenticator | None = None,
        *,
        optional: bool = True,
        allow_cors_preflight: bool = False,
        token_resolver: Resolver | None = None,
        certificate_resolver: Resolver | None = None,
    ) -> None:
        self.client: AsyncAuthenticator
        self.client, *_ = collect_problems(
            lambda: select_client(client, AsyncBackendClient),
            lambda: check_booleans(optional=optional, allow_cors_preflight=allow_cors_preflight),
            lambda: check_resolvers(token_resolver, certificate_resolver, "connection", may_be_async=True),
        )
        shared = self.client if client is None else None
        self._shared = shared if isinstance(shared, AsyncBackendClient) else None
        self.optional = optional
        self._allow_cors_preflight = allow_cors_preflight
        self._guard = Guard(
            self.client, token_resolver=token_resolver, certificate_resolver=certificate_resolver
        )

    async def aclose(self) -> None:
        """Close the shared client at the end of the lifespan; a client that was passed in stays open."""
        if self._shared is not None:
            await self._shared.aclose()

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:  # noqa: ARG002
        """Start and stop with an application: ``Starlette(lifespan=backend.lifespan)``, or inside your own.

        Prefetches the tenant's metadata and keys, and closes the client at the end, unless you passed the
        client. If the tenant cannot be reached, the application still starts: the failure is logged, and
        requests get 503 until the tenant is reachable.
        """
        async with running_client(self.client, owned=self._shared is not None):
            yield

    async def authenticate(
        self, conn: HTTPConnection | None = None
    ) -> tuple[AuthCredentials, BaseUser] | None:
        """Return the scopes and the user of a request, or ``None`` for an anonymous one.

        Raises:
            TokenRefused: the token is refused or cannot be checked.
            ConfigurationError: it is called on the class: ``backend=MonoCloudBackend`` lacks ``()``.
        """
        if conn is None:  # the first argument is the connection
            raise ConfigurationError("backend is a class, not an instance: write backend=MonoCloudBackend()")
        scope = conn.scope
        scope.pop(CLAIMS_KEY, None)
        scope[GUARD_KEY] = self._guard
        scope[PREFLIGHT_KEY] = self._allow_cors_preflight and is_preflight(scope)
        if scope[PREFLIGHT_KEY]:
            return None
        check = self._guard.check(
            conn,
            list_authorization(scope),
            NO_REQUIREMENTS,
            method=scope.get("method", "GET"),  # a WebSocket handshake is a GET
            url=scope["path"],
            optional=self.optional,
        )
        try:
            claims = await run_check_async(check)
        except Refused as refused:
            raise TokenRefused(refused.error, refused.response) from refused.error
        if claims is None:
            return None
        scope[CLAIMS_KEY] = claims
        return AuthCredentials(sorted(claims.scopes)), AccessTokenUser(claims, self._guard)
