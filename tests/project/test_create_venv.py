"""The script that creates environments finds a suitable interpreter or says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .sources import ROOT

pytestmark = pytest.mark.slow

RUNS = f'exec "{sys.executable}" "$@"'
MAKES = 'if [ "$1" = -m ]; then mkdir "$3"; else ' + RUNS + "; fi"
CANNOT = 'case "$2" in *ensurepip*) exit 1 ;; *) ' + RUNS + " ;; esac"
OLD = 'if [ "$1" = --version ]; then echo "Python 3.9.2"; else exit 1; fi'
SHIM = 'echo "shim: no such version is chosen" >&2; exit 127'


@pytest.fixture
def create(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Return a function that runs the script with only these interpreters in PATH; it gives exit code and
    output.
    """

    def create(named: str | None = None, **interpreters: str) -> tuple[int, str]:
        path = tmp_path / "bin"
        path.mkdir()
        for program in ("bash", "env", "mkdir", "rm"):
            (path / program).symlink_to(next(found for found in candidates(program)))
        for name, script in interpreters.items():
            (path / name.replace("_", ".")).write_text(f"#!/usr/bin/env bash\n{script}\n")
            (path / name.replace("_", ".")).chmod(0o755)
        done = subprocess.run(
            [str(ROOT / ".ci" / "create-venv"), "made", *([named] if named else [])],
            cwd=tmp_path,
            env={"PATH": str(path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert (tmp_path / "made").exists() == (done.returncode == 0)
        return done.returncode, done.stdout

    def candidates(program: str) -> list[Path]:
        places = [Path(folder) / program for folder in os.environ["PATH"].split(os.pathsep)]
        return [place for place in places if place.exists()]

    return create


def test_the_first_suitable_interpreter_is_used(create: Callable[..., tuple[int, str]]) -> None:
    """Interpreters that are too old or cannot create environments are skipped."""
    code, output = create(python3=OLD, python3_13=CANNOT, python3_12=MAKES)
    assert (code, output) == (
        0,
        f"==> creating made with Python {'.'.join(map(str, sys.version_info[:3]))}\n",
    )


def test_a_missing_ensurepip_is_named_with_its_package(create: Callable[..., tuple[int, str]]) -> None:
    """Debian and Ubuntu package ensurepip separately for each version."""
    code, output = create(python3=CANNOT, python=OLD)
    package = "python{}.{}-venv".format(*sys.version_info)
    assert code == 1
    assert output == (
        "error: python3 cannot create virtual environments: its module ensurepip is missing\n"
        f"       on Debian and Ubuntu: apt-get install {package}\n"
    )


def test_an_interpreter_that_does_not_run_says_why(create: Callable[..., tuple[int, str]]) -> None:
    """pyenv has programs for versions that are installed but not selected; their message is shown."""
    code, output = create("python3.13", python3=MAKES, python3_13=SHIM)
    assert code == 1
    assert output == (
        "error: none of these runs as Python 3.11 or later:\n"
        "       python3.13: shim: no such version is chosen\n"
        "       select one with PYTHON=/path/to/python\n"
    )


def test_interpreters_that_are_too_old_are_listed(create: Callable[..., tuple[int, str]]) -> None:
    """They are listed with their versions, and missing ones too."""
    code, output = create(python3=OLD)
    assert code == 1
    assert "       python3: Python 3.9.2\n" in output
    assert "       python3.12: not found\n" in output
