"""Behaviour that only the WSGI middleware has."""

from __future__ import annotations

import logging
from typing import Any

import attrs
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client as WsgiClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from monocloud_mw import AccessTokenClaims, AsyncBackendClient, BackendClient, ErrorResponse, Rule
from monocloud_mw.adapters.wsgi import ProtectApiMiddleware
from monocloud_mw.errors import ConfigurationError, MonoCloudError
from monocloud_mw.testing import LocalTenant

from .optional_rules import WHERE_OPTIONAL, WHERE_OPTIONAL_STATUSES


class _Recorder:
    """An application that records its environs."""

    def __init__(self) -> None:
        self.environ: dict[str, Any] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer 200."""
        self.environ = environ
        start_response("200 OK", [])
        return [b"reached"]


def _environ(token: str | None = None, **more: Any) -> dict[str, Any]:
    environ = EnvironBuilder("/me").get_environ()
    if token is not None:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return environ | more


def _status(app: Any, environ: dict[str, Any]) -> int:
    return int(run_wsgi_app(app, environ)[1].split()[0])


def test_inbound_claims_are_removed_before_anything_else(client: BackendClient, tenant: LocalTenant) -> None:
    """Claims already in the environ reach neither a public nor a protected handler."""
    app = _Recorder()
    protected = ProtectApiMiddleware(app, client, rules=[Rule("/public", public=True)])
    forged: dict[str, Any] = {"monocloud.claims": AccessTokenClaims({"sub": "mallory"})}
    assert _status(protected, _environ(**forged, PATH_INFO="/public")) == 200
    assert app.environ is not None
    assert "monocloud.claims" not in app.environ
    assert _status(protected, _environ(tenant.mint(subject="alice"), **forged)) == 200
    assert app.environ["monocloud.claims"].subject == "alice"
    app.environ = None
    assert _status(protected, _environ(**forged)) == 401
    assert app.environ is None


def test_the_environment_configures_it(monkeypatch: pytest.MonkeyPatch, tenant: LocalTenant) -> None:
    """Without a client argument, the middleware creates a client from the environment."""
    for name, value in tenant.environment().items():
        monkeypatch.setenv(name, value)
    protected = ProtectApiMiddleware(_Recorder())
    monkeypatch.undo()
    assert isinstance(protected.client, BackendClient)
    with protected.client:
        assert _status(protected, _environ(tenant.mint())) == 200


def test_every_mistake_is_reported_at_once() -> None:
    """One error lists the problems of environment, rules, requirements and callables."""

    async def resolver(environ: Any) -> str:
        return "token"

    with pytest.raises(ConfigurationError) as caught:
        ProtectApiMiddleware(
            _Recorder(),
            scopes=1,  # type: ignore[arg-type]
            rules=[Rule("nowhere")],
            token_resolver=resolver,
            certificate_resolver="header",  # type: ignore[arg-type]
            on_error=resolver,  # type: ignore[arg-type]
        )
    assert [problem.option for problem in caught.value.problems] == [
        "scopes",
        "rules[0] 'nowhere'",
        "tenant_domain",
        "audience",
        "token_resolver",
        "certificate_resolver",
        "on_error",
    ]


def test_an_asynchronous_client_is_refused(async_client: AsyncBackendClient) -> None:
    """An asynchronous client is refused, since its result would be a coroutine."""
    with pytest.raises(ConfigurationError, match=r"^client: must be BackendClient or have its"):
        ProtectApiMiddleware(_Recorder(), async_client)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [None, True, {"sub": "mallory"}])
def test_a_client_that_returns_no_claims_is_a_500(answer: Any) -> None:
    """A client that returns anything but claims gives a 500."""

    class Broken:
        def authenticate(self, credentials: Any, requirements: Any) -> Any:
            return answer

    app = _Recorder()
    assert _status(ProtectApiMiddleware(app, Broken()), _environ("abc")) == 500
    assert app.environ is None


def test_resolvers_get_the_environ(client: BackendClient, tenant: LocalTenant) -> None:
    """A token resolver replaces the header."""
    app = ProtectApiMiddleware(
        _Recorder(), client, token_resolver=lambda environ: environ["HTTP_COOKIE"].partition("=")[2]
    )
    assert _status(app, _environ("ignored", HTTP_COOKIE=f"token= {tenant.mint()} ")) == 200
    assert _status(app, _environ(tenant.mint(), HTTP_COOKIE="")) == 401


def test_a_failing_resolver_is_a_500_without_details(
    client: BackendClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets no details; the log has the place and not the message."""

    def resolver(environ: Any) -> str:
        raise KeyError("canary")

    app = ProtectApiMiddleware(_Recorder(), client, token_resolver=resolver)
    body, status, _ = run_wsgi_app(app, _environ())
    assert (status, b"canary" in b"".join(body)) == ("500 Internal Server Error", False)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(
        f"Access token not checked: token_resolver raised KeyError (raised at {__file__}:"
    )
    assert "canary" not in caplog.text


def test_on_error_renders_its_own_response(client: BackendClient) -> None:
    """on_error may answer a refused request or return None for the default response."""
    seen: list[tuple[MonoCloudError, str]] = []

    def teapot(environ: Any, start_response: Any) -> list[bytes]:
        start_response("418 I'm a teapot", [])
        return [b"short and stout"]

    def on_error(error: MonoCloudError, response: ErrorResponse, environ: Any) -> Any:
        seen.append((error, environ["PATH_INFO"]))
        return None if environ["PATH_INFO"] == "/ours" else teapot

    app = ProtectApiMiddleware(_Recorder(), client, on_error=on_error)
    assert _status(app, _environ(PATH_INFO="/theirs")) == 418
    assert _status(app, _environ(PATH_INFO="/ours")) == 401
    assert [path for _, path in seen] == ["/theirs", "/ours"]
    assert {str(error) for error, _ in seen} == {"The request has no access token"}


@pytest.mark.parametrize("answer", ["sorry", 0, b"", {"error": "x"}, (401, "x"), lambda: None])
def test_an_on_error_that_returns_nonsense_is_named(client: BackendClient, answer: Any) -> None:
    """The server's log says which option it is, and what it may return; the request goes no further."""
    app = _Recorder()
    middleware = ProtectApiMiddleware(app, client, on_error=lambda *_: answer)
    with pytest.raises(
        ConfigurationError, match="on_error: must return an ErrorResponse, a WSGI application or None, not "
    ):
        _status(middleware, _environ())
    assert app.environ is None


def test_an_exception_of_on_error_is_propagated(client: BackendClient) -> None:
    """An exception of on_error reaches the server; the application is not called."""

    def on_error(error: MonoCloudError, response: ErrorResponse, environ: Any) -> Any:
        raise LookupError("of the application")

    app = _Recorder()
    with pytest.raises(LookupError, match="of the application"):
        _status(ProtectApiMiddleware(app, client, on_error=on_error), _environ())
    assert app.environ is None


def test_a_mounted_application_has_rules_below_its_prefix(client: BackendClient, tenant: LocalTenant) -> None:
    """Rules are written without SCRIPT_NAME, which cannot be used to avoid one."""
    rules = [Rule("/public", public=True), Rule("/api/admin/<path:x>", groups="admin")]
    protected = ProtectApiMiddleware(_Recorder(), client, rules=rules)
    mounted = DispatcherMiddleware(_Recorder(), {"/api": protected})
    token = tenant.mint()
    assert _status(mounted, _environ(PATH_INFO="/api/public")) == 200
    assert _status(mounted, _environ(PATH_INFO="/api/unnamed")) == 401
    assert _status(mounted, _environ(token, PATH_INFO="/api/unnamed")) == 200
    assert _status(mounted, _environ(token, PATH_INFO="/api/admin/x")) == 403


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"PATH_INFO": "/caf\xc3\xa9"}, 200),  # UTF-8 as PEP 3333 carries it
        ({"PATH_INFO": "/caf\xc3\xa9", "RAW_URI": "/caf%C3%A9?next=%2F"}, 200),
        ({"PATH_INFO": "/caf\xe9"}, 401),  # not UTF-8
        ({"PATH_INFO": "/caf\u2019"}, 401),  # not PEP 3333
        ({"PATH_INFO": ""}, 401),
        ({"PATH_INFO": "/static/a/b", "RAW_URI": "/static/a%2Fb?x=%2F"}, 200),
        ({"PATH_INFO": "/static/b", "RAW_URI": "/static%2Fb"}, 401),
        ({"PATH_INFO": "/static/b", "RAW_URI": None, "REQUEST_URI": "/static%2Fb"}, 401),
        ({"PATH_INFO": "/static/b", "RAW_URI": None, "REQUEST_URI": None}, 200),
    ],
)
def test_paths_are_decoded_as_pep_3333_says(
    client: BackendClient, changes: dict[str, str], status: int
) -> None:
    """Paths are decoded as PEP 3333 says; the raw request target is used if the server provides it."""
    rules = [Rule("/caf\u00e9", public=True), Rule("/static/<path:x>", public=True)]
    assert _status(ProtectApiMiddleware(_Recorder(), client, rules=rules), _environ(**changes)) == status


def test_an_environ_without_a_path_is_the_root(client: BackendClient) -> None:
    """PATH_INFO and SCRIPT_NAME may be absent (PEP 3333)."""
    environ = _environ()
    del environ["PATH_INFO"], environ["SCRIPT_NAME"]
    assert _status(ProtectApiMiddleware(_Recorder(), client, rules=[Rule("/", public=True)]), environ) == 200


def test_the_application_is_kept_as_app(client: BackendClient) -> None:
    """The wrapped application is available as `app`, as other tools expect."""
    app = _Recorder()
    assert ProtectApiMiddleware(app, client).app is app


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("OPTIONS", {"HTTP_ORIGIN": "https://a", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST"}, 200),
        ("OPTIONS", {"HTTP_ORIGIN": "https://a"}, 401),
        ("OPTIONS", {"HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST"}, 401),
        ("GET", {"HTTP_ORIGIN": "https://a", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST"}, 401),
    ],
)
def test_allowed_cors_preflights_pass(
    client: BackendClient, method: str, headers: dict[str, str], status: int
) -> None:
    """With the option, only CORS preflights pass."""
    environ = {"REQUEST_METHOD": method, **headers}
    allowed = ProtectApiMiddleware(_Recorder(), client, allow_cors_preflight=True)
    assert _status(allowed, _environ(**environ)) == status
    assert _status(ProtectApiMiddleware(_Recorder(), client), _environ(**environ)) == 401


def test_an_optional_token_may_be_absent_but_not_invalid(client: BackendClient, tenant: LocalTenant) -> None:
    """Anonymous requests reach the application without claims; an invalid token is refused."""
    app = _Recorder()
    protected = ProtectApiMiddleware(app, client, optional=True, scopes="a")
    assert _status(protected, _environ() | {"monocloud.claims": "forged"}) == 200
    assert app.environ is not None
    assert "monocloud.claims" not in app.environ
    assert _status(protected, _environ(tenant.mint(scopes="a"))) == 200
    assert app.environ["monocloud.claims"].scopes == {"a"}
    assert _status(protected, _environ(tenant.mint())) == 403
    assert _status(protected, _environ("x")) == 401


@pytest.mark.parametrize(("method", "path", "status"), WHERE_OPTIONAL_STATUSES, ids=str)
def test_where_a_rule_applies_the_token_is_not_optional(
    client: BackendClient, method: str, path: str, status: int
) -> None:
    """A rule's requirements cannot be avoided by sending no token."""
    protected = ProtectApiMiddleware(_Recorder(), client, optional=True, rules=WHERE_OPTIONAL)
    assert _status(protected, _environ(REQUEST_METHOD=method, PATH_INFO=path)) == status


def test_on_error_may_change_the_default_response(client: BackendClient) -> None:
    """Status, challenge and Cache-Control: no-store stay; Content-Length is that of the new body."""

    def on_error(error: MonoCloudError, response: ErrorResponse, environ: Any) -> ErrorResponse:
        return response.with_body(b"sorry", "text/plain")

    answer = WsgiClient(ProtectApiMiddleware(_Recorder(), client, on_error=on_error)).get("/")
    assert (answer.status_code, answer.data) == (401, b"sorry")
    assert answer.headers.to_wsgi_list() == [
        ("Content-Type", "text/plain"),
        ("Cache-Control", "no-store"),
        ("WWW-Authenticate", "Bearer"),
        ("Content-Length", "5"),
    ]


@pytest.mark.parametrize(("status", "line"), [(404, "404 Not Found"), (498, "498 Unknown")])
def test_on_error_may_choose_any_status(client: BackendClient, status: int, line: str) -> None:
    """A status that no registry lists is sent like any other, as on ASGI."""

    def on_error(error: MonoCloudError, response: ErrorResponse, environ: Any) -> ErrorResponse:
        return attrs.evolve(response, status=status)

    assert WsgiClient(ProtectApiMiddleware(_Recorder(), client, on_error=on_error)).get("/").status == line
