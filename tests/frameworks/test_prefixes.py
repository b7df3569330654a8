"""Applications that strip a prefix themselves, alone and mounted: rules apply in both forms."""

from __future__ import annotations

import warnings
from typing import Any, Final

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from monocloud_mw import AsyncBackendClient, BackendClient, ConfigurationError, Rule
from monocloud_mw.adapters import asgi, wsgi
from monocloud_mw.protect.paths import list_known_prefixes
from monocloud_mw.testing import LocalTenant

from ..adapters.exchange import AsgiApp, call_wsgi
from .in_process import call_framework
from .typed_views import create_bottle_app, create_django_asgi_app, create_flask_app, create_quart_app

RULES: Final = [
    Rule("/int/<int:number>", groups=["admin"]),
    Rule("/str/<path:rest>", groups=["admin"]),
    Rule("/healthz", public=True),
]
BELOW: Final = ["/int/7", "/int/+7", "/int/%37", "//int/7", "/str/a", "/str/a%2Fb", "/x/../int/7", "/int/7/"]
FRONTS: Final = [
    *(
        "",
        "/api",
        "/api/",
        "//api",
        "/%61pi",
        "/x/../api",
        "/api/api",
        "/api//",
        "/api/.",
        "/mount",
        "/mount/api",
    ),
    *("/api/mount", "/api%2F", "/API", "/apiapi", "/api;x", "/api%3Fx"),
]


def _create_fastapi(**more: Any) -> FastAPI:
    with warnings.catch_warnings(action="ignore"):  # root_path is deprecated
        app = FastAPI(**more)

    @app.get("/int/{value}")
    def number(value: int) -> str:
        return f"served {value}"

    @app.get("/str/{value:path}")
    def text(value: str) -> str:
        return f"served {value!a}"

    @app.get("/healthz")
    def healthz() -> str:
        return "served"

    return app


def _create_known() -> tuple[AsgiApp, tuple[str, ...]]:
    return _create_fastapi(root_path="/api"), ()


def _create_wrapped() -> tuple[AsgiApp, tuple[str, ...]]:
    return GZipMiddleware(GZipMiddleware(_create_fastapi(root_path="/api"))), ()


def _create_django() -> tuple[AsgiApp, tuple[str, ...]]:
    return create_django_asgi_app(FORCE_SCRIPT_NAME="/api"), ("/api",)


def _create_mounted() -> tuple[AsgiApp, tuple[str, ...]]:
    return Starlette(routes=[Mount("/api", _create_fastapi()), Mount("/", _create_fastapi())]), ("/api/",)


def _create_base_url() -> tuple[AsgiApp, tuple[str, ...]]:
    """An application that strips its own base URL, as Datasette does."""
    inner = _create_fastapi()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/api/"):
            scope = {**scope, "path": scope["path"].removeprefix("/api")}
        await inner(scope, receive, send)

    return app, ("/api",)


APPS = [_create_known, _create_wrapped, _create_django, _create_mounted, _create_base_url]


@pytest.mark.parametrize("root_path", ["", "/mount", "/api"])
@pytest.mark.parametrize("create", APPS, ids=[create.__name__ for create in APPS])
def test_no_prefix_avoids_a_rule(
    create: Any, root_path: str, tenant: LocalTenant, async_client: AsyncBackendClient
) -> None:
    """Whatever the application serves for a protected path, with its prefix or mount, needs the group."""
    app, prefixes = create()
    protected = asgi.ProtectApiMiddleware(app, async_client, rules=RULES, prefixes=prefixes)
    plain = call_framework(app, root_path=root_path)
    call = call_framework(protected, root_path=root_path)
    without = [("Authorization", f"Bearer {tenant.mint()}")]
    within = [("Authorization", f"Bearer {tenant.mint(groups=['admin'])}")]
    targets = [front + path for front in FRONTS for path in BELOW]
    served = [target for target in targets if b"served" in plain("GET", target, ()).body]
    assert [target for target in ("/int/7", "/api/int/7") if target in served]
    for target in served:
        assert call("GET", target, without).status == 403, target
        assert call("HEAD", target, without).status == 403, target
        assert b"served" in call("GET", target, within).body


def test_the_prefix_of_fastapi_is_known_with_add_middleware(
    tenant: LocalTenant, async_client: AsyncBackendClient
) -> None:
    """With add_middleware the application sets root_path before the middleware runs."""
    app = _create_fastapi(root_path="/api")
    app.add_middleware(asgi.ProtectApiMiddleware, client=async_client, rules=RULES)
    without = [("Authorization", f"Bearer {tenant.mint()}")]
    for front in FRONTS:
        for path in BELOW:
            assert b"served" not in call_framework(app)("GET", front + path, without).body
    for path in ("/healthz", "/api/healthz"):
        assert call_framework(app)("GET", path, ()).status == 200


def test_a_public_path_below_the_prefix_needs_a_rule_with_the_prefix(
    async_client: AsyncBackendClient,
) -> None:
    """A path is public only with both forms in rules, since the prefix may not be stripped."""
    app, _prefixes = _create_known()
    rules = [Rule("/healthz", public=True)]
    call = call_framework(asgi.ProtectApiMiddleware(app, async_client, rules=rules))
    assert [call("GET", path, ()).status for path in ("/healthz", "/api/healthz")] == [200, 401]
    rules.append(Rule("/api/healthz", public=True))
    call = call_framework(asgi.ProtectApiMiddleware(app, async_client, rules=rules))
    assert [call("GET", path, ()).status for path in ("/healthz", "/api/healthz")] == [200, 200]


@pytest.mark.parametrize("script_name", ["", "/mount"])
def test_wsgi_takes_prefixes(tenant: LocalTenant, script_name: str) -> None:
    """The middleware has the same option for WSGI applications that strip a prefix."""
    bottle = create_bottle_app()

    def app(environ: Any, start_response: Any) -> Any:
        return bottle({**environ, "PATH_INFO": environ["PATH_INFO"].removeprefix("/api")}, start_response)

    without = [("Authorization", f"Bearer {tenant.mint()}")]
    with BackendClient(**tenant.settings(tenant.client)) as client:
        protected = wsgi.ProtectApiMiddleware(app, client, rules=RULES, prefixes=["/api"])

        def mounted(environ: Any, start_response: Any) -> Any:
            return protected({**environ, "SCRIPT_NAME": script_name}, start_response)

        for path in ("/int/7", "/api/int/7", "/api/int/-7", "/api//int/7", "/%61pi/str/a"):
            assert call_wsgi(mounted)("GET", path, without).status == 403


def test_the_prefix_of_fastapi_is_known_in_an_adapter_to_wsgi(tenant: LocalTenant) -> None:
    """Adapters from ASGI to WSGI, such as that of a2wsgi, keep the application as ``app``."""

    class Adapter:
        app = _create_fastapi(root_path="/api")

        def __call__(self, environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [])
            return [b"served"]

    without = [("Authorization", f"Bearer {tenant.mint()}")]
    with BackendClient(**tenant.settings(tenant.client)) as client:
        call = call_wsgi(wsgi.ProtectApiMiddleware(Adapter(), client, rules=RULES))
        for path in ("/int/7", "/api/int/7", "/api//int/7"):
            assert call("GET", path, without).status == 403
        assert call("GET", "/api/other", without).body == b"served"


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_wrong_prefixes_are_refused_with_all_other_problems(kind: str) -> None:
    """The middleware reports wrong prefixes together with other problems, such as no application."""
    middleware: Any = asgi.ProtectApiMiddleware if kind == "asgi" else wsgi.ProtectApiMiddleware
    client: Any = object()
    with pytest.raises(ConfigurationError) as caught:
        middleware(lambda: None, client, rules=[Rule("/{x}")], prefixes=["api", "/a//b"])
    assert [problem.option for problem in caught.value.problems] == [
        "rules[0] '/{x}'",
        "prefixes",
        "prefixes",
        "client",
        "app",
    ]


def test_only_what_is_a_prefix_is_read_from_an_application() -> None:
    """Attributes of other meaning are not used as prefixes, and a cycle of wrappers ends."""

    class App:
        root_path: object = "api"

    app = App()
    assert list_known_prefixes(app) == []
    app.root_path = None
    assert list_known_prefixes(app) == []
    app.root_path, app.app = "/api", app  # type: ignore[attr-defined]
    assert {"/api"} == set(list_known_prefixes(app))
    assert list_known_prefixes(create_flask_app()) == []
    assert list_known_prefixes(create_quart_app()) == []
    assert list_known_prefixes(PlainTextResponse()) == []
