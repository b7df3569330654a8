"""The small applications that are measured bare and protected; servers import the factories by name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from flask import Flask

from monocloud_mw.adapters import asgi, wsgi

from .least import least_asgi, least_wsgi
from .tokens import AUDIENCE, SCOPE

__all__ = [
    "TENANT_SECONDS",
    "bare_asgi_app",
    "bare_wsgi_app",
    "least_asgi_app",
    "least_wsgi_app",
    "plain_asgi",
    "plain_flask",
    "plain_wsgi",
    "protected_asgi_app",
    "protected_wsgi_app",
    "tenant_app",
]

TENANT_SECONDS: Final = 0.05
BODY: Final = b'{"orders": [{"id": 1, "item": "coffee"}, {"id": 2, "item": "tea"}]}'
HEADERS: Final = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]
RAW_HEADERS: Final = [(name.lower().encode(), value.encode()) for name, value in HEADERS]


def plain_wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer any request, on plain WSGI."""
    start_response("200 OK", HEADERS)
    return [BODY]


async def plain_asgi(scope: Any, receive: Any, send: Any) -> None:
    """Answer any request, on plain ASGI."""
    await send({"type": "http.response.start", "status": 200, "headers": RAW_HEADERS})
    await send({"type": "http.response.body", "body": BODY})


def plain_flask(decorate: Callable[[Any], Any] = lambda view: view) -> Flask:
    """Return the same on Flask, its view decorated."""
    app = Flask(__name__)
    app.add_url_rule("/orders", "orders", decorate(lambda: (BODY, HEADERS)))
    return app


def tenant_app() -> Any:
    """A slow tenant: every opaque token is active, after ``TENANT_SECONDS``."""

    async def tenant(scope: Any, receive: Any, send: Any) -> None:
        issuer = "http://" + dict(scope["headers"])[b"host"].decode()
        if scope["path"].startswith("/.well-known/"):
            document: Any = {
                "issuer": issuer,
                "jwks_uri": f"{issuer}/jwks",
                "introspection_endpoint": f"{issuer}/introspection",
            }
        else:
            await receive()
            await asyncio.sleep(TENANT_SECONDS)
            document = {"active": True, "iss": issuer, "aud": AUDIENCE, "sub": "somebody"}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(document).encode()})

    return tenant


def bare_wsgi_app() -> Any:
    """Return the WSGI application without protection."""
    return plain_wsgi


def bare_asgi_app() -> Any:
    """Return the ASGI application without protection."""
    return plain_asgi


def least_wsgi_app() -> Any:
    """Return the same with the smallest possible middleware."""
    return least_wsgi(plain_wsgi)


def least_asgi_app() -> Any:
    """Return the same with the smallest possible middleware."""
    return least_asgi(plain_asgi)


def protected_wsgi_app() -> Any:
    """Return the same with protection, configured by the environment."""
    return wsgi.ProtectApiMiddleware(plain_wsgi, scopes=[SCOPE])


def protected_asgi_app() -> Any:
    """Return the same with protection, configured by the environment."""
    return asgi.ProtectApiMiddleware(plain_asgi, scopes=[SCOPE])
