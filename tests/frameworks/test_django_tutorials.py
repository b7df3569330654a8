"""The tutorials for Django and REST framework, as a reader follows them, in a project of Django's template.

Every block is run, in order, in an empty folder:

- a Python block names its file in its first line; ``at the end`` adds to the file of the template;
- ``bash`` blocks run, except for those that install, and ``runserver``, which is run by a test;
- a ``text`` block that follows is what the commands print.

Afterwards the project is served by Django's own server, gunicorn and uvicorn, and called over HTTP.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from monocloud_mw.testing import LocalTenant

from ..adapters.exchange import call_socket
from ..project.pages import PAGES, list_fences
from ..project.sources import ROOT

pytestmark = pytest.mark.slow

DJANGO: Final = "docs/tutorials/django.md"
REST_FRAMEWORK: Final = "docs/tutorials/django-rest-framework.md"
START_SECONDS: Final = 60
READ: Final[dict[str, Any]] = {"scopes": "orders:read"}
SALES: Final[dict[str, Any]] = {"groups": ["sales"]}

Token: TypeAlias = dict[str, Any] | None

ANSWERS: Final[dict[str, list[tuple[str, Token, int]]]] = {
    DJANGO: [
        ("GET /ping", None, 200),
        ("GET /whoami", None, 401),
        ("GET /whoami", {}, 200),
        ("GET /orders", None, 401),
        ("GET /orders", {}, 403),
        ("HEAD /orders", {}, 403),
        ("GET /orders", READ, 200),
        ("GET /orders", {"scopes": "orders:read", "lifetime_seconds": -300}, 401),
        ("GET /invoices", READ, 403),
        ("GET /invoices", SALES, 200),
        ("POST /invoices", SALES, 403),
        ("POST /invoices", {"scopes": "invoices:write", **SALES}, 200),
        ("GET /offers", None, 200),
        ("GET /offers", {}, 200),
        ("GET /offers", {"lifetime_seconds": -300}, 401),
        ("GET /profile", None, 401),
        ("GET /admin/login/", None, 200),
        ("GET /nowhere", None, 404),
    ],
    REST_FRAMEWORK: [
        ("GET /ping", None, 200),
        ("GET /orders", None, 401),
        ("GET /orders", {}, 403),
        ("GET /orders", READ, 200),
        ("GET /orders", {"groups": ["suspended"], **READ}, 403),
        ("GET /reports", {}, 403),
        ("GET /reports", {"groups": ["auditors"]}, 200),
        ("GET /ninja/whoami", None, 401),
        ("GET /ninja/whoami", {}, 200),
        ("GET /ninja/orders", {}, 403),
        ("GET /ninja/orders", READ, 200),
        ("GET /schema?format=json", None, 200),
    ],
}


@pytest.fixture(scope="module", params=ANSWERS)
def tutorial(
    request: pytest.FixtureRequest, tenant: LocalTenant, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """Follow a tutorial; return its page and the project directory."""
    page: str = request.param
    folder = tmp_path_factory.mktemp("shop")
    for fence in list_fences(PAGES[page]):
        body = fence.body.replace("https://acme.us.monocloud.com", tenant.domain)
        body = body.replace("https://api.acme.com", tenant.audience)
        if fence.language == "python":
            _write(folder, body)
        elif fence.language == "bash":
            printed = _run(folder, body)
            if fence.follower is not None and fence.follower.language == "text":
                assert printed == fence.follower.body
        else:
            assert fence.language == "text"
    with (folder / "shop" / "settings.py").open("a", encoding="utf-8") as settings:
        settings.write('\nALLOWED_HOSTS = ["api.example.com"]  # what these tests call the API\n')
    return page, folder


def _write(folder: Path, code: str) -> None:
    """Write a block to the file named in its first line."""
    first, _, rest = code.partition("\n")
    name, _, place = first.removeprefix("# ").partition(", ")
    path = folder / name
    assert path.parent.is_dir(), first
    before = path.read_text(encoding="utf-8") if place == "at the end" else ""
    path.write_text(f"{before}\n{rest}" if before else code, encoding="utf-8")


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",  # a file may change twice in one second
        "PYTHONWARNINGS": "error,default::DeprecationWarning:ninja",
    }


def _run(folder: Path, commands: str) -> str:
    """Run the commands of a block and return what they print."""
    if "pip install" in commands or "runserver" in commands:
        return ""
    finished = subprocess.run(
        ["bash", "-e", "-c", commands],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=_environment(),
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@contextlib.contextmanager
def _serving(folder: Path, server: str) -> Iterator[int]:
    """Serve a project and give the port."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        port, fd = listening.getsockname()[1], listening.fileno()
        command = {
            "runserver": ["manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
            "gunicorn": ["-m", "gunicorn", "--bind", f"fd://{fd}", "shop.wsgi"],
            "uvicorn": ["-m", "uvicorn", "--fd", str(fd), "--lifespan", "off", "shop.asgi:application"],
        }[server]
        if server == "runserver":
            listening.close()
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=_environment() | {"PYTHONWARNINGS": ""},
            pass_fds=[] if server == "runserver" else [fd],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if server == "runserver":
                _wait_for(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server that binds its own socket accepts connections."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError("the server did not start")


@pytest.mark.parametrize("server", ["runserver", "gunicorn", "uvicorn"])
def test_the_project_answers_as_its_tutorial_says(
    server: str, tutorial: tuple[str, Path], tenant: LocalTenant
) -> None:
    """The project answers real tokens over HTTP as the tutorial says, on each server."""
    page, folder = tutorial
    with _serving(folder, server) as port:
        call = call_socket(port)
        for request_line, token, status in ANSWERS[page]:
            method, target = request_line.split()
            headers = [] if token is None else [("Authorization", f"Bearer {tenant.mint(**token)}")]
            if method == "POST":
                headers.append(("Content-Length", "0"))
            answer = call(method, target, headers)
            assert (request_line, token, answer.status) == (request_line, token, status)
            if status == 401:
                assert answer.headers["www-authenticate"].startswith("Bearer")
