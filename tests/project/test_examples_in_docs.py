"""The examples in README.md and docs/ run as they stand, and let in whom the text says they let in.

The Python blocks of a page run one after the other in one namespace, as a reader would try them, in an empty
directory, with a local tenant in the environment. No block is left out. Rules:

- what a reader has to put in is put in here (:func:`_fill_in`), and nothing else is changed;
- where a ``text`` block follows at once, it is what the block prints;
- a block with tests runs under pytest, in a process of its own.

Afterwards the applications that a page has made are called in process: the tables below say how.
"""

from __future__ import annotations

import builtins
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeAlias

import pytest
import trustme

from monocloud_mw.testing import LocalTenant

from ..adapters.exchange import Call, call_asgi, call_wsgi
from ..caches.redis_server import RedisServer
from .pages import PAGES, list_fences
from .sources import ROOT

EXAMPLES: Final = {
    name: fences
    for name, text in PAGES.items()
    if (fences := [fence for fence in list_fences(text) if fence.language == "python"])
}

RunPage: TypeAlias = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def tenant() -> Iterator[LocalTenant]:
    """Return the tenant that the examples find in their environment."""
    with LocalTenant(algorithms=["ES256"]) as tenant:
        yield tenant


@pytest.fixture(scope="module")
def redis_url(
    require_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Return the URL of a real redis-server."""
    server = RedisServer(require_program("redis-server"), tmp_path_factory.mktemp("redis"), trustme.CA())
    server.start()
    yield server.url
    server.kill()


@pytest.fixture(scope="module")
def run_page(
    tenant: LocalTenant, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[RunPage]:
    """Return a function that runs a page, once, and gives what it has made."""
    modules: dict[str, ModuleType] = {}
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in tenant.environment(tenant.client).items():
            patch.setenv(variable, value)
        patch.setenv("CACHE_INTEGRITY_KEY", "0123456789abcdef" * 2)
        patch.setattr(builtins, "input", lambda _prompt: "")

        def run(name: str) -> ModuleType:
            if name not in modules:
                if "REDIS_URL" in PAGES[name]:
                    patch.setenv("REDIS_URL", request.getfixturevalue("redis_url"))
                patch.chdir(tmp_path_factory.mktemp("page"))
                modules[name] = module = ModuleType(f"example_{Path(name).stem}")
                patch.setitem(sys.modules, module.__name__, module)  # Django imports its URLs by name
                _run_blocks(name, module, tenant)
            return modules[name]

        yield run
        for module in modules.values():
            _stop_what_it_started(module)


def _stop_what_it_started(module: ModuleType) -> None:
    for started in vars(module).values():
        if isinstance(started, LocalTenant):
            started.stop()


def _run_blocks(name: str, module: ModuleType, tenant: LocalTenant) -> None:
    for block in EXAMPLES[name]:
        code = _fill_in(block.body, tenant)
        if re.search(r"^def test_", code, re.MULTILINE):
            _run_tests(code)
            continue
        with redirect_stdout(StringIO()) as printed:
            exec(compile("\n" * (block.line - 1) + code, ROOT / name, "exec"), vars(module))
        if block.follower is not None and block.follower.language == "text":
            assert printed.getvalue() == _fill_in(block.follower.body, tenant), (
                f"what {name}:{block.line} prints"
            )


def _fill_in(code: str, tenant: LocalTenant) -> str:
    """Put in what readers have to: a tenant, an audience and a token of their own."""
    return (
        code.replace("https://acme.us.monocloud.com", tenant.domain)
        .replace("https://api.acme.com", tenant.audience)
        .replace('"eyJ..."', repr(tenant.mint(scopes="orders:read")))
    )


def _run_tests(code: str) -> None:
    Path("test_example.py").write_text(code, encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), str(ROOT)])},
    )
    assert finished.returncode == 0, finished.stdout


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_runs(name: str, run_page: RunPage) -> None:
    """The Python blocks of a page run, one after the other, and print what the page shows."""
    assert run_page(name)


@pytest.mark.parametrize("name", PAGES)
def test_no_example_hides(name: str) -> None:
    """Every block says its language, so that no Python block escapes these tests under another name."""
    languages = {fence.language for fence in list_fences(PAGES[name])}
    if name == "README.md":
        languages.discard("")  # commands
    assert languages <= {"bash", "ini", "nginx", "python", "text", "yaml", "{eval-rst}", "{toctree}"} | {
        language for language in languages if language.startswith("{toctree}")
    }
    assert "code-block" not in PAGES[name]


PERMISSIVE: Final = {"scopes": "api orders:read orders:write", "groups": ["admin", "sales"]}

CALLS = [
    # page, application, how to call it, request, its token (None for no token), the status
    ("README.md", "app", call_asgi, "GET /", None, 401),
    ("README.md", "app", call_asgi, "GET /", {}, 200),
    ("README.md", "app", call_asgi, "GET /admin/users", {}, 403),
    ("README.md", "app", call_asgi, "GET /admin/users", {"groups": ["admin"]}, 200),
    ("docs/quickstart.md", "app", call_wsgi, "GET /healthz", None, 200),
    ("docs/quickstart.md", "app", call_wsgi, "GET /me", None, 401),
    ("docs/quickstart.md", "app", call_wsgi, "GET /me", {}, 200),
    ("docs/quickstart.md", "app", call_wsgi, "GET /orders", {}, 403),
    ("docs/quickstart.md", "app", call_wsgi, "GET /orders", {"scopes": "orders:read"}, 200),
    ("docs/flask.md", "app", call_wsgi, "GET /me", None, 401),
    ("docs/flask.md", "app", call_wsgi, "GET /me", {}, 200),
    ("docs/flask.md", "app", call_wsgi, "GET /orders", {"scopes": "orders:read"}, 403),
    ("docs/flask.md", "app", call_wsgi, "GET /orders", {"groups": ["sales"]}, 403),
    ("docs/flask.md", "app", call_wsgi, "GET /orders", {"scopes": "orders:read", "groups": ["support"]}, 200),
    ("docs/flask.md", "app", call_wsgi, "HEAD /orders", {}, 403),
    ("docs/flask.md", "app", call_wsgi, "OPTIONS /orders", None, 200),
    ("docs/flask.md", "app", call_wsgi, "GET /reports", None, 401),
    ("docs/flask.md", "app", call_wsgi, "GET /whoami", {}, 200),
    ("docs/flask.md", "app", call_wsgi, "GET /admin/users", {}, 403),
    ("docs/flask.md", "app", call_wsgi, "GET /admin/users", {"groups": ["admin"]}, 200),
    ("docs/flask.md", "app", call_wsgi, "OPTIONS /admin/users", None, 401),
    ("docs/flask.md", "app", call_wsgi, "DELETE /admin/users/bob", {"groups": ["admin"]}, 403),
    ("docs/flask.md", "app", call_wsgi, "DELETE /admin/users/bob", {"scopes": "users:delete"}, 403),
    (
        "docs/flask.md",
        "app",
        call_wsgi,
        "DELETE /admin/users/bob",
        {"groups": ["admin"], "scopes": "users:delete"},
        200,
    ),
    ("docs/flask.md", "app", call_wsgi, "GET /invoices", {}, 403),
    ("docs/flask.md", "app", call_wsgi, "GET /invoices", {"scopes": "invoices"}, 200),
    ("docs/flask.md", "app", call_wsgi, "GET /status", {}, 403),
    ("docs/flask.md", "app", call_wsgi, "GET /status", {"scopes": "api"}, 200),
    ("docs/flask.md", "app", call_wsgi, "GET /profile", {}, 401),
    ("docs/flask.md", "app", call_wsgi, "GET /secrets", None, 401),
    ("docs/flask.md", "app", call_wsgi, "GET /secrets", {}, 403),
    ("docs/flask.md", "created_app", call_wsgi, "GET /me", None, 401),
    ("docs/flask.md", "created_app", call_wsgi, "GET /me", {}, 200),
    ("docs/wsgi.md", "app", call_wsgi, "GET /healthz", None, 200),
    ("docs/wsgi.md", "app", call_wsgi, "GET /", None, 401),
    ("docs/wsgi.md", "app", call_wsgi, "GET /", {}, 200),
    ("docs/wsgi.md", "app", call_wsgi, "POST /orders", {}, 403),
    ("docs/wsgi.md", "application", call_wsgi, "GET /me", None, 401),
    ("docs/wsgi.md", "application", call_wsgi, "GET /me", {}, 200),
    ("docs/wsgi.md", "application", call_wsgi, "GET /admin/users", {}, 403),
    ("docs/wsgi.md", "browser_app", call_wsgi, "GET /", {}, 401),
    ("docs/wsgi.md", "site", call_wsgi, "GET /", None, 401),
    ("docs/wsgi.md", "overridden_app", call_wsgi, "POST /orders", {}, 200),
    ("docs/asgi.md", "app", call_asgi, "GET /healthz", None, 200),
    ("docs/asgi.md", "app", call_asgi, "GET /docs", None, 401),
    ("docs/asgi.md", "app", call_asgi, "GET /me", None, 401),
    ("docs/asgi.md", "app", call_asgi, "GET /me", {}, 200),
    ("docs/asgi.md", "app", call_asgi, "POST /orders", {}, 403),
    ("docs/asgi.md", "app", call_asgi, "POST /orders", {"scopes": "orders:write"}, 200),
    ("docs/asgi.md", "app", call_asgi, "GET /admin/users", {}, 403),
    ("docs/asgi.md", "cors_api", call_asgi, "GET /me", None, 401),
    ("docs/asgi.md", "cors_api", call_asgi, "GET /me", {}, 200),
    ("docs/asgi.md", "plain_app", call_asgi, "GET /", {}, 403),
    ("docs/asgi.md", "plain_app", call_asgi, "GET /", {"scopes": "api"}, 200),
    ("docs/asgi.md", "problem_app", call_asgi, "GET /me", None, 401),
    ("docs/asgi.md", "problem_app", call_asgi, "GET /me", {"lifetime_seconds": -300}, 401),
    ("docs/rules.md", "app", call_asgi, "OPTIONS /me", None, 401),
]


@pytest.mark.parametrize(("page", "name", "how", "request_line", "token", "status"), CALLS)
def test_an_application_lets_in_whom_its_page_says(
    page: str,
    name: str,
    how: Callable[[Any], Call],
    request_line: str,
    token: dict[str, Any] | None,
    status: int,
    tenant: LocalTenant,
    run_page: RunPage,
) -> None:
    """An application of a page answers as the page says."""
    method, target = request_line.split(" ")
    headers = [] if token is None else [("Authorization", f"Bearer {tenant.mint(**token)}")]
    assert how(getattr(run_page(page), name))(method, target, headers).status == status
