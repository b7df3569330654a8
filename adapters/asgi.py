"""Protects any ASGI application (ASGI 3.0): ``http`` and ``websocket``; ``lifespan`` passes untouched.

::

    app = ProtectApiMiddleware(app, rules=[Rule("/healthz", public=True)])

The application finds the claims in ``scope["monocloud.claims"]``: always ours, or absent. It gets a copy of
the server's scope. A WebSocket is refused before it is accepted: with the full response where the server
has the extension ``websocket.http.response``, otherwise by closing it with 1008 (the client sees 403).
Any other kind of scope is refused with an error, since nothing here could tell what it lets through.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any, Final, TypeAlias

from monocloud_mw.client import AsyncBackendClient
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError, MonoCloudError, quoted
from monocloud_mw.protect.adapter_checks import (
    CLAIMS_KEY,
    AsyncAuthenticator,
    check_callable,
    collect_problems,
    require_claims,
    select_client,
)
from monocloud_mw.protect.credentials import Credentials, parse_authorization
from monocloud_mw.protect.paths import cut_at_prefix, strip_prefix
from monocloud_mw.protect.resolvers import Resolver, Resolvers
from monocloud_mw.protect.responses import ErrorResponse, error_response, log_refusal
from monocloud_mw.protect.rules import Policy, Rule

__all__ = ["ProtectApiMiddleware"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
OnError: TypeAlias = Callable[[MonoCloudError, Scope], App | Awaitable[App | None] | None]

PROTECTED: Final = frozenset({"http", "websocket"})
POLICY_VIOLATION: Final = 1008  # RFC 6455 section 7.4.1


class ProtectApiMiddleware:
    """Lets requests with a valid access token through, and those to public paths.

    Args:
        app: the application to protect.
        client: an :class:`~monocloud_mw.AsyncBackendClient`; without one, one is made from the environment.
        scopes: scopes that every request needs that is not public.
        groups: groups of which every such request needs one.
        rules: what paths need (:mod:`monocloud_mw.protect.rules`).
        token_resolver: ``scope`` to the access token, sync or async, instead of the ``Authorization`` header.
        certificate_resolver: ``scope`` to the caller's certificate (:mod:`monocloud_mw.protect.resolvers`).
        on_error: ``(error, scope)``, sync or async, to the ASGI application that answers a refused request,
            or to ``None`` for the default response. What it raises reaches the server; the request never
            passes.

    Raises:
        ConfigurationError: with every problem found.
    """

    def __init__(
        self,
        app: App,
        client: AsyncAuthenticator | None = None,
        *,
        scopes: str | Iterable[str] = (),
        groups: str | Iterable[str] = (),
        rules: Sequence[Rule] = (),
        token_resolver: Resolver | None = None,
        certificate_resolver: Resolver | None = None,
        on_error: OnError | None = None,
    ) -> None:
        self._app = app
        self._resolvers = Resolvers(token_resolver, certificate_resolver)
        self._has_resolvers = token_resolver is not None or certificate_resolver is not None
        self._on_error = on_error
        self._policy: Policy
        self.client: AsyncAuthenticator
        self._policy, self.client, *_ = collect_problems(
            lambda: Policy(rules, scopes=scopes, groups=groups),
            lambda: select_client(client, AsyncBackendClient),
            lambda: check_callable("token_resolver", token_resolver, may_be_async=True),
            lambda: check_callable("certificate_resolver", certificate_resolver, may_be_async=True),
            lambda: check_callable("on_error", on_error, may_be_async=True),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app, kind = self._app, scope["type"]
        if kind not in PROTECTED:
            if kind != "lifespan":
                raise ConfigurationError(f"cannot protect connections of type {quoted(kind)}")
            await app(scope, receive, send)
            return
        scope = {**scope}
        scope.pop(CLAIMS_KEY, None)
        requirements = self._policy.for_all or self._requirements_for(scope)
        if requirements is not None:
            try:
                authorization = _list_authorization(scope)
                if self._has_resolvers:
                    credentials = await self._resolvers.read_async(authorization, scope)
                else:
                    credentials = Credentials(parse_authorization(authorization))
                claims = await self.client.authenticate(credentials, requirements)
                scope[CLAIMS_KEY] = require_claims(claims)
            except MonoCloudError as error:
                log_refusal(error)
                app = await self._answer(error, scope)
        await app(scope, receive, send)

    def _requirements_for(self, scope: Scope) -> Requirements | None:
        path, prefix = scope["path"], scope.get("root_path", "")
        return self._policy.requirements_for(
            scope["method"] if scope["type"] == "http" else "GET",  # as the handshake of a WebSocket is
            strip_prefix(path, prefix),
            prefix=prefix,
            raw_path=strip_prefix((scope.get("raw_path") or b"").decode("latin-1"), prefix),
            cut_path=cut_at_prefix(path, prefix),
        )

    async def _answer(self, error: MonoCloudError, scope: Scope) -> App:
        answer = self._on_error(error, scope) if self._on_error else None
        if inspect.isawaitable(answer):
            answer = await answer
        return _Response(error_response(error)) if answer is None else answer


def _list_authorization(scope: Scope) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"authorization"]


class _Response:
    """A refusal as an ASGI application."""

    def __init__(self, refusal: ErrorResponse) -> None:
        self._refusal = refusal

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        response = "http.response" if is_http else "websocket.http.response"
        if not is_http and response not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        headers = [(name.lower().encode(), value.encode()) for name, value in self._refusal.headers]
        body = b"" if is_http and scope["method"].upper() == "HEAD" else self._refusal.body
        await send({"type": f"{response}.start", "status": self._refusal.status, "headers": headers})
        await send({"type": f"{response}.body", "body": body})
