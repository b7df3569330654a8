"""``routes``: what each route of an application needs, per framework, and rules that match no route."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import fastapi
import pytest
from fastapi import APIRouter, FastAPI, Security
from flask import Blueprint, Flask
from starlette.applications import Starlette
from starlette.authentication import requires as starlette_requires
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import Host, Mount, Router, WebSocketRoute
from starlette.routing import Route as StarletteRoute
from starlette.staticfiles import StaticFiles

from monocloud_mw import Rule
from monocloud_mw.adapters import asgi, wsgi
from monocloud_mw.adapters import fastapi as fastapi_adapter
from monocloud_mw.adapters import flask as flask_adapter
from monocloud_mw.adapters import starlette as starlette_adapter
from monocloud_mw.testing import LocalTenant

from ..project.sources import ROOT
from .conftest import Command

NOTHING = "unknown: no check by monocloud_mw was found"


def _view(**_: Any) -> str:
    return ""


async def _asgi_view(_request: Any) -> Any: ...


def _list(command: Command, monkeypatch: pytest.MonkeyPatch, app: Any) -> tuple[dict[str, str], list[str]]:
    module = types.ModuleType("an_application")
    module.app = app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "an_application", module)
    result = command("routes", "an_application:app", "--json")
    document = json.loads(result.out)
    assert result.status == (1 if document["unused_rules"] else 0)
    routes = {f"{' '.join(row['methods'])} {row['path']}": row["needs"] for row in document["routes"]}
    return routes, document["unused_rules"]


RULES = [
    Rule("/healthz", public=True),
    Rule("/orders", methods=["POST"], scopes=["orders:write"]),
    Rule("/admin/<path:rest>", groups=["admin"]),
    Rule("/ordres", scopes=["misspelt"]),
]


def test_flask_with_declarations(
    tenant: LocalTenant, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deny by default, @public, @protect, optional tokens and blueprints."""
    app = Flask("an_application")
    protect = flask_adapter.ProtectApi(app, deny_by_default=True, scopes="api")
    blueprint = Blueprint("admin", "admin", url_prefix="/admin")
    blueprint.get("/<int:id>")(protect(groups=["admin"])(lambda **_: ""))
    app.get("/healthz", endpoint="healthz")(flask_adapter.public(lambda: ""))
    app.get("/orders", endpoint="orders")(protect(any_scopes=["a", "b"])(lambda: ""))
    app.add_url_rule("/maybe", "maybe", protect(optional=True)(lambda: ""))
    app.add_url_rule("/undeclared", "undeclared", lambda: "", methods=["POST"])
    app.register_blueprint(blueprint)
    routes, _ = _list(command, monkeypatch, app)
    assert routes == {
        "GET /static/<path:filename>": "token; scopes api",
        "GET /healthz": "public",
        "GET /orders": "token; scopes api; any scope of a b",
        "GET /maybe": "token, optional; scopes api",
        "POST /undeclared": "token; scopes api",
        "GET /admin/<int:id>": "token; scopes api; groups admin",
    }


@pytest.mark.parametrize("place", ["inside", "outside"])
def test_flask_with_the_middleware(
    place: str, tenant: LocalTenant, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules count by method and path; one that matches no route is named, and the status is 1."""
    app: Any = Flask("an_application", static_folder=None)
    for path in ("/healthz", "/orders", "/admin/<name>"):
        app.add_url_rule(path, path.replace(".", ""), _view, methods=["GET", "POST"])
    if place == "inside":
        app.wsgi_app = wsgi.ProtectApiMiddleware(app.wsgi_app, rules=RULES)
    else:
        app = wsgi.ProtectApiMiddleware(app, rules=RULES)
    routes, unused = _list(command, monkeypatch, app)
    assert routes == {
        "GET /healthz": "public",
        "POST /healthz": "public",
        "GET /orders": "token",
        "POST /orders": "token; scopes orders:write",
        "GET /admin/<name>": "token; groups admin",
        "POST /admin/<name>": "token; groups admin",
    }
    assert unused == ["rules[3] '/ordres'"]


@pytest.mark.parametrize("place", ["inside", "outside"])
def test_starlette_with_the_middleware(
    place: str, tenant: LocalTenant, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for its routes and mounts."""
    routes = [
        StarletteRoute("/healthz", _asgi_view),
        StarletteRoute("/orders", _asgi_view, methods=["POST"]),
        Mount("/admin", routes=[StarletteRoute("/{name}", _asgi_view)]),
    ]
    app: Any
    if place == "inside":
        app = Starlette(routes=routes, middleware=[Middleware(asgi.ProtectApiMiddleware, rules=RULES)])
    else:
        app = asgi.ProtectApiMiddleware(Starlette(routes=routes), rules=RULES)
    listed, unused = _list(command, monkeypatch, app)
    assert listed == {
        "GET /healthz": "public",
        "POST /orders": "token; scopes orders:write",
        "GET /admin/{name}": "token; groups admin",
    }
    assert unused == ["rules[3] '/ordres'"]


def test_fastapi(tenant: LocalTenant, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dependencies of the application, of routers and of views add up; @public lifts them."""
    protect = fastapi_adapter.ProtectApi()
    app = FastAPI(dependencies=[Security(protect)], openapi_url=None)
    router = APIRouter(prefix="/orders", dependencies=[Security(protect, scopes=["orders"])])
    router.get("/{id}", dependencies=[Security(protect, scopes=["orders:read"])])(_view)
    app.include_router(router)
    app.frontend("/files", directory=Path(__file__).parent)
    app.get("/healthz")(fastapi_adapter.public(lambda: ""))
    app.get("/me", dependencies=[Security(protect.needing(groups=["staff"]))])(lambda: "")
    routes, _ = _list(command, monkeypatch, app)
    assert routes == {
        "GET /orders/{id}": "token; scopes orders orders:read",
        "GET /healthz": "public",
        "GET /me": "token; groups staff",
        "GET /files": NOTHING if fastapi.__version__.startswith("0.138.") else "token",
    }


@pytest.mark.parametrize("routes", [[], [Rule("/<path:rest>", public=True)]], ids=["unknown", "public"])
def test_only_what_is_declared_is_public(
    routes: list[Rule], tenant: LocalTenant, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no check is found, a view may have one of its own."""
    plain: Any = Flask("an_application", static_folder=None)
    plain.add_url_rule("/orders", "orders", _view)
    if routes:
        plain.wsgi_app = wsgi.ProtectApiMiddleware(plain.wsgi_app, rules=routes)
    found = "public" if routes else NOTHING
    assert _list(command, monkeypatch, plain)[0] == {"GET /orders": found}


def test_starlette_with_its_own_authentication(
    tenant: LocalTenant, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ``requires``, on functions, methods and WebSockets, and the backend that reads tokens."""

    class Endpoint(HTTPEndpoint):
        @starlette_requires(["authenticated", "orders:read"])
        async def get(self, request: Any) -> Any: ...

        @starlette_adapter.requires("orders:write", groups=["staff"])
        async def post(self, request: Any) -> Any: ...

    @starlette_adapter.requires(any_scopes=["a", "b"])
    async def socket(websocket: Any) -> None: ...

    routes = [
        StarletteRoute("/endpoint", Endpoint),
        StarletteRoute("/plain", _asgi_view, methods=["GET", "POST"]),
        StarletteRoute("/any", _AnyEndpoint()),
        StarletteRoute("/empty", type("Empty", (HTTPEndpoint,), {})),
        WebSocketRoute("/socket", socket),
    ]
    backend = starlette_adapter.MonoCloudBackend()
    app = Starlette(routes=routes, middleware=[Middleware(AuthenticationMiddleware, backend=backend)])
    listed, _ = _list(command, monkeypatch, app)
    assert listed == {
        "GET /endpoint": "token, optional; requires authenticated orders:read",
        "POST /endpoint": "token; scopes orders:write; groups staff",
        "GET POST /plain": "token, optional",
        "ANY /any": "token, optional",
        "ANY /empty": "token, optional",
        "WEBSOCKET /socket": "token; any scope of a b",
    }


class _Wrapper:
    """Replaces an adapter from WSGI to ASGI, such as that of a2wsgi."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class _AnyEndpoint:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


def test_mounts(tenant: LocalTenant, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Applications of all kinds are looked into; what cannot be read is not called public."""
    protect = fastapi_adapter.ProtectApi()
    inner = FastAPI(dependencies=[Security(protect, scopes=["inner"])], docs_url=None, redoc_url=None)
    inner.get("/items")(lambda: "")
    flask_app = Flask("an_application", static_folder=None)
    flask_app.add_url_rule("/legacy", "legacy", flask_adapter.protect_api()(_view))
    rules = [Rule("/secret/<path:rest>", scopes=["secret"]), Rule("/nowhere")]
    app = Starlette(
        routes=[
            Mount("/fastapi", inner),
            Mount("/flask", _Wrapper(flask_app)),
            Mount("/files", StaticFiles(directory=str(ROOT / "docs"))),
            Mount("/closed", asgi.ProtectApiMiddleware(_AnyEndpoint(), rules=rules)),
            Host("api.example.com", Router([StarletteRoute("/hosted", _asgi_view)])),
            Mount("/router", Router([StarletteRoute("/", _asgi_view)])),
        ]
    )
    listed, unused = _list(command, monkeypatch, app)
    assert listed == {
        "GET /fastapi/openapi.json": "public",
        "GET /fastapi/items": "token; scopes inner",
        "GET /flask/legacy": "token",
        "ANY /files/{path:path}": "unknown: mounts StaticFiles",
        "ANY /closed/{path:path}": "token; unknown: mounts _AnyEndpoint; "
        "unknown: some of its paths have other rules: "
        "rules[0] '/secret/<path:rest>', rules[1] '/nowhere'",
        "GET /hosted": NOTHING,
        "GET /router/": NOTHING,
    }
    assert unused == []


def test_a_rule_for_some_of_the_paths_of_a_route(
    tenant: LocalTenant, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The route does not get what only some of its paths need, and the rule does not count as unused."""
    rules = [
        Rule("/orders/latest", groups=["staff"]),
        Rule("/orders/<int:id>", public=True),
        Rule("/items/latest"),
        Rule("/typed/<uuid:id>", scopes=["typed"]),
    ]
    routes = [
        StarletteRoute("/orders/{name}", _asgi_view),
        StarletteRoute("/items/{number:int}", _asgi_view, methods=["GET", "PUT"]),
        StarletteRoute("/typed/{id:uuid}", _asgi_view),
    ]
    listed, unused = _list(
        command, monkeypatch, asgi.ProtectApiMiddleware(Starlette(routes=routes), rules=rules)
    )
    assert listed == {
        "GET /orders/{name}": "token; unknown: some of its paths have other rules: "
        "rules[0] '/orders/latest', rules[1] '/orders/<int:id>'",
        "GET PUT /items/{number:int}": "token",
        "GET /typed/{id:uuid}": "token; scopes typed",
    }
    assert unused == ["rules[2] '/items/latest'"]


def test_methods_that_need_different_things_are_listed_apart(
    tenant: LocalTenant, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A route with several methods has a line for each thing that is asked for."""
    app = FastAPI(openapi_url=None)
    app.api_route("/orders", methods=["GET", "POST", "PUT"])(lambda: "")
    rules = [Rule("/orders", methods=["GET"], public=True), Rule("/orders", methods=["POST"], scopes=["w"])]
    listed, _ = _list(command, monkeypatch, asgi.ProtectApiMiddleware(app, rules=rules))
    assert listed == {"GET /orders": "public", "POST /orders": "token; scopes w", "PUT /orders": "token"}


DJANGO = """
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path, re_path

settings.configure(
    ROOT_URLCONF="main",
    SECRET_KEY="for tests",
    MIDDLEWARE=["monocloud_mw.adapters.django.ProtectApiMiddleware"],
    MONOCLOUD_BACKEND={"scopes": ["api"], "public_views": ["main.Listed"], "public_apps": ["ninja"]},
    REST_FRAMEWORK={"UNAUTHENTICATED_USER": None, "DEFAULT_AUTHENTICATION_CLASSES": []},
)
app = get_wsgi_application()

from django.views import View
from django.views.decorators.http import require_http_methods, require_safe
from ninja import NinjaAPI
from ninja.security import HttpBearer
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAdminUser
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from monocloud_mw.adapters.django import protect, public
from monocloud_mw.adapters.django.ninja import AccessTokenAuth
from monocloud_mw.adapters.django.rest_framework import AccessTokenAuthentication, HasGroups, HasScopes

def view(request, **_):
    return HttpResponse()

class Listed(View):
    def get(self, request): ...
    def post(self, request): ...

class Plain(View):
    def delete(self, request): ...

class Orders(ViewSet):
    authentication_classes = [AccessTokenAuthentication]
    permission_classes = [HasScopes("orders:read", "b") & ~HasGroups("suspended") | IsAdminUser]
    def list(self, request): ...
    def create(self, request): ...

class Own(APIView):
    authentication_classes = property(lambda self: [])
    def get_permissions(self): ...
    def put(self, request): ...

@api_view(["PATCH"])
@permission_classes([IsAdminUser])
def function(request): ...

class Other(HttpBearer):
    def authenticate(self, request, token): ...

ninja = NinjaAPI(docs_url=None, openapi_url=None)
ninja.get("/items", auth=AccessTokenAuth(scopes=["items"]))(lambda request: "")
ninja.post("/items", auth=[AccessTokenAuth(), Other()])(lambda request: "")
ninja.get("/open")(lambda request: "")

router = SimpleRouter()
router.register("viewset", Orders, basename="orders")

urlpatterns = [
    path("healthz", public(view)),
    path("undeclared", view),
    path("api/", include([path("orders/<int:id>", protect(scopes=["orders:read"])(view))])),
    re_path(r"^old/(?P<id>[0-9]+)/$", require_http_methods(["GET", "PUT"])(view)),
    path("safe", require_safe(view)),
    path("listed", Listed.as_view()),
    path("plain", Plain.as_view()),
    path("own", Own.as_view()),
    path("function", function),
    path("", include(router.urls)),
    path("ninja/", ninja.urls),
]
"""
DJANGO_ROUTES = [
    "ANY      /healthz              public",
    "ANY      /undeclared           token; scopes api",
    "ANY      /api/orders/<int:id>  token; scopes api orders:read",
    "GET,PUT  /old/<id>/            token; scopes api",
    "GET      /safe                 token; scopes api",
    "GET,POST /listed               public",
    "DELETE   /plain                token; scopes api",
    "PUT      /own                  token; scopes api; unknown: authentication_classes is not a list;"
    " unknown: get_permissions() decides",
    "PATCH    /function             token; scopes api; authentication none; permissions IsAdminUser",
    "GET,POST /viewset/             token; scopes api; authentication AccessTokenAuthentication;"
    " permissions ((HasScopes(b, orders:read) & ~HasGroups(suspended)) | IsAdminUser)",
    "GET      /ninja/items          token; scopes items",
    "POST     /ninja/items          auth AccessTokenAuth or Other",
    f"GET      /ninja/open           {NOTHING}",
    f"ANY      /ninja/               {NOTHING}",
]


def test_django(tenant: LocalTenant, tmp_path: Path) -> None:
    """All kinds of views, in a process of their own: Django has one set of settings."""
    (tmp_path / "main.py").write_text(DJANGO)
    finished = subprocess.run(
        [sys.executable, "-m", "monocloud_mw", "routes", "main:app"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), **tenant.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.splitlines() == DJANGO_ROUTES


@pytest.mark.parametrize("broken", [False, True])
def test_modules_that_django_imports_with_the_first_request(
    broken: bool, tenant: LocalTenant, tmp_path: Path
) -> None:
    """A project has its URLconf and its applications in the current directory; a failure there is named."""
    shop, orders = tmp_path / "shop", tmp_path / "orders"
    for folder in (shop, orders):
        folder.mkdir()
        (folder / "__init__.py").touch()
    (shop / "settings.py").write_text("ROOT_URLCONF = 'shop.urls'\nSECRET_KEY = 'for tests'\n")
    (shop / "wsgi.py").write_text(
        "import os\nfrom django.core.wsgi import get_wsgi_application\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'\napplication = get_wsgi_application()\n"
    )
    (shop / "urls.py").write_text(
        "from django.urls import path\nfrom orders import views\n"
        "urlpatterns = [path('orders', views.orders)]\n"
    )
    (orders / "views.py").write_text(
        "1 / 0\n"
        if broken
        else "from monocloud_mw.adapters.django import protect\n"
        "@protect(scopes=['orders:read'])\ndef orders(request): ...\n"
    )
    finished = subprocess.run(
        [sys.executable, "-m", "monocloud_mw", "routes", "shop.wsgi"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", **tenant.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (
        (1, "", "error: the application cannot be imported: ZeroDivisionError in 'views.py', line 1\n")
        if broken
        else (0, "ANY      /orders  token; scopes orders:read\n", "")
    )


FACTORY = """
from flask import Flask
from monocloud_mw.adapters.flask import ProtectApi

def create_app():
    app = Flask(__name__, static_folder=None)
    ProtectApi(app, deny_by_default=True)
    app.add_url_rule("/orders", view_func=lambda: "", endpoint="orders")
    return app

def fails():
    raise ValueError("a secret")

def with_arguments(name):
    return create_app()

def leaves():
    import sys
    sys.path = sys.path[1:]
    return create_app()
"""


@pytest.mark.parametrize(
    ("name", "out", "err"),
    [
        ("create_app", "GET      /orders  token\n", ""),
        ("leaves", "GET      /orders  token\n", ""),
        (
            "fails",
            "",
            "error: the application cannot be created by its factory: ValueError in 'factory.py', line 12\n",
        ),
        (
            "with_arguments",
            "",
            "error: the application cannot be created by its factory: it cannot be called without "
            "arguments; name a function, or leave out --factory\n",
        ),
        (
            "__doc__",
            "",
            "error: the application cannot be created by its factory: it cannot be called without "
            "arguments; name a function, or leave out --factory\n",
        ),
    ],
)
def test_a_factory(
    name: str,
    out: str,
    err: str,
    tenant: LocalTenant,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With ``--factory``, as in uvicorn, the application is what the named function returns."""
    for variable, value in tenant.environment().items():
        monkeypatch.setenv(variable, value)
    (tmp_path / "factory.py").write_text(FACTORY)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "factory", raising=False)
    result = command("routes", f"factory:{name}", "--factory")
    assert (result.status, result.out, result.err) == (1 if err else 0, out, err)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module_here:app", "cannot be imported: ModuleNotFoundError"),
        (":app", "cannot be imported: ValueError; name it as module:name"),
        (".main:app", "cannot be imported: TypeError; name it as module:name"),
        ("json:app", "is not in that module"),
        ("json:dumps", "Django application; if it returns the application, add --factory"),
        ("json:decoder", "is a module, not a Flask, FastAPI, Starlette or Django application\n"),
    ],
)
def test_no_application(command: Command, name: str, message: str) -> None:
    """The error says why, without a traceback."""
    result = command("routes", name)
    assert (result.status, result.out) == (1, "")
    assert message in result.err


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_module_here", "it imports no_such_module_here, which is not installed"),
        (
            "from monocloud_mw import Options\nOptions(audience='x', tenant_domain='http://a.test')",
            "cannot be imported: tenant_domain (MONOCLOUD_BACKEND_TENANT_DOMAIN): must be https://",
        ),
        ("x = 1\nraise ValueError('a secret')", "cannot be imported: ValueError in 'broken_2.py', line 2\n"),
        ("x = 1\ndef", "cannot be imported: SyntaxError in 'broken_3.py', line 2\n"),
    ],
    ids=["missing package", "wrong option", "other", "syntax"],
)
def test_an_application_that_cannot_be_imported(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    source: str,
    message: str,
) -> None:
    """The error names a missing package or a wrong option."""
    name = f"broken_{request.node.callspec.indices['source']}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    result = command("routes", f"{name}:app")
    assert (result.status, result.out) == (1, "")
    assert message in result.err
