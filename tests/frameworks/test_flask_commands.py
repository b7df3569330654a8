"""Applications served by Flask's command line are protected, whichever object the command finds."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from monocloud_mw.testing import LocalTenant

from ..adapters.exchange import call_socket
from .command_lines import serve

pytestmark = pytest.mark.slow

MODULE: Final = """
from flask import Flask
from monocloud_mw.adapters.flask import ProtectApi, current_claims, public

protect = ProtectApi(deny_by_default=True)


def create_app():
    app = Flask(__name__)
    protect.init_app(app)

    @protect(scopes="orders:read")
    @app.get("/orders")
    def orders():
        return {"seen_by": current_claims.subject}

    @app.get("/healthz")
    @public
    def healthz():
        return {"status": "ok"}

    return app
"""
SLOT: Final = """
from flask import Flask, request
from monocloud_mw import Rule
from monocloud_mw.adapters.wsgi import ProtectApiMiddleware

app = Flask(__name__)
app.wsgi_app = ProtectApiMiddleware(
    app.wsgi_app, scopes="orders:read", rules=[Rule("/healthz", public=True)]
)


@app.get("/orders")
def orders():
    return {"seen_by": request.environ["monocloud.claims"].subject}


@app.get("/healthz")
def healthz():
    return {"status": "ok"}
"""
COMMANDS: Final = {
    "application": (f"{MODULE}\napp = create_app()\n", "flask --app main run --port PORT"),
    "factory": (MODULE, "flask --app main:create_app run --port PORT"),
    "debug": (MODULE, "flask --app main run --debug --no-reload --port PORT"),
    "gunicorn": (MODULE, "gunicorn --bind 127.0.0.1:PORT main:create_app()"),
    "wsgi_app": (SLOT, "flask --app main run --port PORT"),
}


@pytest.mark.parametrize(("module", "command"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_line_serves_a_protected_application(
    module: str, command: str, tenant: LocalTenant, tmp_path: Path
) -> None:
    """No token is a 401, a token without the scope a 403, a token with it a 200; public paths are open."""
    (tmp_path / "main.py").write_text(module, encoding="utf-8")
    tokens = [tenant.mint(subject="alice", scopes=scopes) for scopes in ("", "orders:read")]
    with serve(command.split(), tmp_path, tenant.environment(tenant.client)) as port:
        call = call_socket(port)
        without, poor, rich = [
            call("GET", "/orders", headers)
            for headers in ([], *([("Authorization", f"Bearer {token}")] for token in tokens))
        ]
        open_to_all = call("GET", "/healthz", [])
    assert [answer.status for answer in (without, poor, rich, open_to_all)] == [401, 403, 200, 200]
    assert without.headers["www-authenticate"] == "Bearer"
    assert rich.json == {"seen_by": "alice"}
