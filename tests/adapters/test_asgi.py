"""Behaviour that only the ASGI middleware has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from monocloud_mw import AccessTokenClaims, AsyncBackendClient, BackendClient, ErrorResponse, Rule
from monocloud_mw.adapters.asgi import ProtectApiMiddleware
from monocloud_mw.errors import ConfigurationError, MonoCloudError
from monocloud_mw.testing import LocalTenant

from .exchange import exchange, http_scope, websocket_scope
from .optional_rules import WHERE_OPTIONAL, WHERE_OPTIONAL_STATUSES


class _Recorder:
    """An application that records its scopes."""

    def __init__(self) -> None:
        self.called: tuple[Any, Any, Any] | None = None

    @property
    def scope(self) -> dict[str, Any]:
        """The scope of the last call."""
        assert self.called is not None
        scope: dict[str, Any] = self.called[0]
        return scope

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer 200."""
        self.called = (scope, receive, send)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})


def _status(app: Any, scope: Any) -> int:
    status: int = asyncio.run(exchange(app, scope))[0]["status"]
    return status


def _credentials(token: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


def test_inbound_claims_are_removed_before_anything_else(
    async_client: AsyncBackendClient, tenant: LocalTenant
) -> None:
    """Claims already in the scope reach neither a public nor a protected handler."""
    app = _Recorder()
    protected = ProtectApiMiddleware(app, async_client, rules=[Rule("/public", public=True)])
    forged: dict[str, Any] = {"monocloud.claims": AccessTokenClaims({"sub": "mallory"})}
    assert _status(protected, http_scope("GET", "/public", **forged)) == 200
    assert "monocloud.claims" not in app.scope
    scope = http_scope("GET", "/me", _credentials(tenant.mint(subject="alice")), **forged)
    assert _status(protected, scope) == 200
    assert app.scope["monocloud.claims"].subject == "alice"
    app.called = None
    assert _status(protected, http_scope("GET", "/me", **forged)) == 401
    assert app.called is None


@pytest.mark.parametrize("make_scope", [lambda *args: http_scope("GET", *args), websocket_scope])
def test_claims_are_written_into_the_scope_that_came(
    async_client: AsyncBackendClient, tenant: LocalTenant, make_scope: Any
) -> None:
    """Middleware outside sees what the application writes into the scope, without claims from outside."""
    app = _Recorder()
    protected = ProtectApiMiddleware(app, async_client)
    scope = make_scope("/me", _credentials(tenant.mint())) | {"monocloud.claims": "forged", "state": {}}
    asyncio.run(exchange(protected, scope))
    assert app.scope is scope
    assert isinstance(scope["monocloud.claims"], AccessTokenClaims)
    scope = make_scope("/me") | {"monocloud.claims": "forged"}
    asyncio.run(exchange(protected, scope))
    assert "monocloud.claims" not in scope


def test_lifespan_events_are_passed_through(async_client: AsyncBackendClient) -> None:
    """`lifespan` events are passed through unchanged."""
    app = _Recorder()
    given: list[Any] = [{"type": "lifespan"}, object(), object()]
    asyncio.run(ProtectApiMiddleware(app, async_client)(*given))
    assert app.called is not None
    assert [id(seen) for seen in app.called] == [id(argument) for argument in given]


@pytest.mark.parametrize("kind", ["webtransport", "HTTP", "", "a\nb"])
def test_unknown_connection_types_are_refused(async_client: AsyncBackendClient, kind: str) -> None:
    """A connection of an unknown type is refused, whatever its headers."""
    app = _Recorder()
    with pytest.raises(ConfigurationError, match=r"^cannot protect connections of type '"):
        asyncio.run(exchange(ProtectApiMiddleware(app, async_client), {"type": kind, "headers": []}))
    assert app.called is None


def test_a_websocket_gets_claims(async_client: AsyncBackendClient, tenant: LocalTenant) -> None:
    """A handshake with a valid token reaches the application with the claims."""
    app = _Recorder()
    scope = websocket_scope("/live", _credentials(tenant.mint(subject="alice")))
    assert asyncio.run(exchange(ProtectApiMiddleware(app, async_client), scope)) == []
    assert app.scope["monocloud.claims"].subject == "alice"


@pytest.mark.parametrize("extensions", [{}, {"extensions": None}, {"extensions": {"other": {}}}])
def test_a_websocket_is_refused_before_it_is_accepted(
    async_client: AsyncBackendClient, extensions: dict[str, Any]
) -> None:
    """Without the extension for responses, the middleware closes before it accepts, so the server answers
    403.
    """
    app = _Recorder()
    sent = asyncio.run(
        exchange(ProtectApiMiddleware(app, async_client), websocket_scope("/live", **extensions))
    )
    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert app.called is None


def test_a_websocket_is_refused_with_the_full_response_where_the_server_can(
    async_client: AsyncBackendClient,
) -> None:
    """With the extension, a handshake gets the same status, headers and body as a request."""
    scope = websocket_scope("/live", extensions={"websocket.http.response": {}})
    start, body = asyncio.run(exchange(ProtectApiMiddleware(_Recorder(), async_client), scope))
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (b"www-authenticate", b"Bearer") in start["headers"]
    assert body["type"] == "websocket.http.response.body"
    assert b"unauthorized" in body["body"]


def test_rules_for_get_apply_to_websockets(async_client: AsyncBackendClient, tenant: LocalTenant) -> None:
    """A handshake counts as GET, even if the scope has another method."""
    app = _Recorder()
    rules = [Rule("/open", methods=["GET"], public=True), Rule("/shut", methods=["GET"], groups="admin")]
    protected = ProtectApiMiddleware(app, async_client, rules=rules)
    asyncio.run(exchange(protected, websocket_scope("/open")))
    assert app.called is not None
    app.called = None
    scope = websocket_scope("/shut", _credentials(tenant.mint())) | {"method": "POST"}
    assert asyncio.run(exchange(protected, scope)) == [{"type": "websocket.close", "code": 1008}]
    assert app.called is None


def test_the_environment_configures_it(monkeypatch: pytest.MonkeyPatch, tenant: LocalTenant) -> None:
    """Without a client argument, the middleware creates a client from the environment."""
    for name, value in tenant.environment().items():
        monkeypatch.setenv(name, value)
    protected = ProtectApiMiddleware(_Recorder())
    monkeypatch.undo()

    async def call() -> int:
        assert isinstance(protected.client, AsyncBackendClient)
        async with protected.client:
            sent = await exchange(protected, http_scope("GET", "/me", _credentials(tenant.mint())))
        status: int = sent[0]["status"]
        return status

    assert asyncio.run(call()) == 200


def test_every_mistake_is_reported_at_once() -> None:
    """One error lists the problems of environment, rules, requirements and callables."""
    with pytest.raises(ConfigurationError) as caught:
        ProtectApiMiddleware(
            _Recorder(),
            groups=[1],  # type: ignore[list-item]
            rules=[Rule("nowhere")],
            token_resolver="header",  # type: ignore[arg-type]
            certificate_resolver=1,  # type: ignore[arg-type]
            on_error={},  # type: ignore[arg-type]
        )
    assert [problem.option for problem in caught.value.problems] == [
        "groups",
        "rules[0] 'nowhere'",
        "tenant_domain",
        "audience",
        "token_resolver",
        "certificate_resolver",
        "on_error",
    ]


def test_a_synchronous_client_is_refused(client: BackendClient) -> None:
    """A synchronous client is refused because it would block the event loop."""
    with pytest.raises(ConfigurationError, match=r"^client: must be AsyncBackendClient or have its"):
        ProtectApiMiddleware(_Recorder(), client)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [None, True, {"sub": "mallory"}])
def test_a_client_that_returns_no_claims_is_a_500(answer: Any) -> None:
    """A client that returns anything but claims gives a 500."""

    class Broken:
        async def authenticate(self, credentials: Any, requirements: Any) -> Any:
            return answer

    app = _Recorder()
    scope = http_scope("GET", "/me", _credentials("abc"))
    assert _status(ProtectApiMiddleware(app, Broken()), scope) == 500
    assert app.called is None


@pytest.mark.parametrize("is_async", [True, False])
def test_resolvers_get_the_scope(
    async_client: AsyncBackendClient, tenant: LocalTenant, is_async: bool
) -> None:
    """A token resolver, sync or async, replaces the header, for example for a WebSocket's query string."""

    def resolve(scope: Any) -> str:
        return str(scope["query_string"].decode().partition("=")[2])

    async def resolve_async(scope: Any) -> str:
        await asyncio.sleep(0)
        return resolve(scope)

    app = ProtectApiMiddleware(
        _Recorder(), async_client, token_resolver=resolve_async if is_async else resolve
    )
    assert _status(app, http_scope("GET", f"/me?token={tenant.mint()}", _credentials("ignored"))) == 200
    assert _status(app, http_scope("GET", "/me?token=", _credentials(tenant.mint()))) == 401


@pytest.mark.parametrize("is_async", [True, False])
def test_a_failing_resolver_is_a_500_without_details(
    async_client: AsyncBackendClient, caplog: pytest.LogCaptureFixture, is_async: bool
) -> None:
    """The caller gets no details; the log has the place and not the message."""

    def fail(scope: Any) -> str:
        raise KeyError("canary")

    async def fail_async(scope: Any) -> str:
        return fail(scope)

    app = ProtectApiMiddleware(_Recorder(), async_client, token_resolver=fail_async if is_async else fail)
    start, body = asyncio.run(exchange(app, http_scope("GET", "/me")))
    assert (start["status"], b"canary" in body["body"]) == (500, False)
    assert caplog.messages[0].startswith(
        f"Access token not checked: token_resolver raised KeyError (raised at {__file__}:"
    )
    assert "canary" not in caplog.text


@pytest.mark.parametrize("is_async", [True, False])
def test_on_error_renders_its_own_response(async_client: AsyncBackendClient, is_async: bool) -> None:
    """on_error, sync or async, may answer a refused request or return None for the default response."""
    seen: list[MonoCloudError] = []

    async def teapot(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})

    def on_error(error: MonoCloudError, response: ErrorResponse, scope: Any) -> Any:
        seen.append(error)
        return None if scope["path"] == "/ours" else teapot

    async def on_error_async(error: MonoCloudError, response: ErrorResponse, scope: Any) -> Any:
        await asyncio.sleep(0)
        return on_error(error, response, scope)

    app = ProtectApiMiddleware(_Recorder(), async_client, on_error=on_error_async if is_async else on_error)
    assert _status(app, http_scope("GET", "/theirs")) == 418
    assert _status(app, http_scope("GET", "/ours")) == 401
    assert [str(error) for error in seen] == ["The request has no access token"] * 2


@pytest.mark.parametrize("answer", ["sorry", 0, b"", {"error": "x"}, (401, "x"), lambda: None])
def test_an_on_error_that_returns_nonsense_is_named(async_client: AsyncBackendClient, answer: Any) -> None:
    """The server's log says which option it is, and what it may return; the request goes no further."""
    app = _Recorder()
    middleware = ProtectApiMiddleware(app, async_client, on_error=lambda *_: answer)
    with pytest.raises(
        ConfigurationError, match="on_error: must return an ErrorResponse, an ASGI application or None, not "
    ):
        _status(middleware, http_scope("GET", "/me"))
    assert app.called is None


def test_an_exception_of_on_error_is_propagated(async_client: AsyncBackendClient) -> None:
    """An exception of on_error reaches the server; the application is not called."""

    def on_error(error: MonoCloudError, response: ErrorResponse, scope: Any) -> Any:
        raise LookupError("of the application")

    app = _Recorder()
    with pytest.raises(LookupError, match="of the application"):
        _status(ProtectApiMiddleware(app, async_client, on_error=on_error), http_scope("GET", "/me"))
    assert app.called is None


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ({"root_path": "/api", "path": "/api/public", "raw_path": b"/api/public"}, 200),
        ({"root_path": "/api", "path": "/public", "raw_path": b"/public"}, 200),
        ({"root_path": "/api/", "path": "/api/public", "raw_path": None}, 200),
        ({"root_path": "/api", "path": "/api/private"}, 401),
        ({"root_path": "/api", "path": "/apipublic"}, 401),
        ({"root_path": "/api", "path": "/api/static/a/b", "raw_path": b"/api/static/a%2Fb"}, 200),
        ({"root_path": "/api", "path": "/api/static/b", "raw_path": b"/api/static%2Fb"}, 401),
        ({"root_path": "/api", "path": "/static/api/private"}, 401),
        ({"root_path": "/api", "path": "/static/apiprivate"}, 401),
        ({"root_path": "/api", "path": "/static/api/public"}, 200),
        ({"root_path": "/api", "path": "/api/static/api/private"}, 200),
        ({"path": "/static/b", "raw_path": b"/static%2Fb"}, 401),
        ({"path": "/static/\ufffd", "raw_path": b"/static/%ff"}, 401),
    ],
)
def test_the_root_path_is_not_part_of_rules(
    async_client: AsyncBackendClient, scope: dict[str, Any], status: int
) -> None:
    """Servers give the path with or without the root path; rules are written without it."""
    rules = [Rule("/public", public=True), Rule("/static/<path:x>", public=True)]
    app = ProtectApiMiddleware(_Recorder(), async_client, rules=rules)
    assert _status(app, http_scope("GET", "/") | scope) == status


def test_optional_members_of_the_scope_may_be_absent(async_client: AsyncBackendClient) -> None:
    """``root_path`` and ``raw_path`` are optional (ASGI HTTP specification)."""
    scope = http_scope("GET", "/public")
    del scope["root_path"], scope["raw_path"]
    app = ProtectApiMiddleware(_Recorder(), async_client, rules=[Rule("/public", public=True)])
    assert _status(app, scope) == 200


def test_header_names_need_not_be_in_lower_case(
    async_client: AsyncBackendClient, tenant: LocalTenant
) -> None:
    """A second Authorization header is found even if a server does not lower its name."""
    value = f"Bearer {tenant.mint()}".encode()
    scope = http_scope("GET", "/me")
    app = ProtectApiMiddleware(_Recorder(), async_client)
    assert _status(app, scope | {"headers": [(b"Authorization", value)]}) == 200
    assert _status(app, scope | {"headers": [(b"authorization", value), (b"AUTHORIZATION", value)]}) == 400


def _started(app: Any) -> list[str]:
    """Send a start-up event and return the types of the messages that came back."""
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def start() -> None:
        with pytest.raises(ConfigurationError, match="tenant_domain"):
            await app()({"type": "lifespan"}, receive, send)
        with pytest.raises(ConfigurationError, match="tenant_domain"):
            await app()(http_scope("GET", "/"), receive, send)

    asyncio.run(start())
    return sent


def test_a_wrong_configuration_fails_the_start_of_the_server() -> None:
    """With add_middleware, a configuration error makes the server's start-up fail."""
    recorder = _Recorder()
    assert _started(lambda: ProtectApiMiddleware(recorder)) == ["lifespan.startup.failed"]
    assert recorder.called is None
    with pytest.raises(ConfigurationError, match="tenant_domain"):
        ProtectApiMiddleware(recorder)


def test_the_application_is_kept_as_app(async_client: AsyncBackendClient) -> None:
    """The wrapped application is available as `app`, as other tools expect."""
    app = _Recorder()
    assert ProtectApiMiddleware(app, async_client).app is app


PREFLIGHT = [(b"Origin", b"https://a.example"), (b"access-control-request-method", b"POST")]


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("OPTIONS", PREFLIGHT, 200),
        ("OPTIONS", PREFLIGHT[:1], 401),
        ("OPTIONS", PREFLIGHT[1:], 401),
        ("GET", PREFLIGHT, 401),
    ],
)
def test_allowed_cors_preflights_pass(
    async_client: AsyncBackendClient, method: str, headers: Any, status: int
) -> None:
    """With the option, only CORS preflights pass; a WebSocket handshake is not a preflight."""
    scope = http_scope(method, "/me") | {"headers": headers}
    allowed = ProtectApiMiddleware(_Recorder(), async_client, allow_cors_preflight=True)
    assert _status(allowed, dict(scope)) == status
    assert _status(ProtectApiMiddleware(_Recorder(), async_client), dict(scope)) == 401
    socket = websocket_scope("/me") | {"headers": headers}
    asyncio.run(exchange(allowed, socket))
    assert "monocloud.claims" not in socket


@pytest.mark.parametrize(("method", "path", "status"), WHERE_OPTIONAL_STATUSES, ids=str)
def test_where_a_rule_applies_the_token_is_not_optional(
    async_client: AsyncBackendClient, method: str, path: str, status: int
) -> None:
    """A rule's requirements cannot be avoided by sending no token."""
    protected = ProtectApiMiddleware(_Recorder(), async_client, optional=True, rules=WHERE_OPTIONAL)
    assert _status(protected, http_scope(method, "/") | {"path": path}) == status


def test_a_websocket_to_which_a_rule_applies_needs_a_token(async_client: AsyncBackendClient) -> None:
    """Though the token is optional for others."""
    protected = ProtectApiMiddleware(_Recorder(), async_client, optional=True, rules=WHERE_OPTIONAL)
    (closed,) = asyncio.run(exchange(protected, websocket_scope("/admin/live")))
    assert closed == {"type": "websocket.close", "code": 1008}


def test_an_optional_token_may_be_absent_but_not_invalid(
    async_client: AsyncBackendClient, tenant: LocalTenant
) -> None:
    """Anonymous requests reach the application without claims; an invalid token is refused."""
    app = _Recorder()
    protected = ProtectApiMiddleware(app, async_client, optional=True, scopes="a")
    anonymous = http_scope("GET", "/me") | {"monocloud.claims": "forged"}
    assert _status(protected, anonymous) == 200
    assert "monocloud.claims" not in app.scope
    assert _status(protected, http_scope("GET", "/me", _credentials(tenant.mint(scopes="a")))) == 200
    assert app.scope["monocloud.claims"].scopes == {"a"}
    assert _status(protected, http_scope("GET", "/me", _credentials(tenant.mint()))) == 403
    assert _status(protected, http_scope("GET", "/me", _credentials("x"))) == 401
