"""Tests of the distributions: their files, and what an installation of the wheel can import.

The distributions are built from a copy of the sources, and installed into an environment that holds the
four runtime dependencies and what these need, but neither extras nor the sources.
"""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections import defaultdict
from email.message import Message
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from .sources import ROOT, package_modules

pytestmark = pytest.mark.slow

VERSION: str = runpy.run_path(str(ROOT / "monocloud_mw" / "version.py"))["__version__"]
NAME = f"monocloud_mw-{VERSION}"
RUNTIME = {"attrs", "cryptography", "requests", "werkzeug"}
DOCS_URL = "https://docs.example.com/mw"
DATA = {"monocloud_mw/py.typed", "monocloud_mw/troubleshooting.md"}
EXTRAS = {
    "async": {"anyio", "httpcore2"},
    "django": {"django"},
    "fastapi": {"fastapi"},
    "flask": {"flask"},
    "mcp": {"mcp"},
    "redis": {"redis"},
    "starlette": {"starlette"},
    "telemetry": {"opentelemetry-api"},
}
NOT_SOURCES = shutil.ignore_patterns(
    *(".git", ".venv*", ".coverage*", ".hypothesis", ".*_cache", "__pycache__", "*.py[cod]"),
    *("build", "dist", "node_modules", "*.egg-info"),
)


@pytest.fixture(scope="module")
def source_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the sources, the link to the adapters included."""
    tree = tmp_path_factory.mktemp("sources") / "monocloud_mw"
    return Path(shutil.copytree(ROOT, tree, symlinks=True, ignore=NOT_SOURCES))


@pytest.fixture(scope="module")
def expected_modules() -> set[str]:
    """Return the paths of the modules in the wheel, derived from the modules that exist."""
    files = set()
    for module, path in package_modules().items():
        parts = module.split(".") + (["__init__"] if path.name == "__init__.py" else [])
        files.add("/".join(parts) + ".py")
    return files


@pytest.fixture(scope="module")
def sdist(source_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution, with the address of the documentation."""
    return _build("--sdist", source_tree, tmp_path_factory.mktemp("sdist"), DOCS_URL)


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the source distribution, as a release does; that knows the address."""
    place = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    return _build("--wheel", place / NAME, place / "dist")


def _build(kind: str, tree: Path, directory: Path, docs_url: str = "") -> Path:
    command = [sys.executable, "-m", "build", "--no-isolation", kind, "--outdir", str(directory), str(tree)]
    environ = {**os.environ, "MONOCLOUD_MW_DOCS_URL": docs_url}
    finished = subprocess.run(command, check=False, capture_output=True, text=True, env=environ)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (built,) = directory.iterdir()
    return built


def _files_of_wheel(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def test_files_of_the_wheel(wheel: Path, expected_modules: set[str]) -> None:
    """The wheel holds every module once, the typing marker and the metadata, and nothing else."""
    metadata = {
        f"{NAME}.dist-info/{name}"
        for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt")
    }
    assert _files_of_wheel(wheel) == sorted(expected_modules | metadata | DATA)


def test_the_wheel_is_the_same_from_the_sources(wheel: Path, source_tree: Path, tmp_path: Path) -> None:
    """Building from a checkout, which has the link to the adapters, gives the same files."""
    built = _build("--wheel", source_tree, tmp_path)
    assert _files_of_wheel(built) == _files_of_wheel(wheel)
    assert 'DOCS_URL: Final[str] = ""' in _read(built, "monocloud_mw/documentation.py")


def test_building_changes_no_source(sdist: Path, source_tree: Path) -> None:
    """The address of the documentation is written into the distributions only."""
    module = Path("monocloud_mw", "documentation.py")
    assert (source_tree / module).read_bytes() == (ROOT / module).read_bytes()


def test_a_wrong_address_of_the_documentation_ends_the_build() -> None:
    """Errors and log lines carry it, so it must be one that a browser opens."""
    finished = subprocess.run(
        [sys.executable, str(ROOT / "setup.py"), "--name"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "MONOCLOUD_MW_DOCS_URL": "http://docs.example.com"},
    )
    assert finished.returncode == 1
    assert finished.stderr.startswith("MONOCLOUD_MW_DOCS_URL must be a URL that begins with https://")


def _read(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name).decode()


def test_files_of_the_sdist(sdist: Path, source_tree: Path, expected_modules: set[str]) -> None:
    """The source distribution holds sources, tests and documentation, each file once."""
    with tarfile.open(sdist) as archive:
        found = sorted(member.name.removeprefix(f"{NAME}/") for member in archive if member.isfile())
    modules = {
        name.removeprefix("monocloud_mw/") if "/adapters/" in name else name for name in expected_modules
    }
    others = {
        path.relative_to(source_tree).as_posix()
        for directory in (".ci", "docs", "tests")
        for path in (source_tree / directory).rglob("*")
        if path.is_file()
    }
    about = {
        *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"),
        *("MANIFEST.in", "Makefile", "PKG-INFO", "pyproject.toml", "setup.cfg", "setup.py"),
    }
    written = {
        f"monocloud_mw.egg-info/{name}"
        for name in (
            *("PKG-INFO", "SOURCES.txt", "dependency_links.txt"),
            *("entry_points.txt", "requires.txt", "top_level.txt"),
        )
    }
    assert found == sorted(modules | others | about | written | DATA)


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """Return the metadata of the wheel."""
    return Parser().parsestr(_read(wheel, f"{NAME}.dist-info/METADATA"))


def test_links(metadata: Message) -> None:
    """The pages of a package index lead to the documentation."""
    assert metadata.get_all("Project-URL") == [
        f"Documentation, {DOCS_URL}",
        f"Changelog, {DOCS_URL}/project/changelog.html",
        f"Security, {DOCS_URL}/project/security.html",
    ]


def test_name_version_and_python(metadata: Message) -> None:
    """The metadata name the distribution, its version, the oldest Python and the license."""
    fields = ("Name", "Version", "Requires-Python", "License-Expression")
    assert [metadata[field] for field in fields] == ["monocloud-mw", VERSION, ">=3.11", "MIT"]


def test_dependencies(metadata: Message) -> None:
    """The four runtime dependencies and the extras are all there is, each with a lower bound only."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for line in metadata.get_all("Requires-Dist", []):
        requirement = Requirement(line)
        extra = re.search(r'extra == "(\w+)"', str(requirement.marker or ""))
        found[extra.group(1) if extra else ""].add(requirement.name)
        assert [part.operator for part in requirement.specifier] == [">="], line
    assert found == {"": RUNTIME} | EXTRAS
    assert set(metadata.get_all("Provides-Extra", [])) == EXTRAS.keys()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a new environment with the wheel and its runtime dependencies.

    There is no internet in tests, so the dependencies come by links from the environment of the tests.
    """
    directory = tmp_path_factory.mktemp("environment")
    venv.create(directory, with_pip=False, symlinks=True)
    python = directory / "bin" / "python"
    (site_packages,) = directory.glob("lib/python*/site-packages")
    for path in _files_of_distributions(RUNTIME):
        (site_packages / path.name).symlink_to(path)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--no-index",
            "--no-deps",
            "-q",
            str(wheel),
        ],
        check=True,
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    return python


def _files_of_distributions(names: set[str]) -> set[Path]:
    """Return what these distributions and all that they need have in site-packages, one path for each."""
    paths: set[Path] = set()
    seen: set[str] = set()
    waiting = sorted(names)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        found = distribution(name)
        tops = {path.parts[0] for path in found.files or () if path.parts[0] not in ("..", "__pycache__")}
        paths |= {Path(str(found.locate_file(top))) for top in tops}
        needed = map(Requirement, found.requires or ())
        waiting += [
            requirement.name
            for requirement in needed
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ]
    return paths


def _run(python: Path, code: str) -> str:
    """Run code in the new environment and return what it printed, or the last line of its traceback."""
    finished = subprocess.run(
        [python, "-I", "-W", "error", "-c", code],
        check=False,
        capture_output=True,
        text=True,
        cwd=python.parent,
    )
    return (finished.stderr or finished.stdout).strip().splitlines()[-1]


def test_no_top_level_package_adapters(installed: Path) -> None:
    """``adapters`` is not importable as a top-level package."""
    assert _run(installed, "import adapters") == "ModuleNotFoundError: No module named 'adapters'"


def test_the_installed_version(installed: Path) -> None:
    """The installed package has its version and is that of the new environment."""
    code = "import sys, monocloud_mw.version as m; print(m.__version__, m.__file__.startswith(sys.prefix))"
    assert _run(installed, code) == f"{VERSION} True"


def test_errors_and_log_lines_have_the_address_of_the_documentation(installed: Path) -> None:
    """The address of an error is that of its section in the documentation of the build."""
    code = """
import logging, sys
from monocloud_mw import BackendClient, ConfigurationError
from monocloud_mw.protect.logs import log_refusal
logging.basicConfig(stream=sys.stdout, format="%(message)s")
try:
    BackendClient()
except ConfigurationError as error:
    log_refusal(error)
    print(error.docs)
"""
    section = f"{DOCS_URL}/troubleshooting.html#configuration"
    assert _run(installed, code) == section
    assert f"; see {section}" in _run(installed, code.replace("print(error.docs)", ""))


@pytest.mark.parametrize("adapter", ["asgi", "wsgi"])
def test_adapters_that_need_no_framework(installed: Path, adapter: str) -> None:
    """The WSGI and ASGI adapters work with the runtime dependencies alone."""
    code = f"from monocloud_mw.adapters.{adapter} import ProtectApiMiddleware as p; print(p.__module__)"
    assert _run(installed, code).startswith(f"monocloud_mw.adapters.{adapter}")


@pytest.mark.parametrize("framework", ["django", "fastapi", "flask", "mcp", "starlette"])
def test_a_framework_is_named_where_it_is_missing(installed: Path, framework: str) -> None:
    """Without the framework, importing its adapter says which extra brings it."""
    answer = _run(installed, f"import monocloud_mw.adapters.{framework}")
    assert answer.startswith("ImportError: ")
    assert f"monocloud-mw[{framework}]" in answer


PARTS = {  # of modules that say it for them, or that are imported for an application of the framework only
    "monocloud_mw.adapters.flask.claims",
    "monocloud_mw.adapters.flask.config",
    "monocloud_mw.cli.routes.of_django",
    "monocloud_mw.cli.routes.of_starlette",
    "monocloud_mw.stores.redis_entries",
    "monocloud_mw.transports.asyncio_network",
}


def test_every_other_module_needs_no_extra(installed: Path) -> None:
    """Every module imports, or says which extra it needs."""
    code = """
import importlib, re, sys
for module in sys.argv[1].split():
    try:
        importlib.import_module(module)
    except ImportError as error:
        extras = "async|django|fastapi|flask|mcp|redis|starlette|telemetry"
        if not re.search(rf"monocloud-mw\\[({extras})\\]", str(error)):
            print(module, repr(error), file=sys.stderr)
print("done")
"""
    finished = subprocess.run(
        [installed, "-I", "-W", "error", "-c", code, " ".join(sorted({*package_modules()} - PARTS))],
        check=False,
        capture_output=True,
        text=True,
        cwd=installed.parent,
    )
    assert (finished.stdout, finished.stderr) == ("done\n", "")
