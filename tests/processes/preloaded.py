"""The module that gunicorn loads before it forks: one client for all workers, and an API that returns its
process.

``PRELOAD`` is the state of the client: ``cold`` is empty, ``warm`` has the keys, and ``leading``
is fetching them.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

from monocloud_mw import AsyncBackendClient, BackendClient
from monocloud_mw.adapters import asgi, wsgi


def _preload(prefetch: Any) -> None:
    match os.environ["PRELOAD"]:
        case "warm":
            prefetch()
        case "leading":
            threading.Thread(target=prefetch, daemon=True).start()


def create_wsgi_app() -> wsgi.ProtectApiMiddleware:
    """Return the API for gunicorn's own workers."""

    def answer(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]

    client = BackendClient(response_timeout=100)
    _preload(client.prefetch)
    return wsgi.ProtectApiMiddleware(answer, client)


def create_asgi_app() -> asgi.ProtectApiMiddleware:
    """Return the API for workers with an event loop."""

    async def answer(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

    client = AsyncBackendClient(response_timeout=100)
    _preload(lambda: asyncio.run(client.prefetch()))
    return asgi.ProtectApiMiddleware(answer, client)
