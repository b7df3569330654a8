"""``routes``: what each route of an application needs, per framework, and rules that match no route."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Security
from flask import Blueprint, Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.routing import Route as StarletteRoute

from monocloud_mw import Rule
from monocloud_mw.adapters import asgi, wsgi
from monocloud_mw.adapters import fastapi as fastapi_adapter
from monocloud_mw.adapters import flask as flask_adapter
from monocloud_mw.testing import LocalTenant

from ..project.sources import ROOT
from .conftest import Command


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
    app.get("/healthz")(fastapi_adapter.public(lambda: ""))
    app.get("/me", dependencies=[Security(protect.needing(groups=["staff"]))])(lambda: "")
    routes, _ = _list(command, monkeypatch, app)
    assert routes == {
        "GET /orders/{id}": "token; scopes orders orders:read",
        "GET /healthz": "public",
        "GET /me": "token; groups staff",
    }


DJANGO = """
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path

from monocloud_mw.adapters.django import protect, public

settings.configure(
    ROOT_URLCONF="main",
    SECRET_KEY="for tests",
    MIDDLEWARE=["monocloud_mw.adapters.django.ProtectApiMiddleware"],
)
app = get_wsgi_application()

def view(request, **_):
    return HttpResponse()

urlpatterns = [
    path("healthz", public(view)),
    path("undeclared", view),
    path("api/", include([path("orders/<int:id>", protect(scopes=["orders:read"])(view))])),
]
"""


def test_django(tenant: LocalTenant, tmp_path: Path) -> None:
    """Nested patterns, in a process of their own: Django has one set of settings."""
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
    assert finished.stdout.splitlines() == [
        "GET      /healthz              public",
        "GET      /undeclared           token",
        "GET      /api/orders/<int:id>  token; scopes orders:read",
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module_here:app", "cannot be imported: ModuleNotFoundError"),
        ("json:app", "is not in that module"),
        ("json:dumps", "is a function, not an application of Flask"),
    ],
)
def test_no_application(command: Command, name: str, message: str) -> None:
    """The error says why, without a traceback."""
    result = command("routes", name)
    assert (result.status, result.out) == (1, "")
    assert message in result.err
