"""The same API as a plain ASGI app: rules of the middleware declare the requirements of each path."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

from monocloud_mw import Rule
from monocloud_mw.adapters.asgi import ProtectApiMiddleware


async def api(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    claims = scope.get("monocloud.claims")
    answers: dict[str, Any] = {
        "/healthz": {"status": "ok"},
        "/me": claims,
        "/orders": {"orders": [], "seen_by": claims and claims.subject},
        "/admin/users": {"users": [], "seen_by": claims and claims.subject},
    }
    answer = answers.get(scope["path"])
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 404 if answer is None else 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def client_certificate(scope: dict[str, Any]) -> str | None:
    """Return the certificate from the proxy's header; the proxy must remove this header from requests."""
    return dict(scope["headers"]).get(b"client-cert", b"").decode("latin-1") or None


app = ProtectApiMiddleware(
    api,
    rules=[
        Rule("/healthz", public=True),
        Rule("/orders", scopes=["orders:read"]),
        Rule("/admin/<path:rest>", groups=["admin"]),
    ],
    certificate_resolver=client_certificate,
)
