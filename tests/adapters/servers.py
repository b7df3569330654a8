"""Real servers for the sample API: Werkzeug and uvicorn in threads, gunicorn in a subprocess.

All listen on a socket that is bound before they start, so clients can connect at once without polling.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from werkzeug.serving import WSGIRequestHandler, make_server

ROOT = Path(__file__).parents[2]
JOIN_SECONDS = 20


class _SilentHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        pass


@contextlib.contextmanager
def werkzeug_server(app: Any) -> Iterator[int]:
    """Serve a WSGI application with Werkzeug's development server; give its port."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_SilentHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="werkzeug")
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join(JOIN_SECONDS)
        server.server_close()


@contextlib.contextmanager
def uvicorn_server(app: Any, **settings: Any) -> Iterator[int]:
    """Serve an ASGI application with uvicorn; give its port."""
    config = uvicorn.Config(app, **{"log_config": None, "access_log": False, "lifespan": "off", **settings})
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listening])), name="uvicorn"
        )
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(JOIN_SECONDS)


@contextlib.contextmanager
def gunicorn_server(app: str, environ: Mapping[str, str]) -> Iterator[int]:
    """Serve a WSGI application, given as ``module:callable()``, with gunicorn; give its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        command = [
            *(sys.executable, "-m", "gunicorn", "--bind", f"fd://{listening.fileno()}"),
            *("--worker-class", "gthread", "--threads", "4", "--log-level", "error", app),
        ]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environ},
            pass_fds=[listening.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield listening.getsockname()[1]
        finally:
            process.terminate()
            process.wait(JOIN_SECONDS)
