"""Starlette: its own authentication middleware, with both kinds of ``requires``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
    SimpleUser,
)
from starlette.authentication import requires as starlette_requires
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from monocloud_mw import AsyncBackendClient
from monocloud_mw.adapters.starlette import (
    EXCEPTION_HANDLERS,
    AccessRefused,
    MonoCloudBackend,
    WebSocketRefused,
    on_error,
    requires,
)
from monocloud_mw.errors import ConfigurationError, CredentialsError, Reason, TokenError
from monocloud_mw.events import Event, RequestRefused
from monocloud_mw.testing import LocalTenant, as_caller

from .conftest import Bearer

PREFLIGHT = {"Origin": "https://app.test", "Access-Control-Request-Method": "GET"}


async def whoami(request: Request) -> Response:
    """Return the caller."""
    user = request.user
    return JSONResponse(
        {
            "authenticated": user.is_authenticated,
            "name": user.display_name,
            "scopes": request.auth.scopes,
            "in_scope": "monocloud.claims" in request.scope,
        }
    )


@requires()
async def anyone(request: Request) -> Response:
    """Need a token."""
    return JSONResponse(request.user.claims)


@requires("orders:read")
async def orders(request: Request) -> Response:
    """Need a scope."""
    return JSONResponse({"identity": request.user.identity})


@requires(["orders:read"])
def sync_orders(request: Request) -> Response:
    """Need a scope, in a thread."""
    return JSONResponse({"identity": request.user.identity})


@requires(any_scopes=["a", "b"], groups="admin")
async def admin(request: Request) -> Response:
    """Need one of two scopes, and a group."""
    return Response()


class Handler:
    """Objects of it are views, as ``@requires`` makes functions of them."""

    async def __call__(self, request: Request) -> Response:
        """Answer."""
        return Response()


class Endpoint(HTTPEndpoint):
    """A class-based view."""

    @requires("orders:read")
    async def get(self, request: Request) -> Response:
        """Need a scope."""
        return Response()


@starlette_requires("orders:read")
async def bare(request: Request) -> Response:
    """Need a scope, with Starlette's decorator."""
    return Response()


@starlette_requires("authenticated", status_code=404)
async def hidden(request: Request) -> Response:
    """Answer 404 to callers without the scope."""
    return Response()


async def forbidden(request: Request) -> Response:
    """Refuse with a status of its own."""
    raise HTTPException(403, "not your order")


@requires("feed")
async def feed(websocket: WebSocket) -> None:
    """Need a scope to connect."""
    await websocket.accept()
    await websocket.send_json({"hello": websocket.user.identity})
    await websocket.close()


ROUTES = [
    Route("/whoami", whoami),
    Route("/anyone", anyone),
    Route("/orders", orders),
    Route("/sync", sync_orders),
    Route("/admin", admin),
    Route("/class", Endpoint),
    Route("/object", requires("orders:read")(Handler())),
    Route("/method", requires("orders:read")(Handler().__call__)),
    Route("/partial", requires("orders:read")(partial(Handler.__call__, Handler()))),
    Route("/bare", bare),
    Route("/hidden", hidden),
    Route("/forbidden", forbidden),
    WebSocketRoute("/feed", feed),
]


def create_app(backend: MonoCloudBackend, *, with_handlers: bool = True) -> Starlette:
    """Return an application with all routes."""
    return Starlette(
        routes=ROUTES,
        middleware=[Middleware(AuthenticationMiddleware, backend=backend, on_error=on_error)],
        exception_handlers=EXCEPTION_HANDLERS if with_handlers else {},
    )


@pytest.fixture
def client(async_client: AsyncBackendClient) -> TestClient:
    """Return a client of the application."""
    return TestClient(create_app(MonoCloudBackend(async_client)))


NO_SCOPE = 'Bearer error="insufficient_scope", scope="orders:read"'
NO_SCOPES_OF_ADMIN = 'Bearer error="insufficient_scope", scope="a b"'
READER = {"scopes": "orders:read", "subject": "alice"}


@pytest.mark.parametrize(
    ("path", "token", "status", "challenge"),
    [
        ("/whoami", None, 200, None),
        ("/anyone", None, 401, "Bearer"),
        ("/anyone", {}, 200, None),
        ("/orders", None, 401, "Bearer"),
        ("/orders", {}, 403, NO_SCOPE),
        ("/orders", READER, 200, None),
        ("/sync", None, 401, "Bearer"),
        ("/sync", {}, 403, NO_SCOPE),
        ("/sync", READER, 200, None),
        ("/admin", {}, 403, NO_SCOPES_OF_ADMIN),
        ("/admin", {"scopes": "b"}, 403, NO_SCOPES_OF_ADMIN),
        ("/admin", {"scopes": "b", "groups": ["admin"]}, 200, None),
        ("/class", {}, 403, NO_SCOPE),
        ("/class", READER, 200, None),
        ("/object", {}, 403, NO_SCOPE),
        ("/object", READER, 200, None),
        ("/method", {}, 403, NO_SCOPE),
        ("/method", READER, 200, None),
        ("/partial", {}, 403, NO_SCOPE),
        ("/partial", READER, 200, None),
        ("/bare", None, 401, "Bearer"),
        ("/bare", {}, 403, 'Bearer error="insufficient_scope"'),
        ("/bare", READER, 200, None),
        ("/hidden", READER, 404, None),
        ("/forbidden", None, 403, None),
    ],
)
def test_each_view_has_its_requirements(
    path: str,
    token: dict[str, Any] | None,
    status: int,
    challenge: str | None,
    client: TestClient,
    bearer: Bearer,
) -> None:
    """Anonymous callers get 401, others 403, each with the right challenge."""
    answer = client.get(path, headers={} if token is None else bearer(**token))
    assert answer.status_code == status
    assert answer.headers.get("www-authenticate") == challenge
    if challenge is not None:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["error"] in ("unauthorized", "insufficient_scope")


def test_a_refusal_by_a_view_keeps_its_headers() -> None:
    """The handlers replace the 403 of Starlette's ``requires``, not one that a view raises with headers."""

    async def limited(request: Request) -> Response:
        raise HTTPException(403, headers={"X-Why": "not your order"})

    app = Starlette(routes=[Route("/", limited)], exception_handlers=EXCEPTION_HANDLERS)
    answer = TestClient(app).get("/")
    assert (answer.status_code, answer.headers["X-Why"]) == (403, "not your order")


def test_user_and_scopes(client: TestClient, bearer: Bearer) -> None:
    """User and scopes are those of the token, or of an anonymous caller."""
    anonymous = {"authenticated": False, "name": "", "scopes": [], "in_scope": False}
    assert client.get("/whoami").json() == anonymous
    alice = {"authenticated": True, "name": "alice", "scopes": ["a", "b"], "in_scope": True}
    token = bearer(subject="alice", scopes="b a")
    assert client.get("/whoami", headers=token).json() == alice
    named = bearer(subject="alice", claims={"name": "Alice"})
    assert client.get("/whoami", headers=named).json()["name"] == "Alice"
    machine = bearer(claims={"sub": None}, client_id="job")
    assert client.get("/whoami", headers=machine).json()["name"] == "job"


@pytest.mark.parametrize("path", ["/whoami", "/anyone", "/not-there"])
def test_a_bad_token_is_refused_everywhere(path: str, client: TestClient, bearer: Bearer) -> None:
    """An invalid token is refused even if none is needed, with the challenge."""
    expired = client.get(path, headers=bearer(lifetime_seconds=-300))
    assert expired.status_code == 401
    assert expired.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert expired.json()["error_description"] == "The access token has expired"
    assert client.get(path, headers={"Authorization": "Bearer a b"}).status_code == 400


def test_a_token_may_be_required_of_every_request(async_client: AsyncBackendClient, bearer: Bearer) -> None:
    """A backend that is not optional needs a token for every request."""
    client = TestClient(create_app(MonoCloudBackend(async_client, optional=False)))
    assert client.get("/whoami").status_code == 401
    assert client.get("/whoami").headers["www-authenticate"] == "Bearer"
    assert client.get("/whoami", headers=bearer()).status_code == 200


def test_a_route_beside_a_protected_mount_stays_open(
    async_client: AsyncBackendClient, bearer: Bearer
) -> None:
    """The backend of a mount requires a token for each of its paths, and for no others."""
    backend = MonoCloudBackend(async_client, optional=False)
    middleware = Middleware(AuthenticationMiddleware, backend=backend, on_error=on_error)

    async def healthz(_: Request) -> Response:
        return Response("ok")

    routes = [Route("/healthz", healthz), Mount("/", routes=[Route("/a", whoami)], middleware=[middleware])]
    client = TestClient(Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS))
    found = {path: client.get(path).status_code for path in ("/healthz", "/a", "/not-there")}
    assert found == {"/healthz": 200, "/a": 401, "/not-there": 401}
    assert client.get("/a", headers=bearer()).status_code == 200


@pytest.mark.parametrize("optional", [True, False])
@pytest.mark.parametrize(
    ("allowed", "method", "headers", "status"),
    [
        (True, "OPTIONS", PREFLIGHT, 200),
        (False, "OPTIONS", PREFLIGHT, 401),
        (True, "GET", PREFLIGHT, 401),
        (True, "OPTIONS", {"Origin": "https://app.test"}, 401),
        (True, "OPTIONS", {}, 401),
    ],
)
def test_preflights_may_pass(
    async_client: AsyncBackendClient,
    optional: bool,
    allowed: bool,
    method: str,
    headers: dict[str, str],
    status: int,
) -> None:
    """Exactly these, to views that need a token as well."""

    @requires()
    async def answer(request: Request) -> Response:
        return Response()

    backend = MonoCloudBackend(async_client, optional=optional, allow_cors_preflight=allowed)
    app = Starlette(
        routes=[Route("/", answer, methods=["GET", "OPTIONS"])],
        middleware=[Middleware(AuthenticationMiddleware, backend=backend, on_error=on_error)],
    )
    assert TestClient(app).request(method, "/", headers=headers).status_code == status


def test_without_the_handlers_the_challenge_stays(async_client: AsyncBackendClient, bearer: Bearer) -> None:
    """Starlette renders the HTTPException itself, as text."""
    client = TestClient(create_app(MonoCloudBackend(async_client), with_handlers=False))
    answer = client.get("/orders", headers=bearer())
    assert (answer.status_code, answer.text) == (403, "The access token lacks a required scope")
    assert answer.headers["www-authenticate"] == NO_SCOPE


def test_exception_handlers_handle_refusals(async_client: AsyncBackendClient, bearer: Bearer) -> None:
    """Handlers get the error, the subject of a 403 and the response."""
    seen: list[Any] = []

    async def handle(_request: Request, refused: Exception) -> Response:
        assert isinstance(refused, AccessRefused)
        seen.append(refused.error)
        return Response(refused.response.body, refused.status_code, refused.headers)

    app = create_app(MonoCloudBackend(async_client), with_handlers=False)
    app.add_exception_handler(AccessRefused, handle)
    assert TestClient(app).get("/orders", headers=bearer(subject="alice")).status_code == 403
    (error,) = seen
    assert isinstance(error, TokenError)
    assert error.subject == "alice"


def test_a_websocket_needs_a_token(async_client: AsyncBackendClient, bearer: Bearer) -> None:
    """A WebSocket without a token is closed before it is accepted."""
    app = create_app(MonoCloudBackend(async_client))
    client = TestClient(app)
    with client.websocket_connect("/feed", headers=bearer(scopes="feed", subject="alice")) as socket:
        assert socket.receive_json() == {"hello": "alice"}
    for headers, code in (({}, 1008), (bearer(), 1008), (bearer(lifetime_seconds=-300), 1000)):
        with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/feed", headers=headers):
            pass
        assert closed.value.code == code
    seen: list[Exception] = []

    async def handle(websocket: WebSocket, refused: Exception) -> None:
        assert isinstance(refused, WebSocketRefused)
        seen.append(refused.error)
        await websocket.close(4401)

    app = create_app(MonoCloudBackend(async_client))
    app.add_exception_handler(WebSocketRefused, handle)
    with pytest.raises(WebSocketDisconnect), TestClient(app).websocket_connect("/feed"):
        pass
    assert isinstance(seen[0], CredentialsError)


def test_resolvers_are_given_the_connection(async_client: AsyncBackendClient, tenant: LocalTenant) -> None:
    """A resolver may read the token from a cookie of the connection."""

    async def token_of(connection: HTTPConnection) -> str | None:
        return connection.cookies.get("access_token")

    app = create_app(MonoCloudBackend(async_client, token_resolver=token_of))
    assert TestClient(app, cookies={"access_token": tenant.mint()}).get("/anyone").status_code == 200
    assert TestClient(app).get("/anyone").status_code == 401


def test_as_caller_replaces_a_token(client: TestClient) -> None:
    """With as_caller, scopes still apply."""
    with as_caller("alice", scopes="orders:read"):
        assert client.get("/orders").json() == {"identity": "alice"}
        assert client.get("/admin").status_code == 403
    assert client.get("/orders").status_code == 401


class TokenOrKey(AuthenticationBackend):
    """Accepts access tokens, and API keys in requests without a token."""

    def __init__(self, tokens: MonoCloudBackend) -> None:
        self.tokens = tokens

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Return the user of the token or of the key."""
        found = await self.tokens.authenticate(conn)
        key = conn.headers.get("x-api-key")
        if found is None and key is not None:
            return AuthCredentials(["orders:read"] if key == "reader" else []), SimpleUser("machine")
        return found


@pytest.mark.parametrize(
    ("path", "token", "key", "status", "challenge"),
    [
        ("/bare", None, None, 401, "Bearer"),
        ("/bare", None, "reader", 200, None),
        ("/bare", None, "other", 403, None),
        ("/bare", READER, None, 200, None),
        ("/bare", READER, "other", 200, None),
        ("/bare", {}, "reader", 403, 'Bearer error="insufficient_scope"'),
        ("/bare", {"lifetime_seconds": -300}, "reader", 401, "expired"),
        ("/orders", None, "reader", 401, "Bearer"),
        ("/orders", READER, "reader", 200, None),
    ],
)
def test_a_second_scheme_is_used_without_a_token(
    path: str,
    token: dict[str, Any] | None,
    key: str | None,
    status: int,
    challenge: str | None,
    async_client: AsyncBackendClient,
    bearer: Bearer,
) -> None:
    """Starlette's ``requires`` reads the scopes of both; a 403 for a key has no challenge for tokens."""
    backend: Any = TokenOrKey(MonoCloudBackend(async_client))
    headers = ({} if token is None else bearer(**token)) | ({} if key is None else {"X-API-Key": key})
    answer = TestClient(create_app(backend)).get(path, headers=headers)
    found = answer.headers.get("www-authenticate")
    if found and 'error="invalid_token"' in found:
        found = "expired"
    assert (answer.status_code, found) == (status, challenge)


def test_requires_without_the_middleware_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the missing middleware; every request is refused."""
    app = Starlette(routes=ROUTES, exception_handlers=EXCEPTION_HANDLERS)
    assert TestClient(app).get("/orders").status_code == 500
    assert "MonoCloudBackend" in caplog.text


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        (None, None),
        ("eyJ", 'the Authorization header does not begin with "Bearer "'),
        ("Bearer", None),  # the resolver looks elsewhere
    ],
)
def test_an_anonymous_caller_of_requires_is_an_event(
    header: str | None, hint: str | None, tenant: LocalTenant
) -> None:
    """The client's observer hears of the refusal, and what is wrong with the header."""
    told: list[Event] = []
    client = AsyncBackendClient(**tenant.settings(), observer=told.append)
    resolver = (lambda connection: None) if header == "Bearer" else None
    app = create_app(MonoCloudBackend(client, token_resolver=resolver))
    headers = {} if header is None else {"Authorization": header}
    assert TestClient(app).get("/orders", headers=headers).status_code == 401
    (event,) = told
    assert isinstance(event, RequestRefused)
    assert (event.reason, event.status, event.path, event.hint) == ("no_token", 401, "'/orders'", hint)


def test_a_view_without_a_request_is_named() -> None:
    """The error is raised where the view is decorated."""

    async def view(connection: Request) -> Response:
        return Response()

    with pytest.raises(ConfigurationError, match=r"view.* has no parameter named request or websocket"):
        requires("a")(view)


@pytest.mark.parametrize("wrong", [5, "view", None, [], {}, Endpoint, type, print])
def test_what_is_no_view_is_refused(wrong: Any) -> None:
    """Nothing calls it, so nothing would be protected."""
    with pytest.raises(ConfigurationError, match=r"^@requires"):
        requires("a")(wrong)


@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_the_decorator_of_a_static_method_comes_first(kind: Callable[..., Any]) -> None:
    """Above it, the function would get other arguments than the view."""
    with pytest.raises(ConfigurationError, match=f"write it below @{kind.__name__}"):
        requires("a")(kind(plain_view))


async def plain_view(request: Request) -> Response:
    """Answer."""
    return Response()


def test_requires_without_parentheses_says_what_to_write() -> None:
    """A view in place of scopes is a mistake that the error explains."""

    async def view(request: Request) -> Response:
        return Response()

    with pytest.raises(ConfigurationError, match=r"view.* is not a scope; write @requires\(\) above a view"):
        requires(view)  # type: ignore[arg-type]


def test_the_backend_closes_the_client_that_it_shares(
    async_client: AsyncBackendClient, tenant: LocalTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``aclose`` closes the shared client and leaves one that was passed in open."""
    closed: list[Any] = []

    async def aclose(client: AsyncBackendClient) -> None:
        closed.append(client)

    for name, value in tenant.environment().items():
        monkeypatch.setenv(name, value)
    with monkeypatch.context() as patched:
        patched.setattr(AsyncBackendClient, "aclose", aclose)
        asyncio.run(MonoCloudBackend(async_client).aclose())
        assert closed == []
        backend = MonoCloudBackend()
        asyncio.run(backend.aclose())
        assert closed == [backend.client]
    asyncio.run(backend.aclose())


@pytest.mark.parametrize(
    "make",
    [
        lambda: requires(5),  # type: ignore[arg-type]
        lambda: requires(groups=[1]),  # type: ignore[list-item]
        lambda: MonoCloudBackend(),
        lambda: MonoCloudBackend(object()),  # type: ignore[arg-type]
        lambda: MonoCloudBackend(object(), token_resolver=5),  # type: ignore[arg-type]
    ],
)
def test_wrong_settings_are_refused_where_they_are_made(make: Callable[[], Any]) -> None:
    """Wrong settings are refused at creation, not at a request."""
    with pytest.raises(ConfigurationError):
        make()


def test_the_class_is_not_a_backend() -> None:
    """Starlette does not look at the backend before a request; the error says what to write."""
    backend: Any = MonoCloudBackend
    middleware = Middleware(AuthenticationMiddleware, backend=backend, on_error=on_error)
    app = Starlette(routes=[Route("/", whoami)], middleware=[middleware])
    with pytest.raises(ConfigurationError, match=r"write backend=MonoCloudBackend\(\)"):
        TestClient(app).get("/")


def test_a_function_of_the_application_may_render_errors(
    async_client: AsyncBackendClient, bearer: Bearer
) -> None:
    """It reads the reason and the default response from the error."""
    seen: list[tuple[Reason, int]] = []

    def render(connection: HTTPConnection, error: Any) -> Response:
        seen.append((error.error.reason, error.response.status))
        return Response(status_code=418)

    backend = MonoCloudBackend(async_client)
    middleware = Middleware(AuthenticationMiddleware, backend=backend, on_error=render)
    app = Starlette(routes=[Route("/", whoami)], middleware=[middleware])
    assert TestClient(app).get("/", headers=bearer(lifetime_seconds=-300)).status_code == 418
    assert seen == [(Reason.EXPIRED, 401)]


def test_claims_from_outside_are_removed(async_client: AsyncBackendClient) -> None:
    """The scope has no claims that the backend did not put there."""
    app = create_app(MonoCloudBackend(async_client))

    async def forging(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "monocloud.claims": {"sub": "mallory"}}, receive, send)

    assert TestClient(forging).get("/whoami").json()["in_scope"] is False


def test_errors_of_other_backends_are_unchanged() -> None:
    """Starlette renders errors of other backends."""
    answer = on_error(HTTPConnection({"type": "http"}), AuthenticationError("no"))
    assert (answer.status_code, answer.body) == (400, b"no")


# Start and stop


def test_keys_are_fetched_before_the_first_request(tenant: LocalTenant) -> None:
    """``lifespan`` fetches the keys, and leaves a client open that was passed in."""
    client = AsyncBackendClient(**tenant.settings())
    app = Starlette(lifespan=MonoCloudBackend(client).lifespan)
    before = tenant.requests.count("discovery"), tenant.requests.count("jwks")
    with TestClient(app) as started:
        assert (tenant.requests.count("discovery"), tenant.requests.count("jwks")) == (
            before[0] + 1,
            before[1] + 1,
        )
        started.portal.call(client.aclose)  # type: ignore[union-attr]


def test_a_client_of_the_environment_is_closed(monkeypatch: pytest.MonkeyPatch, tenant: LocalTenant) -> None:
    """A client that the backend created is closed when the application stops."""
    for name, value in tenant.environment().items():
        monkeypatch.setenv(name, value)
    closed: list[str] = []

    async def aclose(self: AsyncBackendClient) -> None:
        closed.append(self.options.tenant_domain)

    monkeypatch.setattr(AsyncBackendClient, "aclose", aclose)
    with TestClient(Starlette(lifespan=MonoCloudBackend().lifespan)):
        assert closed == []
    assert closed == [tenant.domain]


def test_a_tenant_that_is_down_does_not_stop_the_start(caplog: pytest.LogCaptureFixture) -> None:
    """The application starts, and a warning says that it has no keys."""
    client = AsyncBackendClient(tenant_domain="http://127.0.0.1:9", audience="api")
    app = Starlette(lifespan=MonoCloudBackend(client).lifespan)
    with TestClient(app):
        pass
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "The application starts without the tenant's keys" in record.getMessage()
