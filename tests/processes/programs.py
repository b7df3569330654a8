"""Programs that use a client in a subprocess, and a tenant that responds when a test allows it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from .. import gate

__all__ = ["ROOT", "TIMEOUT_SECONDS", "Gate", "Program", "environment", "running"]

ROOT: Final = Path(__file__).parents[2]
TIMEOUT_SECONDS: Final = 120.0  # what must not run out in a test, on the busiest machine
STRICT: Final = ("-X", "dev", "-W", "error", "-W", "ignore:This process:DeprecationWarning")
"""Every warning ends a program, but that of Python 3.12 about forks beside threads, which are the point."""

OPENING: Final = """
import asyncio, logging, os, sys, threading

kind, token = sys.argv[1:]
if kind == "event loop, HTTP in threads":
    sys.modules["httpcore2"] = None  # as without the extra
from monocloud_mw import AsyncBackendClient, BackendClient
from monocloud_mw.core.effects import Instant

# In development mode asyncio tells of every step that took a tenth of a second, and busy machines are slow.
logging.getLogger("asyncio").addFilter(lambda record: not record.msg.startswith("Executing"))

client = (BackendClient if kind == "threads" else AsyncBackendClient)(response_timeout=120)

def call(method, *arguments):
    result = getattr(client, method)(*arguments)
    return result if kind == "threads" else asyncio.run(result)

def validate():
    assert call("validate_access_token", token).subject == "user"

def begin(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread
"""


class Gate(gate.Gate):
    """A gate that waits as long as the programs may take."""

    timeout_seconds = TIMEOUT_SECONDS


class Program:
    """A running program that a test communicates with line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self) -> None:
        """Send a line that the program waits for."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def read(self) -> str:
        """Return the next line that the program prints; an empty one at its end."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def end(self) -> tuple[int, str]:
        """Wait for the end of the program; return its exit code and stderr."""
        _, errors = self._process.communicate(timeout=TIMEOUT_SECONDS)
        return self._process.returncode, errors


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for another process, with additional variables."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]), **variables}


@contextlib.contextmanager
def running(source: str, kind: str, token: str, variables: Mapping[str, str]) -> Iterator[Program]:
    """Run a program that can use ``client``, ``token``, ``call``, ``validate`` and ``begin``."""
    with subprocess.Popen(
        [sys.executable, *STRICT, "-c", OPENING + source, kind, token],
        env=environment(variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()
