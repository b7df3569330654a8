"""One small API on every adapter, for the conformance tests and for gunicorn.

Every handler returns the path and the claims that the adapter attached. Flask protects with
decorators, FastAPI with dependencies, WSGI and ASGI with rules:

=================  ==================================================
``/healthz``       nothing
``/me``            a token with the scope ``api``
``POST /orders``   the scopes ``api`` and ``orders:write``
``/admin/users``   the scope ``api`` and the group ``admin``
=================  ==================================================
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request, Response, Security
from flask import Flask, jsonify, request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from monocloud_mw import AsyncBackendClient, BackendClient, Rule
from monocloud_mw.adapters import asgi, starlette, wsgi
from monocloud_mw.adapters.fastapi import AccessRefused, ProtectApi, public
from monocloud_mw.adapters.flask import current_claims, protect_api

ADAPTERS = (
    *("flask", "fastapi", "starlette", "wsgi", "asgi"),
    *("django", "django_async", "rest_framework", "ninja"),
)
DEFAULT_SCOPES = ("api",)
RULES = (
    Rule("/healthz", public=True),
    Rule("/orders", methods=["POST"], scopes=["orders:write"]),
    Rule("/admin/<path:rest>", groups=["admin"]),
)


def create_flask_app(client: BackendClient | None = None, **settings: Any) -> Flask:
    """Return the API on Flask."""
    app = Flask(__name__)
    protect = protect_api(client, scopes=DEFAULT_SCOPES, **settings)

    def answer() -> Any:
        attached = request.environ.get("monocloud.claims")
        return jsonify(path=request.path, claims=attached and current_claims)

    app.add_url_rule("/healthz", "healthz", answer, methods=["GET", "POST"])
    app.add_url_rule("/me", "me", protect(answer))
    app.add_url_rule("/orders", "orders", protect(answer))
    app.add_url_rule("/orders", "order", protect(scopes=["orders:write"])(answer), methods=["POST"])
    app.add_url_rule("/admin/users", "users", protect(groups="admin")(answer))
    return app


def create_fastapi_app(client: AsyncBackendClient | None = None, **settings: Any) -> FastAPI:
    """Return the API on FastAPI, with everything protected that is not public."""
    protect = ProtectApi(client, scopes=DEFAULT_SCOPES, **settings)
    app = FastAPI(dependencies=[Security(protect)])

    async def answer(request: Request) -> Any:
        return {"path": request.url.path, "claims": request.scope.get("monocloud.claims")}

    @public
    def healthz(request: Request) -> Any:
        return {"path": request.url.path, "claims": request.scope.get("monocloud.claims")}

    @app.exception_handler(AccessRefused)
    async def refuse(_request: Request, refused: AccessRefused) -> Response:
        response = refused.response
        return Response(response.body, response.status, dict(response.headers))

    app.add_api_route("/healthz", healthz, methods=["GET", "HEAD", "POST"])
    app.add_api_route("/me", answer, methods=["GET", "HEAD"])
    app.add_api_route("/orders", answer)
    writing = [Security(protect, scopes=["orders:write"])]
    app.add_api_route("/orders", answer, methods=["POST"], dependencies=writing)
    app.add_api_route("/admin/users", answer, dependencies=[Security(protect.needing(groups="admin"))])
    return app


def create_starlette_app(client: AsyncBackendClient | None = None, **settings: Any) -> Starlette:
    """Return the API on Starlette, with its own authentication."""

    async def answer(request: Request) -> Any:
        return JSONResponse({"path": request.url.path, "claims": request.scope.get("monocloud.claims")})

    async def health(request: Request) -> Any:
        return JSONResponse({"path": request.url.path, "claims": None})

    writing = starlette.requires(["api", "orders:write"])(answer)
    return Starlette(
        routes=[
            Route("/healthz", health),
            Route("/me", starlette.requires("api")(answer)),
            Route("/orders", starlette.requires("api")(answer), methods=["GET"]),
            Route("/orders", writing, methods=["POST"]),
            Route("/admin/users", starlette.requires("api", groups="admin")(answer)),
        ],
        middleware=[
            Middleware(
                AuthenticationMiddleware,
                backend=starlette.MonoCloudBackend(client, **settings),
                on_error=starlette.on_error,
            )
        ],
        exception_handlers=starlette.EXCEPTION_HANDLERS,
    )


def create_wsgi_app(client: BackendClient | None = None, **settings: Any) -> wsgi.ProtectApiMiddleware:
    """Return the API on plain WSGI."""

    def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        body = json.dumps({"path": path, "claims": environ.get("monocloud.claims")}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return wsgi.ProtectApiMiddleware(answer, client, scopes=DEFAULT_SCOPES, rules=RULES, **settings)


def create_asgi_app(client: AsyncBackendClient | None = None, **settings: Any) -> asgi.ProtectApiMiddleware:
    """Return the API on plain ASGI; a WebSocket gets the same answer and is closed."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        body = json.dumps({"path": scope["path"], "claims": scope.get("monocloud.claims")})
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": body})
            await send({"type": "websocket.close"})
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body.encode()))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body.encode()}
        )

    return asgi.ProtectApiMiddleware(answer, client, scopes=DEFAULT_SCOPES, rules=RULES, **settings)
