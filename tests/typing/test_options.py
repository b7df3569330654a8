"""Both type checkers find every mistake in options, and report nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.slow

SOURCE: Final = Path(__file__).with_name("options.py")
ROOT: Final = Path(__file__).parents[2]
MYPY: Final = ["mypy", "--strict", "--config-file=", "--no-error-summary", "--hide-error-context"]


def lines_found_by_mypy() -> set[int]:
    """Return the lines of the source in which mypy ``--strict`` finds errors."""
    found = _run(*MYPY, str(SOURCE))
    return {int(line) for line in re.findall(rf"^.*{SOURCE.name}:(\d+): error: ", found, re.MULTILINE)}


def lines_found_by_pyright() -> set[int]:
    """Return the lines of the source in which pyright finds errors."""
    found = json.loads(_run("pyright", "--pythonpath", sys.executable, "--outputjson", str(SOURCE)))
    return {problem["range"]["start"]["line"] + 1 for problem in found["generalDiagnostics"]}


def _run(module: str, *arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
    )
    assert finished.returncode == 1, finished.stdout + finished.stderr  # 1: there are errors
    return finished.stdout


@pytest.mark.parametrize("lines_found", [lines_found_by_mypy, lines_found_by_pyright])
def test_every_mistake_is_found_and_nothing_else(lines_found: object) -> None:
    """A name that is not an option, and a value of a wrong type; every documented spelling passes."""
    assert callable(lines_found)
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    expected = {number for number, line in enumerate(lines, start=1) if line.endswith("# mistake")}
    assert lines_found() == expected
