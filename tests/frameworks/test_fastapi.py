"""FastAPI: declarations of applications, requests in process and WebSockets."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, TypeAlias

import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Depends,
    FastAPI,
    HTTPException,
    Request,
    Response,
    Security,
    WebSocket,
)
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import APIKeyHeader
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.websockets import WebSocketDisconnect

from monocloud_mw import AccessTokenClaims, AsyncBackendClient, ErrorResponse
from monocloud_mw.adapters.fastapi import AccessRefused, ProtectApi, WebSocketRefused, public
from monocloud_mw.errors import ConfigurationError, CredentialsError, Reason, TokenError
from monocloud_mw.testing import LocalTenant, as_caller

from .conftest import Bearer

ORIGIN = "https://app.example.com"

protect = ProtectApi.__new__(ProtectApi)  # for annotations at module level; the fixture sets it up
optional = ProtectApi.__new__(ProtectApi)

Reader: TypeAlias = Annotated[AccessTokenClaims, Security(protect, scopes=["orders:read"])]
Optional: TypeAlias = Annotated[AccessTokenClaims | None, Security(optional)]
Feed: TypeAlias = Annotated[AccessTokenClaims, Security(protect, scopes=["feed"])]
api_key = APIKeyHeader(name="X-API-Key", auto_error=False)
DEFAULT = Security(protect, scopes=["orders:read"])


async def current_user(claims: Annotated[AccessTokenClaims, Security(protect)]) -> str:
    """Return the caller, as an application's dependency would."""
    return str(claims.subject)


async def find_caller(
    claims: Optional,
    key: Annotated[str | None, Security(api_key)],
) -> str:
    """Return the caller, identified by a token or by an API key."""
    if claims is not None:
        return str(claims.subject)
    if key == "secret":
        return "machine"
    raise HTTPException(401)


@pytest.fixture(autouse=True)
def protect_with_client(async_client: AsyncBackendClient) -> Iterator[None]:
    """Set the tests' client on this module's protection."""
    protect.__init__(async_client)  # type: ignore[misc]
    optional.__init__(async_client, optional=True)  # type: ignore[misc]
    yield
    vars(protect).clear()
    vars(optional).clear()


def refusal(error: str, description: str) -> dict[str, Any]:
    """Return the body of a refusal."""
    return {"detail": {"error": error, "error_description": description}}


MISSING = refusal("unauthorized", "An access token is required")
NO_SCOPE = refusal("insufficient_scope", "The access token lacks a required scope")
NO_GROUP = refusal("insufficient_scope", "The access token lacks a required group")

# One application with all kinds of declarations


def create_app() -> FastAPI:
    """Return an application that is protected as a whole, with all kinds of views."""
    app = FastAPI(dependencies=[Security(protect)])

    @app.get("/plain")
    async def plain() -> str:
        return "in"

    @app.get("/orders")
    async def orders(claims: Reader) -> dict[str, Any]:
        return {"subject": claims.subject}

    @app.get("/sync")
    def sync_orders(claims: Reader) -> dict[str, Any]:
        return {"subject": claims.subject}

    @app.get("/default-value")
    async def default_value(claims: AccessTokenClaims = DEFAULT) -> Any:
        return {"subject": claims.subject}

    @app.get("/depends")
    async def depends(claims: Annotated[AccessTokenClaims, Depends(protect)]) -> Any:
        return {"subject": claims.subject}

    @app.get("/admin", dependencies=[Security(protect.needing(groups=["admin"]))])
    async def admin() -> str:
        return "in"

    @app.get("/either", dependencies=[Security(protect.needing(any_scopes=["a", "b"]))])
    async def either() -> str:
        return "in"

    @app.get("/both", dependencies=[Security(protect.needing(groups=["admin"]), scopes=["orders:read"])])
    async def both() -> str:
        return "in"

    @app.get("/nested")
    async def nested(user: Annotated[str, Security(current_user, scopes=["orders:read"])]) -> str:
        return user

    @app.get("/healthz")
    @public
    async def healthz() -> str:
        return "in"

    @public
    @app.get("/above")
    def above() -> str:
        return "in"

    @app.get("/hello")
    @public
    async def hello(
        claims: Optional,
    ) -> Any:
        return {"subject": None if claims is None else claims.subject}

    @app.get("/scope")
    async def in_scope(request: Request) -> Any:
        return {"subject": request.scope["monocloud.claims"].subject}

    router = APIRouter(prefix="/inner", dependencies=[Security(protect, scopes=["inner"])])

    @router.get("/view")
    async def inner() -> str:
        return "in"

    @router.get("/open")
    @public
    async def inner_open() -> str:
        return "in"

    app.include_router(router, prefix="/outer", dependencies=[Security(protect.needing(groups=["g"]))])
    return app


ADMIN = {"groups": ["admin"]}
READER = {"scopes": "orders:read", "subject": "alice"}


@pytest.mark.parametrize(
    ("path", "token", "status", "expected"),
    [
        ("/plain", None, 401, MISSING),
        ("/plain", {}, 200, "in"),
        ("/orders", None, 401, MISSING),
        ("/orders", {}, 403, NO_SCOPE),
        ("/orders", READER, 200, {"subject": "alice"}),
        ("/sync", {}, 403, NO_SCOPE),
        ("/sync", READER, 200, {"subject": "alice"}),
        ("/default-value", {}, 403, NO_SCOPE),
        ("/default-value", READER, 200, {"subject": "alice"}),
        ("/depends", None, 401, MISSING),
        ("/depends", READER, 200, {"subject": "alice"}),
        ("/admin", {}, 403, NO_GROUP),
        ("/admin", ADMIN, 200, "in"),
        ("/either", {}, 403, NO_SCOPE),
        ("/either", {"scopes": "b"}, 200, "in"),
        ("/both", ADMIN, 403, NO_SCOPE),
        ("/both", READER, 403, NO_GROUP),
        ("/both", {**READER, **ADMIN}, 200, "in"),
        ("/nested", {"subject": "alice"}, 403, NO_SCOPE),
        ("/nested", READER, 200, "alice"),
        ("/healthz", None, 200, "in"),
        ("/healthz", {"lifetime_seconds": -300}, 200, "in"),
        ("/above", None, 200, "in"),
        ("/hello", None, 200, {"subject": None}),
        ("/hello", {"subject": "alice"}, 200, {"subject": "alice"}),
        ("/hello", {"lifetime_seconds": -300}, 401, None),
        ("/scope", {"subject": "alice"}, 200, {"subject": "alice"}),
        ("/outer/inner/view", None, 401, MISSING),
        ("/outer/inner/view", {"scopes": "inner"}, 403, NO_GROUP),
        ("/outer/inner/view", {"groups": ["g"]}, 403, NO_SCOPE),
        ("/outer/inner/view", {"scopes": "inner", "groups": ["g"]}, 200, "in"),
        ("/outer/inner/open", None, 200, "in"),
        ("/not-there", None, 404, {"detail": "Not Found"}),
    ],
)
def test_each_view_has_its_requirements(
    path: str, token: dict[str, Any] | None, status: int, expected: Any, bearer: Bearer
) -> None:
    """Requirements of the application, the routers, the view and its dependencies add up."""
    headers = {} if token is None else bearer(**token)
    answer = TestClient(create_app()).get(path, headers=headers)
    assert answer.status_code == status
    assert expected in (None, answer.json())


def test_refusals_have_the_headers_of_the_rfc(bearer: Bearer) -> None:
    """The challenge names what is missing, and the refusal must not be cached."""
    client = TestClient(create_app())
    missing, scope = client.get("/orders"), client.get("/orders", headers=bearer())
    expired = client.get("/orders", headers=bearer(lifetime_seconds=-300))
    malformed = client.get("/orders", headers={"Authorization": "Bearer a b"})
    assert missing.headers["www-authenticate"] == "Bearer"
    assert scope.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="orders:read"'
    assert expired.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert malformed.status_code == 400
    for answer in (missing, scope, expired, malformed):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers.get_list("content-type") == ["application/json"]


def test_a_token_is_validated_once_for_a_request(tenant: LocalTenant) -> None:
    """However many dependencies need it, one request validates its token once."""
    client = AsyncBackendClient(**tenant.settings(tenant.client), introspection_cache_duration=0)
    protect.__init__(client)  # type: ignore[misc]
    before = tenant.requests.count("introspection")
    token = tenant.mint_opaque(scopes="inner", groups=["g"])
    with TestClient(create_app()) as test_client:
        headers = {"Authorization": f"Bearer {token}"}
        assert test_client.get("/outer/inner/view", headers=headers).status_code == 200
        assert tenant.requests.count("introspection") == before + 1
        test_client.portal.call(client.aclose)  # type: ignore[union-attr]


def test_each_client_validates_the_token(async_client: AsyncBackendClient, bearer: Bearer) -> None:
    """Two protections with different clients each validate the token."""

    class Refusing:
        async def authenticate(self, presented: Any, requirements: Any, /) -> AccessTokenClaims:
            raise TokenError(Reason.WRONG_AUDIENCE)

    app = FastAPI(dependencies=[Security(protect)])

    @app.get("/", dependencies=[Security(ProtectApi(Refusing()))])
    async def view() -> str:
        return "in"

    assert TestClient(app).get("/", headers=bearer()).status_code == 401


@pytest.mark.parametrize(
    ("inner", "status", "body"),
    [("bob", 200, '"bob"'), ("", 401, "An access token is required"), ("x.y.z", 401, "invalid_token")],
)
def test_a_request_that_a_view_makes_of_its_own_is_checked(
    inner: str, status: int, body: str, bearer: Bearer
) -> None:
    """A view may call the application with a copy of its scope; a token there is not that of the caller."""
    app = FastAPI(dependencies=[Security(protect)])

    @app.get("/who")
    async def who(claims: Annotated[AccessTokenClaims, Security(protect)]) -> str | None:
        return claims.subject

    @app.get("/batch")
    async def batch(request: Request) -> Response:
        text = bearer(subject=inner)["Authorization"] if inner == "bob" else f"Bearer {inner}"
        headers = [(b"authorization", text.encode())] if inner else []
        scope = {**request.scope, "path": "/who", "raw_path": b"/who", "headers": headers}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, request.receive, send)
        return Response(sent[1]["body"], sent[0]["status"])

    answer = TestClient(app).get("/batch", headers=bearer(subject="alice"))
    assert (answer.status_code, body in answer.text) == (status, True)


# Exceptions, middleware and responses


def test_exception_handlers_handle_refusals(bearer: Bearer) -> None:
    """Exception handlers by class and by status get the error, the subject and the default response."""
    app = create_app()
    seen: list[tuple[Any, ErrorResponse]] = []

    @app.exception_handler(AccessRefused)
    async def on_refusal(_request: Request, refused: AccessRefused) -> Response:
        seen.append((refused.error, refused.response))
        return JSONResponse({"title": "no"}, refused.status_code, refused.headers)

    @app.exception_handler(401)
    async def on_401(_request: Request, refused: HTTPException) -> Response:
        assert isinstance(refused, AccessRefused)
        return JSONResponse({"title": "who"}, 401, refused.headers)

    client = TestClient(app)
    forbidden = client.get("/orders", headers=bearer(subject="alice"))
    assert (forbidden.status_code, forbidden.json()) == (403, {"title": "no"})
    assert "insufficient_scope" in forbidden.headers["www-authenticate"]
    ((error, response),) = seen
    assert (error.reason, error.subject) == ("insufficient_scope", "alice")
    assert response.status == 403
    assert client.get("/orders").json() == {"title": "who"}


@pytest.mark.parametrize("status", [503, 500])
def test_a_tenant_that_fails_is_an_http_exception(
    status: int, tenant: LocalTenant, bearer: Bearer, caplog: pytest.LogCaptureFixture
) -> None:
    """A 503 has Retry-After; a 500 has no details."""
    from monocloud_mw.testing import faults

    client = AsyncBackendClient(**tenant.settings())
    protect.__init__(client)  # type: ignore[misc]
    with (
        tenant.failing(faults.status(503) if status == 503 else faults.html()),
        TestClient(create_app()) as test_client,
    ):
        answer = test_client.get("/plain", headers=bearer())
        test_client.portal.call(client.aclose)  # type: ignore[union-attr]
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) is (status == 503)


def test_cors_middleware_handles_preflights_and_refusals(bearer: Bearer) -> None:
    """CORS middleware answers preflights before any view, and scripts can read refusals."""
    app = create_app()
    app.add_middleware(CORSMiddleware, allow_origins=[ORIGIN], allow_headers=["Authorization"])
    client = TestClient(app)
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "Authorization"}
    preflight = client.options("/orders", headers={"Origin": ORIGIN, **asked})
    refused = client.get("/orders", headers={"Origin": ORIGIN})
    assert (preflight.status_code, refused.status_code) == (200, 401)
    assert refused.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize(
    ("allowed", "headers", "status"),
    [
        (True, {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}, 204),
        (True, {"Origin": ORIGIN}, 401),
        (True, {"Access-Control-Request-Method": "GET"}, 401),
        (False, {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}, 401),
    ],
)
def test_preflights_of_the_application_can_be_exempted(
    async_client: AsyncBackendClient, allowed: bool, headers: dict[str, str], status: int
) -> None:
    """If an application answers OPTIONS itself, exactly the preflights need no token."""
    app = FastAPI(dependencies=[Security(ProtectApi(async_client, allow_cors_preflight=allowed))])

    @app.options("/", status_code=204)
    async def preflight() -> None:
        pass

    assert TestClient(app).options("/", headers=headers).status_code == status


def test_streams_and_background_tasks_run_only_for_a_good_token(bearer: Bearer) -> None:
    """Streams and background tasks start only after the check."""
    app = create_app()
    ran: list[str | None] = []

    @app.get("/stream")
    async def stream(tasks: BackgroundTasks, claims: Reader) -> StreamingResponse:
        tasks.add_task(ran.append, claims.subject)

        async def parts() -> AsyncIterator[str]:
            yield "one "
            yield "two"

        return StreamingResponse(parts(), background=tasks)

    client = TestClient(app)
    assert client.get("/stream", headers=bearer()).status_code == 403
    assert ran == []
    assert client.get("/stream", headers=bearer(**READER)).text == "one two"
    assert ran == ["alice"]


class Order(BaseModel):
    """The body of a request."""

    amount: int


@pytest.mark.parametrize(
    ("token", "target", "content", "status"),
    [
        (None, "/items/x", '{"amount": "x"}', 401),
        ({}, "/items/x", '{"amount": "x"}', 403),
        (READER, "/items/x?page=1", '{"amount": 1}', 422),
        (READER, "/items/1?page=1", '{"amount": "x"}', 422),
        (READER, "/items/1", '{"amount": 1}', 422),
        (READER, "/items/1?page=1", "{", 422),
        (READER, "/items/1?page=1", '{"amount": 1}', 200),
        (None, "/items/1?page=1", "{", 422),  # FastAPI parses the body before it runs dependencies
    ],
)
@pytest.mark.parametrize("has_handler", [False, True])
def test_the_check_comes_before_the_values(
    has_handler: bool, token: dict[str, Any] | None, target: str, content: str, status: int, bearer: Bearer
) -> None:
    """Without a good token, callers get 401 or 403, and not the errors in parameters and body."""
    app = create_app()

    @app.post("/items/{number}")
    async def item(number: int, page: int, order: Order, _claims: Reader) -> int:
        return number + page + order.amount

    async def on_invalid(_request: Request, _error: Exception) -> Response:
        return Response("own", 422)

    if has_handler:
        app.add_exception_handler(RequestValidationError, on_invalid)
    headers = {"Content-Type": "application/json"} | ({} if token is None else bearer(**token))
    answer = TestClient(app).post(target, content=content, headers=headers)
    assert answer.status_code == status
    assert (answer.text == "own") is (has_handler and status == 422)


def test_a_handler_of_http_exceptions_gets_refusals(bearer: Bearer) -> None:
    """A handler for all ``HTTPException``s of Starlette may change the body and keep the headers."""
    app = create_app()

    @app.exception_handler(StarletteHTTPException)
    async def on_http(_request: Request, error: StarletteHTTPException) -> Response:
        return JSONResponse({"title": "no"}, error.status_code, error.headers)

    client = TestClient(app)
    found = [client.get("/orders", headers=headers) for headers in ({}, bearer())]
    assert [(each.status_code, each.json()) for each in found] == [
        (401, {"title": "no"}),
        (403, {"title": "no"}),
    ]
    assert all("Bearer" in each.headers["www-authenticate"] for each in found)


def test_routers_of_routers_have_all_requirements(bearer: Bearer) -> None:
    """A router that is included after the first request is protected too, by those around it and its own."""
    app = FastAPI(dependencies=[Security(protect)])
    client = TestClient(app)
    app.get("/first")(lambda: "in")
    assert client.get("/first", headers=bearer()).status_code == 200
    outer = APIRouter(prefix="/outer", dependencies=[Security(protect, scopes=["outer"])])
    middle = APIRouter(prefix="/middle", dependencies=[Security(protect.needing(groups=["g"]))])
    inner = APIRouter(prefix="/inner")
    inner.get("/view", dependencies=[Security(protect, scopes=["inner"])])(lambda: "in")
    inner.get("/open")(public(lambda: "in"))
    middle.include_router(inner, dependencies=[Security(protect.needing(any_scopes=["a", "b"]))])
    outer.include_router(middle)
    app.include_router(outer)
    path = "/outer/middle/inner/view"
    complete = {"scopes": "outer inner a", "groups": ["g"]}
    tokens: list[dict[str, Any]] = [
        complete,
        {**complete, "groups": []},
        {**complete, "scopes": "inner a"},
        {**complete, "scopes": "outer a"},
        {**complete, "scopes": "outer inner"},
    ]
    statuses = [client.get(path, headers=bearer(**token)).status_code for token in tokens]
    assert statuses == [200, 403, 403, 403, 403]
    assert client.get(path).status_code == 401
    assert client.get("/outer/middle/inner/open").status_code == 200
    operation = client.get("/openapi.json").json()["paths"][path]["get"]
    assert operation["security"] == [{"MonoCloud": ["outer", "inner", each]} for each in ("a", "b")]


def test_head_is_checked_like_get(bearer: Bearer) -> None:
    """A refusal of HEAD has the headers of one of GET; HEAD where only GET is declared is a 405."""
    app = create_app()

    @app.api_route("/both", methods=["GET", "HEAD"])
    async def both(_claims: Reader) -> str:
        return "in"

    client = TestClient(app)
    found = [client.head("/both", headers=headers) for headers in ({}, bearer(), bearer(**READER))]
    assert [each.status_code for each in found] == [401, 403, 200]
    assert [each.headers.get("www-authenticate") for each in found] == [
        "Bearer",
        'Bearer error="insufficient_scope", scope="orders:read"',
        None,
    ]
    assert client.head("/orders", headers=bearer(**READER)).status_code == 405


def test_background_tasks_have_the_claims(bearer: Bearer) -> None:
    """The claims stay in the scope of the request until its background tasks have run."""
    app = create_app()
    seen: list[Any] = []

    @app.get("/later")
    async def later(request: Request, tasks: BackgroundTasks) -> str:
        tasks.add_task(lambda: seen.append(request.scope["monocloud.claims"].subject))
        return "in"

    client = TestClient(app)
    for name in ("alice", "bob"):
        assert client.get("/later", headers=bearer(subject=name)).status_code == 200
    assert seen == ["alice", "bob"]


# WebSockets


def create_socket_app() -> FastAPI:
    """Return an application with a WebSocket that sends the caller."""
    app = FastAPI(dependencies=[Security(protect)])

    @app.websocket("/feed")
    async def feed(socket: WebSocket, claims: Feed) -> None:
        await socket.accept(socket.scope["subprotocols"][0] if socket.scope["subprotocols"] else None)
        await socket.send_json({"hello": claims.subject})
        await socket.close()

    return app


def test_a_websocket_opens_with_a_token_in_the_header(bearer: Bearer) -> None:
    """Before it is accepted, a missing or insufficient token closes the WebSocket with 1008."""
    client = TestClient(create_socket_app())
    with client.websocket_connect("/feed", headers=bearer(scopes="feed", subject="alice")) as socket:
        assert socket.receive_json() == {"hello": "alice"}
    for headers in ({}, bearer(), bearer(scopes="feed", lifetime_seconds=-300)):
        with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/feed", headers=headers):
            pass
        assert closed.value.code == 1008


def test_a_websocket_token_in_a_subprotocol(async_client: AsyncBackendClient, tenant: LocalTenant) -> None:
    """Browsers cannot set headers on WebSockets; the resolver gets the connection."""

    def token_of(connection: Any) -> str | None:
        offered = connection.scope.get("subprotocols", [])
        return offered[1] if offered[:1] == ["feed"] and len(offered) == 2 else None

    protect.__init__(async_client, token_resolver=token_of)  # type: ignore[misc]
    client = TestClient(create_socket_app())
    token = tenant.mint(scopes="feed", subject="alice")
    with client.websocket_connect("/feed", subprotocols=["feed", token]) as socket:
        assert str(socket.accepted_subprotocol) == "feed"
        assert socket.receive_json() == {"hello": "alice"}
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/feed", subprotocols=["feed"]):
        pass


def test_a_websocket_token_in_either_place(async_client: AsyncBackendClient, tenant: LocalTenant) -> None:
    """A resolver may prefer the header and fall back to a subprotocol; a bad token is not replaced."""

    def token_of(connection: Any) -> str | None:
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        offered = connection.scope.get("subprotocols", [])
        return token if scheme.lower() == "bearer" else offered[-1] if len(offered) == 2 else None

    protect.__init__(async_client, token_resolver=token_of)  # type: ignore[misc]
    client = TestClient(create_socket_app())
    good, bad = tenant.mint(scopes="feed", subject="alice"), tenant.mint(lifetime_seconds=-300)
    in_header, in_subprotocol = {"Authorization": f"Bearer {good}"}, ["feed", good]
    for headers, subprotocols in ((in_header, None), (in_header, ["feed"]), ({}, in_subprotocol)):
        with client.websocket_connect("/feed", headers=headers, subprotocols=subprotocols) as socket:
            assert socket.receive_json() == {"hello": "alice"}
    headers = {"Authorization": f"Bearer {bad}"}
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/feed", headers=headers, subprotocols=in_subprotocol),
    ):
        pass


def test_an_exception_handler_for_websockets() -> None:
    """A handler for refused WebSockets gets the error."""
    app = create_socket_app()
    seen: list[Exception] = []

    @app.exception_handler(WebSocketRefused)
    async def on_refusal(socket: WebSocket, refused: WebSocketRefused) -> None:
        seen.append(refused.error)
        await socket.close(4401)

    client = TestClient(app)
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/feed"):
        pass
    assert closed.value.code == 4401
    assert isinstance(seen[0], CredentialsError)


# Tests, other schemes, resolvers


def test_as_caller_replaces_a_token() -> None:
    """With as_caller, scopes and groups still apply."""
    client = TestClient(create_app())
    with as_caller("alice", scopes="orders:read"):
        assert client.get("/orders").json() == {"subject": "alice"}
        assert client.get("/admin").status_code == 403
    assert client.get("/orders").status_code == 401


def test_dependency_overrides_replace_the_check() -> None:
    """A dependency override replaces the check, also of a derived protection."""
    app = create_app()
    client = TestClient(app)
    app.dependency_overrides[protect] = lambda: AccessTokenClaims({"sub": "test"})
    assert client.get("/orders").json() == {"subject": "test"}
    assert client.get("/admin").status_code == 401
    app.dependency_overrides[protect.needing(groups=["admin"])] = lambda: None
    assert client.get("/admin").status_code == 200


@pytest.mark.parametrize("as_a_whole", [False, True])
def test_a_second_scheme_is_used_without_a_token(as_a_whole: bool, bearer: Bearer) -> None:
    """With an optional token beside an API key, an invalid token is still refused."""
    app = FastAPI(dependencies=[Security(protect)] if as_a_whole else [])

    @app.get("/")
    @public
    async def view(caller: Annotated[str, Depends(find_caller)]) -> str:
        return caller

    client = TestClient(app)
    assert client.get("/", headers=bearer(subject="alice")).json() == "alice"
    assert client.get("/", headers={"X-API-Key": "secret"}).json() == "machine"
    assert client.get("/").status_code == 401
    expired = bearer(lifetime_seconds=-300)
    assert client.get("/", headers={**expired, "X-API-Key": "secret"}).status_code == 401
    assert client.get("/openapi.json").json()["paths"]["/"]["get"]["security"] == [
        {"MonoCloud": []},
        {"APIKeyHeader": []},
    ]


def test_a_token_may_come_in_a_cookie(async_client: AsyncBackendClient, tenant: LocalTenant) -> None:
    """A resolver, sync or async, may read the token from a cookie."""

    async def token_of(connection: Any) -> str | None:
        return connection.cookies.get("access_token")  # type: ignore[no-any-return]

    app = FastAPI(dependencies=[Security(ProtectApi(async_client, token_resolver=token_of))])

    @app.get("/")
    async def view() -> str:
        return "in"

    client = TestClient(app, cookies={"access_token": tenant.mint()})
    assert client.get("/").status_code == 200
    assert TestClient(app).get("/").status_code == 401


# Wrong declarations


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        ({"scopes": 5}, "scopes"),
        ({"any_scopes": [""]}, "any_scopes"),
        ({"groups": [1]}, "groups"),
        ({"token_resolver": "cookie"}, "token_resolver"),
        ({"certificate_resolver": 1}, "certificate_resolver"),
        ({"authorization_code": True, "authorization_url": "https://x.test"}, "token_url"),
        ({"authorization_url": "https://x.test", "token_url": "https://x.test"}, "authorization_code"),
        ({"scope_descriptions": {"a": "b"}}, "authorization_code"),
        ({"scheme_name": 3}, "scheme_name"),
        ({"scheme_name": ""}, "scheme_name"),
        ({"scheme_name": "Mono Cloud"}, "scheme_name"),
        (
            {"authorization_code": True, "authorization_url": 3, "token_url": "https://x.test"},
            "authorization_url",
        ),
        ({"authorization_code": True, "authorization_url": "https://x.test", "token_url": ""}, "token_url"),
        (
            {"authorization_code": True, "authorization_url": "https://x.test", "token_url": "/token"},
            "token_url",
        ),
        (
            {"authorization_code": True, "authorization_url": "javascript:0", "token_url": "https://x.test"},
            "authorization_url",
        ),
        ({"authorization_code": True, "scope_descriptions": ["a"]}, "scope_descriptions"),
        ({"authorization_code": True, "scope_descriptions": {"a": 3}}, "scope_descriptions"),
        ({"authorization_code": True, "scope_descriptions": {3: "a"}}, "scope_descriptions"),
        ({"authorization_code": "yes"}, "authorization_code"),
        ({"public_mounts": "/static"}, "public_mounts"),
        ({"token_resolver": lambda: ""}, "token_resolver"),
        ({"certificate_resolver": lambda connection, header: ""}, "certificate_resolver"),
    ],
)
def test_wrong_settings_are_named(
    async_client: AsyncBackendClient, settings: dict[str, Any], option: str
) -> None:
    """The error names the option and is raised when the protection is created."""
    with pytest.raises(ConfigurationError) as raised:
        ProtectApi(async_client, **settings)
    assert [problem.option for problem in raised.value.problems] == [option]


def test_all_wrong_settings_are_named_together(async_client: AsyncBackendClient) -> None:
    """Those of the OpenAPI document and those of the check are in one error."""
    with pytest.raises(ConfigurationError) as raised:
        ProtectApi(async_client, scopes=5, scheme_name=3, scope_descriptions=["a"])  # type: ignore[arg-type]
    found = {problem.option for problem in raised.value.problems}
    assert found == {"scopes", "scheme_name", "scope_descriptions", "authorization_code"}


def test_without_a_client_the_environment_is_read() -> None:
    """Without a client argument the environment is read; a missing variable is an error."""
    with pytest.raises(ConfigurationError, match="MONOCLOUD_BACKEND_TENANT_DOMAIN"):
        ProtectApi()


def test_a_synchronous_client_is_refused(tenant: LocalTenant) -> None:
    """A synchronous client is refused because it would block the event loop."""
    from monocloud_mw import BackendClient

    with BackendClient(**tenant.settings()) as client, pytest.raises(ConfigurationError, match="client"):
        ProtectApi(client)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "target",
    [FastAPI(), Starlette(), APIRouter(), object, Security(protect), 5, print],
    ids=lambda target: type(target).__name__,
)
def test_public_marks_views_only(target: Any) -> None:
    """Anything but a view is refused, since the mark would have no effect."""
    with pytest.raises(ConfigurationError, match="@public"):
        public(target)


def test_public_marks_a_method() -> None:
    """A view may be a method of an object."""

    class Views:
        def open(self) -> str:
            return "in"

    app = FastAPI(dependencies=[Security(protect)])
    app.get("/")(public(Views().open))
    assert TestClient(app).get("/").status_code == 200


def test_claims_already_in_the_scope_are_removed(bearer: Bearer) -> None:
    """Claims already in the scope are hidden from public views and anonymous callers."""
    api = FastAPI(dependencies=[Security(protect)])

    @api.get("/public")
    @public
    async def open_to_all(request: Request) -> Any:
        return request.scope.get("monocloud.claims")

    @api.get("/optional")
    @public
    async def anonymous(request: Request, _claims: Optional) -> Any:
        return request.scope.get("monocloud.claims")

    async def in_front(scope: Any, receive: Any, send: Any) -> None:
        await api(scope | {"monocloud.claims": {"sub": "mallory"}}, receive, send)

    client = TestClient(in_front)
    for path in ("/public", "/optional"):
        assert client.get(path).json() is None
    assert client.get("/optional", headers=bearer(subject="alice")).json()["sub"] == "alice"


def test_a_public_mark_is_not_borrowed(async_client: AsyncBackendClient) -> None:
    """A decorator keeps a public view public; a view that only takes its name is protected."""

    @public
    async def health() -> str:
        return "open"

    @functools.wraps(health)
    async def decorated() -> str:
        return await health()

    @functools.wraps(health)
    async def secret() -> str:
        return "secret"

    app = FastAPI(dependencies=[Security(ProtectApi(async_client))])
    app.get("/health")(decorated)
    app.get("/secret")(secret)
    client = TestClient(app)
    assert [client.get(path).status_code for path in ("/health", "/secret")] == [200, 401]
