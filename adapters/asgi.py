"""Protects ASGI 3.0 applications: ``http`` and ``websocket``. ``lifespan`` events pass through unchanged.

::

    app.add_middleware(ProtectApiMiddleware, rules=[Rule("/healthz", public=True)])

The claims of the validated token are in ``scope["monocloud.claims"]``; the key is absent without a token.
The scope is modified in place, as Starlette's authentication does, so that outer middleware sees changes.

- A WebSocket is refused before it is accepted: with the full response if the server supports the extension
  ``websocket.http.response``, otherwise by closing it with 1008 (the client sees 403).
- Any other scope type raises ``ConfigurationError``, because it cannot be checked.
- Configuration errors are raised by the constructor. Starlette's ``add_middleware`` calls it after the server
  has started; there, the error fails the ``lifespan`` startup.
- A command that serves the application by its name (``fastapi run``) needs the middleware inside the
  application, as above. A separate wrapper protects only servers that are started with the wrapper.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any, Final, TypeAlias

from monocloud_mw.client import AsyncBackendClient
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError, MonoCloudError
from monocloud_mw.lifecycle.event_loops import running_loop
from monocloud_mw.protect.adapter_checks import (
    CLAIMS_KEY,
    AsyncAuthenticator,
    check_application,
    check_booleans,
    check_callable,
    check_resolvers,
    collect_problems,
    require_application,
    select_client,
)
from monocloud_mw.protect.cors import is_cors_preflight
from monocloud_mw.protect.guard import Guard, Refused, run_check_async
from monocloud_mw.protect.paths import cut_at_prefix, list_known_prefixes, read_uncut, strip_prefix
from monocloud_mw.protect.policy import Policy
from monocloud_mw.protect.resolvers import Resolver
from monocloud_mw.protect.responses import ErrorResponse
from monocloud_mw.protect.rules import Rule
from monocloud_mw.quoting import quoted

__all__ = ["ProtectApiMiddleware", "is_preflight", "list_authorization", "render_asgi"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer: TypeAlias = App | ErrorResponse | None
OnError: TypeAlias = Callable[[MonoCloudError, ErrorResponse, Scope], Answer | Awaitable[Answer]]

PROTECTED: Final = frozenset({"http", "websocket"})
POLICY_VIOLATION: Final = 1008  # RFC 6455 section 7.4.1


class ProtectApiMiddleware:
    """Lets requests with a valid access token through, and those to public paths.

    Args:
        app: the application to protect; kept as ``.app``.
        client: an :class:`~monocloud_mw.AsyncBackendClient`; default: its ``shared()`` one.
        scopes: required of every request that is not public.
        groups: the caller must be in at least one, for every request that is not public.
        any_scopes: the token must have at least one, for every request that is not public.
        rules: requirements of paths (:mod:`monocloud_mw.protect.rules`).
        prefixes: prefixes that the application itself strips from paths, such as ``"/api"``; the
            ``root_path`` of a FastAPI application is detected.
        optional: let requests without a token pass, without claims, if no rule applies; a token that is sent
            is still checked.
        allow_cors_preflight: let CORS preflights pass to the application, which answers them.
        token_resolver: called with ``scope``, sync or async; returns the access token, instead of the
            ``Authorization`` header.
        certificate_resolver: called with ``scope``, sync or async; returns the caller's certificate
            (:mod:`monocloud_mw.protect.resolvers`).
        on_error: called with the error, the default response and ``scope``, sync or async; returns the
            response to send, as an :class:`~monocloud_mw.ErrorResponse` or an ASGI application, or ``None``
            for the default. Its exceptions reach the server; the request is refused in any case.

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
        any_scopes: str | Iterable[str] = (),
        rules: Sequence[Rule] = (),
        prefixes: str | Iterable[str] = (),
        optional: bool = False,
        allow_cors_preflight: bool = False,
        token_resolver: Resolver | None = None,
        certificate_resolver: Resolver | None = None,
        on_error: OnError | None = None,
    ) -> None:
        self.app = app
        self._optional = optional
        self._allow_cors_preflight = allow_cors_preflight
        self._wrong: ConfigurationError | None = None
        self._policy: Policy
        self.client: AsyncAuthenticator
        try:
            self._policy, self.client, *_ = collect_problems(
                lambda: Policy(
                    rules,
                    scopes=scopes,
                    groups=groups,
                    any_scopes=any_scopes,
                    prefixes=prefixes,
                    known_prefixes=list_known_prefixes(app),
                ),
                lambda: select_client(client, AsyncBackendClient),
                lambda: check_application(app, "an ASGI application", 3),
                lambda: check_booleans(optional=optional, allow_cors_preflight=allow_cors_preflight),
                lambda: check_resolvers(token_resolver, certificate_resolver, "scope", may_be_async=True),
                lambda: check_callable("on_error", on_error, "error", "response", "scope", may_be_async=True),
            )
        except ConfigurationError as error:
            if running_loop() is None:
                raise  # on an event loop, servers take an error raised here for missing lifespan support
            self._wrong = error
            return
        self._guard = Guard(
            self.client,
            token_resolver=token_resolver,
            certificate_resolver=certificate_resolver,
            on_error=on_error,
        )

    # Frameworks type scopes and messages in their own ways, which no other type than Any agrees with.
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        kind = scope["type"]
        if self._wrong is not None:
            if kind == "lifespan":
                await receive()
                await send({"type": "lifespan.startup.failed", "message": str(self._wrong)})
            raise self._wrong
        if kind in PROTECTED:
            scope.pop(CLAIMS_KEY, None)
            requirements = self._policy.fixed_requirements or self._requirements_for(scope)
            if requirements is not None and not (self._allow_cors_preflight and is_preflight(scope)):
                check = self._guard.check(
                    scope,
                    list_authorization(scope),
                    requirements,
                    method=scope.get("method", "GET"),  # a WebSocket handshake is a GET
                    url=scope["path"],
                    optional=self._optional and requirements is self._policy.defaults,
                )
                try:
                    claims = await run_check_async(check)
                except Refused as refused:
                    answer = require_application(refused.answer, "an ASGI application", 3)
                    await (answer or render_asgi(refused.response))(scope, receive, send)
                    return
                if claims is not None:
                    scope[CLAIMS_KEY] = claims
        elif kind != "lifespan":
            raise ConfigurationError(f"cannot protect connections of type {quoted(kind)}")
        await self.app(scope, receive, send)

    def _requirements_for(self, scope: Scope) -> Requirements | None:
        path, prefix = scope["path"], scope.get("root_path", "")
        raw_path = (scope.get("raw_path") or b"").decode("latin-1")
        cut_paths: tuple[str, ...] = ()
        if getattr(scope.get("route_handler"), "is_mount", False):  # Litestar has cut off the mount's path
            cut_paths = (path,)
            path = read_uncut(raw_path)
        return self._policy.requirements_for(
            scope["method"] if scope["type"] == "http" else "GET",  # a WebSocket handshake is a GET
            strip_prefix(path, prefix),
            prefix=prefix,
            raw_path=strip_prefix(raw_path, prefix),
            cut_paths=(*cut_paths, cut_at_prefix(path, prefix)),
        )


def list_authorization(scope: Scope) -> list[str]:
    """Return the ``Authorization`` headers of a connection."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"authorization"]


def render_asgi(response: ErrorResponse) -> App:
    """Return an error response as an ASGI application."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        kind = "http.response" if is_http else "websocket.http.response"
        if not is_http and kind not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        headers = [(name.lower().encode(), value.encode()) for name, value in response.headers]
        headers.append((b"content-length", str(len(response.body)).encode()))
        body = b"" if is_http and scope["method"].upper() == "HEAD" else response.body
        await send({"type": f"{kind}.start", "status": response.status, "headers": headers})
        await send({"type": f"{kind}.body", "body": body})

    return app


def is_preflight(scope: Scope) -> bool:
    """Return whether a connection is a CORS preflight."""
    if scope["type"] != "http":
        return False
    headers = {name.lower(): value for name, value in scope["headers"]}
    return is_cors_preflight(
        scope["method"], headers.get(b"origin"), headers.get(b"access-control-request-method")
    )
