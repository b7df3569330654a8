"""Runs servers in separate processes, so that they do not share an interpreter with the clients.

Each listens on a socket that is bound before it starts, so the first request simply waits until it is up.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import attrs

__all__ = ["ROOT", "Server", "Serving", "gunicorn", "uvicorn"]

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 60
STOP_SECONDS: Final = 20
BACKLOG: Final = 1024
PARENT: Final = 1  # of the fields after the program's name
USER_AND_SYSTEM_TIME: Final = slice(11, 13)


@attrs.frozen
class Server:
    """A server on this machine.

    Args:
        port: where it listens.
        pid: its first process.
    """

    port: int
    pid: int

    def processor_seconds(self) -> float:
        """Return the processor time of the server and its workers so far."""
        ticks = 0
        for directory in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended
                # The name of the program, in parentheses, is the only field with spaces: proc(5).
                fields = (directory / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                if self.pid in (int(directory.name), int(fields[PARENT])):
                    ticks += sum(map(int, fields[USER_AND_SYSTEM_TIME]))
        return ticks / os.sysconf("SC_CLK_TCK")


Serving: TypeAlias = contextlib.AbstractContextManager[Server]
"""Run a server during a ``with`` block."""


def uvicorn(factory: str, environ: Mapping[str, str] | None = None, *, http: str = "httptools") -> Serving:
    """Serve the ASGI application that ``factory`` of :mod:`.apps` returns, in one process.

    Args:
        factory: the name of a function.
        environ: beside what the environment has.
        http: who reads requests: ``h11`` is what uvicorn brings along, ``httptools`` is in C.
    """
    options = ("--factory", "--no-access-log", "--log-level", "error", "--lifespan", "off", "--http", http)
    return _serve(("uvicorn", f"{__package__}.apps:{factory}", *options, "--fd", "{fd}"), environ)


def gunicorn(factory: str, environ: Mapping[str, str] | None = None) -> Serving:
    """Serve a WSGI application in the same way, in one process with four threads."""
    options = ("--worker-class", "gthread", "--threads", "4", "--log-level", "error", "--bind", "fd://{fd}")
    return _serve(("gunicorn", f"{__package__}.apps:{factory}()", *options), environ)


@contextlib.contextmanager
def _serve(command: tuple[str, ...], environ: Mapping[str, str] | None) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listening:
        # Connections inherit this; asyncio sees to it itself, but not for sockets that it is handed.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        descriptor = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", *(word.format(fd=descriptor) for word in command)],
            cwd=ROOT,
            env={**os.environ, **(environ or {})},
            pass_fds=[descriptor],
        )
        try:
            port = listening.getsockname()[1]
            first = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
            with contextlib.closing(first):
                first.request("GET", "/")
                first.getresponse().read()
            yield Server(port, process.pid)
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
