"""Middleware outside the ASGI middleware, and the number of clients that a framework creates."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from fastapi import APIRouter, FastAPI
from litestar import Litestar, asgi, get
from litestar.middleware import DefineMiddleware
from quart import Quart
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from monocloud_mw import AsyncBackendClient, ConfigurationError, Rule
from monocloud_mw.adapters.asgi import ProtectApiMiddleware
from monocloud_mw.testing import LocalTenant, as_caller

from ..adapters.exchange import AsgiApp, Message, websocket_scope
from .in_process import call_framework

ROUTES: Final = 20


@pytest.fixture
def from_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalTenant]:
    """Configure the environment for a new tenant."""
    with LocalTenant(algorithms=["ES256"]) as tenant:
        for name, value in tenant.environment(tenant.client).items():
            monkeypatch.setenv(name, value)
        yield tenant


class Metrics:
    """Outer middleware that reads what the application has written into the scope."""

    def __init__(self, app: AsgiApp, read: Callable[[Message], Any]) -> None:
        self.app, self.read, self.seen = app, read, list[Any]()

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        scope["state"] = {"request_id": "r-1"}
        await self.app(scope, receive, send)
        self.seen.append((self.read(scope), scope["state"]["request_id"], scope.get("monocloud.claims")))


def _create_fastapi() -> AsgiApp:
    app, router = FastAPI(), APIRouter(prefix="/orders")
    router.get("/{number}")(lambda number: number)
    app.include_router(router)
    return app


def _create_starlette() -> AsgiApp:
    async def order(_request: object) -> PlainTextResponse:
        return PlainTextResponse("served")

    return Starlette(routes=[Mount("/orders", routes=[Route("/{number}", order)])])


FRAMEWORKS: Final[dict[str, tuple[Callable[[], AsgiApp], Callable[[Message], Any], Any]]] = {
    "fastapi": (_create_fastapi, lambda scope: scope["route"].path_format, "/orders/{number}"),
    "starlette": (_create_starlette, lambda scope: scope["path_params"], {"number": "7"}),
    "starlette endpoint": (_create_starlette, lambda scope: scope["endpoint"].__name__, "order"),
}


@pytest.mark.parametrize(("create", "read", "expected"), FRAMEWORKS.values(), ids=FRAMEWORKS)
def test_middleware_in_front_sees_what_the_framework_writes(
    create: Callable[[], AsgiApp], read: Callable[[Message], Any], expected: Any, tenant: LocalTenant
) -> None:
    """After the request, the original scope has the route and the claims."""
    client = AsyncBackendClient(**tenant.settings(tenant.client))
    metrics = Metrics(ProtectApiMiddleware(create(), client), read)
    with as_caller("alice") as claims:
        assert call_framework(metrics)("GET", "/orders/7", ()).status == 200
    assert metrics.seen == [(expected, "r-1", claims)]


def test_claims_that_came_in_are_removed_from_the_scope_that_came(tenant: LocalTenant) -> None:
    """A refused or public request leaves no claims in the scope."""
    client = AsyncBackendClient(**tenant.settings(tenant.client))
    metrics = Metrics(ProtectApiMiddleware(_create_fastapi(), client), lambda scope: scope["type"])
    call = call_framework(metrics, **{"monocloud.claims": {"sub": "mallory"}})
    assert call("GET", "/orders/7", ()).status == 401
    assert metrics.seen == [("http", "r-1", None)]


def _protect_each(number: int, middleware: Any) -> Any:
    @get(f"/{number}", middleware=middleware)
    async def answer() -> str:
        return "served"

    return answer


@pytest.mark.parametrize("where", ["application", "handlers"])
def test_a_middleware_for_each_route_makes_one_client(where: str, from_environment: LocalTenant) -> None:
    """Twenty routes with one middleware each fetch the tenant's metadata and keys once."""
    made: list[ProtectApiMiddleware] = []

    def create(app: Any, **settings: Any) -> Any:
        made.append(ProtectApiMiddleware(app, **settings))
        return made[-1]

    middleware = [DefineMiddleware(create)]
    handlers = [_protect_each(number, middleware * (where == "handlers")) for number in range(ROUTES)]
    app: Any = Litestar(handlers, middleware=middleware * (where == "application"), logging_config=None)
    assert len(made) >= ROUTES
    assert len({id(protected.client) for protected in made}) == 1
    tenant = from_environment
    bearer = [("Authorization", f"Bearer {tenant.mint()}")]
    call = call_framework(app)
    for number in range(ROUTES):
        assert call("GET", f"/{number}", ()).status == 401
        assert call("GET", f"/{number}", bearer).status == 200
    assert [tenant.requests.count(endpoint) for endpoint in ("discovery", "jwks")] == [1, 1]


@asgi(["/mount", "/files"], is_mount=True, copy_scope=True)
async def _mounted(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("in")(scope, receive, send)


@pytest.mark.parametrize("root_path", ["", "/root"])
def test_rules_apply_to_the_whole_path_of_a_mount_of_litestar(
    from_environment: LocalTenant, root_path: str
) -> None:
    """Litestar cuts the path of a mount before it calls middleware; a public path is public in both forms."""
    rules = [
        Rule("/healthz", public=True),
        Rule("/shared/<name>", public=True),
        Rule("/api/files/shared/<name>", public=True),
        Rule("/api/mount/admin", groups=["admin"]),
    ]
    middleware = [DefineMiddleware(ProtectApiMiddleware, rules=rules)]
    app: Any = Litestar([_mounted], path="/api", middleware=middleware, logging_config=None)
    call = call_framework(app, root_path=root_path)
    bearer = [("Authorization", f"Bearer {from_environment.mint()}")]
    expected = {
        "/api/mount/healthz": [401, 200],
        "/api/mount/shared/a": [401, 200],
        "/api/mount/x": [401, 200],
        "/api/mount/admin": [401, 403],
        "/api/mount/%61dmin/": [401, 403],
        "/api/files/shared/a%20b": [200, 200],
        "/api/files/%2e/other": [401, 200],
    }
    found = {
        path: [call("GET", root_path + path, headers).status for headers in ((), bearer)] for path in expected
    }
    assert found == expected
    assert call("GET", "/x/root/api/mount/admin", bearer).status == (403 if root_path else 404)


def _add(app: Any) -> Any:
    app.add_middleware(ProtectApiMiddleware, scopes=1)
    return app


CREATED_LATER: Final[dict[str, Callable[[], Any]]] = {
    "fastapi": lambda: _add(FastAPI()),
    "starlette": lambda: _add(Starlette()),
}
CREATED_AT_ONCE: Final[dict[str, Callable[[], Any]]] = {
    "litestar": lambda: Litestar(
        [], middleware=[DefineMiddleware(ProtectApiMiddleware, scopes=1)], logging_config=None
    ),
    "quart": lambda: ProtectApiMiddleware(Quart(__name__).asgi_app, scopes=1),  # type: ignore[arg-type]
    "wrapper": lambda: ProtectApiMiddleware(FastAPI(), scopes=1),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("kind", CREATED_LATER)
def test_a_wrong_configuration_fails_the_start_of_the_server(
    kind: str, from_environment: LocalTenant
) -> None:
    """If the framework creates the middleware at start-up, the lifespan fails with the message."""
    app = CREATED_LATER[kind]()
    sent: list[Message] = []

    async def start() -> None:
        async def receive() -> Message:
            return {"type": "lifespan.startup"}

        async def send(message: Message) -> None:
            sent.append(message)

        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    with pytest.raises(ConfigurationError, match="scopes: must be"):
        asyncio.run(start())
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "scopes: must be" in sent[0]["message"]


@pytest.mark.parametrize("kind", CREATED_LATER)
@pytest.mark.parametrize("scope", ["http", "websocket"])
def test_without_lifespan_a_wrong_configuration_serves_nothing(
    kind: str, scope: str, from_environment: LocalTenant
) -> None:
    """A server without lifespan gets the error for every connection."""
    app = CREATED_LATER[kind]()

    async def never(*_: Any) -> Any:
        raise AssertionError("nothing is received or sent")

    with pytest.raises(ConfigurationError, match="scopes: must be"):
        asyncio.run(app(websocket_scope("/") if scope == "websocket" else _http(), never, _ignore))


def _http() -> Message:
    return {**websocket_scope("/"), "type": "http", "method": "GET", "scheme": "http"}


async def _ignore(_message: Message) -> None:
    pass


@pytest.mark.parametrize("kind", CREATED_AT_ONCE)
def test_a_wrong_configuration_is_raised_where_the_middleware_is_made(
    kind: str, from_environment: LocalTenant
) -> None:
    """If the middleware is created at import, its error ends the import."""
    with pytest.raises(ConfigurationError, match="scopes: must be"):
        CREATED_AT_ONCE[kind]()
