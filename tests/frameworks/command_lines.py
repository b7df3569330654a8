"""Run a command line in a subprocess, on a free port of this machine, as a user would."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from ..free_port import free_port
from ..project.pages import PAGES, list_fences
from ..project.sources import ROOT

__all__ = ["find_example", "finish", "serve"]

START_SECONDS: Final = 90
"""How long a start may take on a machine that does other things as well."""


def find_example(page: str, mark: str) -> str:
    """Return the first Python block of a guide that contains ``mark``."""
    fences = list_fences(PAGES[f"docs/how-to/{page}.md"])
    return next(fence.body for fence in fences if fence.language == "python" and mark in fence.body)


@contextlib.contextmanager
def serve(command: Sequence[str], directory: Path, environ: Mapping[str, str]) -> Iterator[int]:
    """Run a command, with a free port in place of ``PORT``, until the block ends; give the port."""
    port = free_port()
    with _start(command, directory, environ, port) as process:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            if process.poll() is not None or time.monotonic() > deadline:
                _end(process)
                raise AssertionError(f"{command} does not serve: {_output(directory)}")
            time.sleep(0.05)
        yield port


def finish(command: Sequence[str], directory: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run a command that ends by itself; return its exit status and its output."""
    with _start(command, directory, environ, free_port()) as process:
        status = process.wait(START_SECONDS)
    return status, _output(directory)


@contextlib.contextmanager
def _start(
    command: Sequence[str], directory: Path, environ: Mapping[str, str], port: int
) -> Iterator[subprocess.Popen[bytes]]:
    arguments = [argument.replace("PORT", str(port)) for argument in command]
    program = Path(sys.executable).with_name(arguments[0])
    with (directory / "output.log").open("wb") as output:
        process = subprocess.Popen(
            [str(program), *arguments[1:]],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)]), **environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that the signal also reaches reloaders and workers
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _output(directory: Path) -> str:
    return (directory / "output.log").read_text(encoding="utf-8", errors="replace")
