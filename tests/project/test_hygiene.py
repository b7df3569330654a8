"""Rules for all files of the repository."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .sources import ROOT

TOP_LEVEL = {
    *(".ci", "adapters", "docs", "monocloud_mw", "tests"),
    *("setup.py", "pyproject.toml", "MANIFEST.in", "Makefile"),
    *("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *(".editorconfig", ".gitattributes", ".gitignore"),
}

# Written in pieces, so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.}*-])/(?:home/\w|root/|tmp/|work/|workspace/|opt/|Users/\w)")
REGISTRY = re.compile(
    r"pypi\.(?:org|python)|python" + r"hosted\.org|registry\.npm" + r"js|registry\.yarn" + r"pkg"
)
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b")


@pytest.fixture(scope="module")
def sources(require_program: Callable[[str], str]) -> dict[str, str]:
    """Return the text of every file under version control, by its path."""
    listed = subprocess.run(
        [require_program("git"), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = {name: ROOT / name for name in listed.split("\0") if name}
    return {name: text for name, path in found.items() if (text := _text_of(path)) is not None}


def _text_of(path: Path) -> str | None:
    """Return a file's text; links, directories behind links and binary files have none."""
    if path.is_symlink() or not path.is_file():
        return None
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def _lines_with(pattern: re.Pattern[str], sources: dict[str, str]) -> Iterator[str]:
    for name, text in sources.items():
        for number, line in enumerate(text.splitlines(), start=1):
            if pattern.search(line):
                yield f"{name}:{number}: {line.strip()[:100]}"


def test_the_top_level_holds_nothing_else(sources: dict[str, str]) -> None:
    """The top of the repository holds the five directories and the usual files about the project."""
    assert {name.split("/")[0] for name in sources} - TOP_LEVEL == set()


@pytest.mark.parametrize(
    "pattern", [MACHINE_PATH, REGISTRY, UNFINISHED], ids=["paths", "registries", "unfinished"]
)
def test_nothing_is_left_behind(sources: dict[str, str], pattern: re.Pattern[str]) -> None:
    """No file has a path of a developer's machine, a package registry's address, or unfinished work."""
    assert list(_lines_with(pattern, sources)) == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (MACHINE_PATH, "open('" + "/home" + "/me/x')"),
        (MACHINE_PATH, "cd " + "/tmp" + "/x"),
        (REGISTRY, '"resolved": "https://registry.npm' + 'js.org/x"'),
        (REGISTRY, "https://files.python" + "hosted.org/packages"),
        (UNFINISHED, "# TO" + "DO: later"),
    ],
)
def test_what_is_left_behind_is_found(pattern: re.Pattern[str], line: str) -> None:
    """The patterns find what they must find."""
    assert list(_lines_with(pattern, {"file": f"first\n{line}"})) == [f"file:2: {line}"]


@pytest.mark.parametrize(
    "line", ["https://x/tmp/y", "$HOME/tmp/y", "*/tmp/*", "a/work" + "/b", "/opts/", "METHOD_TODOS"]
)
def test_what_only_looks_like_it_passes(line: str) -> None:
    """The patterns leave alone what only looks like a machine's path."""
    found = [hit for pattern in (MACHINE_PATH, UNFINISHED) for hit in _lines_with(pattern, {"file": line})]
    assert found == []


def test_modules_and_tests_have_docstrings(sources: dict[str, str]) -> None:
    """Every module has a docstring, unless it is empty, and every test has one."""
    silent = [
        f"{name}: {getattr(node, 'name', 'the module')}"
        for name, text in sources.items()
        if name.endswith(".py") and text.strip()
        for node in _documented(ast.parse(text))
        if ast.get_docstring(node) is None
    ]
    assert silent == []


def _documented(module: ast.Module) -> Iterator[ast.Module | ast.FunctionDef | ast.AsyncFunctionDef]:
    yield module
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def test_npm_lock_files_name_no_registry(sources: dict[str, str]) -> None:
    """A lock file pins versions and digests, and leaves it to npm where the packages come from."""

    def addresses(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "resolved" in value:
                yield value["resolved"]
            for member in value.values():
                yield from addresses(member)

    locks = {name: json.loads(text) for name, text in sources.items() if name.endswith("package-lock.json")}
    assert [f"{name}: {address}" for name, lock in locks.items() for address in addresses(lock)] == []
