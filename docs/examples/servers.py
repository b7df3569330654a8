"""Runs the example API once per framework, each under a real server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

HERE: Final = Path(__file__).parent
START_SECONDS: Final = 30

GUNICORN: Final = ("gunicorn", "--threads=4", "--log-level=warning", "--bind={address}")
UVICORN: Final = ("uvicorn", "--log-level=warning", "--host={host}", "--port={port}")

SERVERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Flask": (*GUNICORN, "flask_app:app"),
    "WSGI": (*GUNICORN, "wsgi_app:app"),
    "ASGI": (*UVICORN, "asgi_app:app"),
    "FastAPI": (*UVICORN, "fastapi_app:app"),
    "Django": (*GUNICORN, "django_app:app"),
}


@contextmanager
def running_servers(
    environment: Mapping[str, str], ports: Mapping[str, int] | None = None, log: IO[str] | None = None
) -> Iterator[dict[str, str]]:
    """Start all servers, yield their base URLs by name, and stop them.

    Args:
        environment: environment variables for the servers, in addition to those of this process.
        ports: the ports of the servers; default: free ports.
        log: a file for the output of the servers; default: that of this process.
    """
    with ExitStack() as stack:
        urls = {}
        for name, command in SERVERS.items():
            port = ports[name] if ports else _free_port()
            urls[name] = f"http://127.0.0.1:{port}"
            words = {"host": "127.0.0.1", "port": port, "address": f"127.0.0.1:{port}"}
            process = subprocess.Popen(
                [sys.executable, "-m", *(word.format(**words) for word in command)],
                cwd=HERE,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
            )
            stack.callback(_stop, process)
            _wait_until_listening(name, port, process)
        yield urls


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_until_listening(name: str, port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"the {name} server did not start; its messages are above")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
