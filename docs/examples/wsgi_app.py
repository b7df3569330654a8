"""The same API as a plain WSGI app: rules of the middleware declare the requirements of each path."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from monocloud_mw import Rule
from monocloud_mw.adapters.wsgi import ProtectApiMiddleware


def api(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    claims = environ.get("monocloud.claims")
    answers: dict[str, Any] = {
        "/healthz": {"status": "ok"},
        "/me": claims,
        "/orders": {"orders": [], "seen_by": claims and claims.subject},
        "/admin/users": {"users": [], "seen_by": claims and claims.subject},
    }
    answer = answers.get(environ["PATH_INFO"])
    status = "404 Not Found" if answer is None else "200 OK"
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


app = ProtectApiMiddleware(
    api,
    rules=[
        Rule("/healthz", public=True),
        Rule("/orders", scopes=["orders:read"]),
        Rule("/admin/<path:rest>", groups=["admin"]),
    ],
    certificate_resolver=lambda environ: environ.get("HTTP_CLIENT_CERT"),
)
