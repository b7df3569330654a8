"""``fastapi run main.py`` with the application of the tutorial."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from monocloud_mw.testing import LocalTenant

from ..free_port import free_port
from ..project.pages import PAGES, list_fences
from .conftest import Bearer

pytestmark = pytest.mark.slow

START_SECONDS = 60


def _programs() -> list[str]:
    fences = list_fences(PAGES["docs/tutorials/fastapi.md"])
    return [fence.body for fence in fences if fence.body.startswith("# main.py\n")]


def _start(program: str, directory: Path, tenant: LocalTenant, port: int) -> subprocess.Popen[str]:
    (directory / "main.py").write_text(program, encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "fastapi", "run", "main.py", "--host", "127.0.0.1", "--port", str(port)],
        cwd=directory,
        env={**os.environ, **tenant.environment(), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def origin(tenant: LocalTenant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the origin of the running application."""
    port = free_port()
    process = _start(_programs()[1], tmp_path_factory.mktemp("api"), tenant, port)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=START_SECONDS)


def test_the_application_of_the_tutorial_runs(origin: str, bearer: Bearer) -> None:
    """It answers as the tutorial says, on a real server."""

    def status(path: str, headers: dict[str, str] | None = None) -> int:
        return requests.get(origin + path, headers=headers, timeout=30).status_code

    assert status("/healthz") == 200
    assert status("/orders") == 401
    assert status("/orders", bearer()) == 403
    assert status("/orders", bearer(scopes="orders:read")) == 200
    assert status("/admin", bearer(groups=["admin"])) == 200
    assert status("/docs") == 200


def test_a_wrong_declaration_stops_the_start(tenant: LocalTenant, tmp_path: Path) -> None:
    """The command ends and names the wrong view and the fix."""
    program = _programs()[1].replace('scopes=["orders:read"]', 'scopes="orders:read"')
    output, _ = _start(program, tmp_path, tenant, free_port()).communicate(timeout=START_SECONDS)
    text = " ".join(output.split())
    assert "GET /orders (main.orders)" in text
    assert "write scopes=['orders:read']" in text
