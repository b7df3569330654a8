"""Runs the examples of a page, each page in a process of its own.

What a page sets up as a matter of course (levels of logging, Django's settings, variables) would reach every
other test, and what other tests leave behind would reach the page. Rules:

- the Python blocks of a page run one after the other in one namespace, with every warning an error;
- what a reader has to put in is put in here (:func:`_fill_in`), and nothing else is changed;
- where a ``text`` block follows at once, it is what the block prints;
- a block with tests runs under pytest; the blocks before it are the module ``main``.
"""

from __future__ import annotations

import builtins
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

from monocloud_mw.stores.redis import AsyncRedisCache, RedisCache

from .. import conftest  # noqa: F401  # keeps the process off the internet as well
from .pages import PAGES, list_fences
from .sources import ROOT

__all__ = ["EXAMPLES", "RunningPage"]

PROJECTS: Final = frozenset({"docs/tutorials/django.md", "docs/tutorials/django-rest-framework.md"})
"""Pages whose blocks are files of a project: tests/frameworks/test_django_tutorials.py runs them."""

EXAMPLES: Final = {
    name: fences
    for name, text in PAGES.items()
    if name not in PROJECTS
    and (fences := [fence for fence in list_fences(text) if fence.language == "python"])
}

OF_PYRAMID: Final = (
    "pkg_resources is deprecated",
    "Deprecated call to `pkg_resources",
    "'cgi' is deprecated",
)
"""The beginnings of the warnings that importing Pyramid causes."""

# Fresh processes that have the frameworks imported already: importing them takes longer than most pages.
_processes: Final = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    [__name__, "pytest", "django", "fastapi.testclient", "flask", "requests", "rest_framework", "strawberry"]
)

T = TypeVar("T")


class RunningPage:
    """The process of a page.

    Args:
        name: the page, by its path.
        environment: variables that the page finds.
        token: a good token with the scope ``orders:read``.
        directory: where the page runs.
    """

    def __init__(self, name: str, environment: Mapping[str, str], token: str, directory: Path) -> None:
        self._process = ProcessPoolExecutor(1, _processes, _set_up, (dict(environment), directory))
        self._process_id = self._process.submit(os.getpid).result()
        self._read = self._process.submit(_run_blocks, name, token)

    def read(self) -> None:
        """Wait until every block has run; raises what a block has raised."""
        self._read.result()

    def do(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function of a module in the process, with the names that the page has made in front."""
        self.read()
        return self._process.submit(_with_names, function, arguments).result()

    def stop(self) -> None:
        """End the process, and with it all that the page has started."""
        os.kill(self._process_id, signal.SIGKILL)
        self._process.shutdown()


# From here on: inside the process.

_PAGE: Final = ModuleType("example_page")


def _set_up(environment: Mapping[str, str], directory: Path) -> None:
    warnings.simplefilter("error")
    for beginning in OF_PYRAMID:
        warnings.filterwarnings("ignore", beginning)
    os.environ.update(environment)
    os.chdir(directory)
    builtins.input = _press_enter
    sys.modules[_PAGE.__name__] = _PAGE  # Django imports its URLs by name
    # A busy machine may take longer for a Redis next door than the quarter of a second that is the default.
    for cache in RedisCache, AsyncRedisCache:
        vars(cache)["from_url"].__func__.__kwdefaults__["timeout_seconds"] = 30.0


def _press_enter(_prompt: object = "") -> str:
    return ""


def _with_names(function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    return function(vars(_PAGE), *arguments)


def _run_blocks(name: str, token: str) -> None:
    """Run a page; ``apps`` are the applications that it has called ``app``, one after the other."""
    names = vars(_PAGE)
    apps = names["apps"] = []
    module = ""
    for block in EXAMPLES[name]:
        code = _fill_in(block.body, token)
        if code.startswith("# main.py\n"):
            Path("main.py").write_text(code, encoding="utf-8")
        if re.search(r"^def test_", code, re.MULTILINE):
            Path("main.py").write_text(module, encoding="utf-8")
            _run_tests(code)
            continue
        module += f"{code}\n\n"
        with redirect_stdout(StringIO()) as printed:
            exec(compile("\n" * (block.line - 1) + code, ROOT / name, "exec"), names)
        if "app" in names and names["app"] not in apps:
            apps.append(names["app"])
        if block.follower is not None and block.follower.language == "text":
            shown = _fill_in(block.follower.body, token)
            assert printed.getvalue() == shown, f"{name}:{block.line} prints {printed.getvalue()!r}"


def _fill_in(code: str, token: str) -> str:
    """Insert what readers have to insert: a tenant, an audience and a token."""
    return (
        code.replace("https://acme.us.monocloud.com", os.environ["MONOCLOUD_BACKEND_TENANT_DOMAIN"])
        .replace("https://api.acme.com", os.environ["MONOCLOUD_BACKEND_AUDIENCE"])
        .replace('"eyJ..."', repr(token))
    )


def _run_tests(code: str) -> None:
    Path("test_example.py").write_text(code, encoding="utf-8")
    as_errors = ["-W", "error", *(f"-Wignore:{beginning}" for beginning in OF_PYRAMID)]
    finished = subprocess.run(
        [sys.executable, *as_errors, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"],
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": os.pathsep.join([os.getcwd(), str(ROOT)]),
        },
    )
    assert finished.returncode == 0, finished.stdout
