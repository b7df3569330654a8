"""``make release`` builds and checks, and refuses a version without a dated changelog entry."""

from __future__ import annotations

import datetime
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .sources import ROOT
from .test_packaging import VERSION

pytestmark = pytest.mark.slow

find_problem: Callable[[str, str, datetime.date], str | None] = runpy.run_path(
    str(ROOT / ".ci" / "check_changelog.py")
)["find_problem"]
TODAY = datetime.date(2026, 12, 1)
ENTRY = "\n\n### Added\n\n- Something.\n"


@pytest.mark.parametrize(
    ("changelog", "problem"),
    [
        (f"# Changelog\n\n## [1.0.0] - 2026-12-01{ENTRY}", None),
        (f"## [1.0.0] - 2026-11-30{ENTRY}\n## [0.9.0] - 2026-01-01{ENTRY}", None),
        (f"## 1.0.0{ENTRY}", "no heading"),
        (f"## [0.9.0] - 2026-12-01{ENTRY}", "begins with version 0.9.0"),
        (f"## [1.0.0] - unreleased{ENTRY}", "is unreleased"),
        (f"## [1.0.0] - 2026-13-01{ENTRY}", "expected YYYY-MM-DD"),
        (f"## [1.0.0] - 2026-12-02{ENTRY}", "in the future"),
        (f"## [1.0.0] - 2026-12-01\n\n## [0.9.0] - 2026-01-01{ENTRY}", "no entry"),
    ],
    ids=["today", "earlier", "no-heading", "another-version", "unreleased", "no-date", "future", "empty"],
)
def test_the_changelog_signs_off_a_release(changelog: str, problem: str | None) -> None:
    """The changelog begins with the version, its date and its entries; anything else is named."""
    found = find_problem(changelog, "1.0.0", TODAY)
    assert (found is None) if problem is None else (found is not None and problem in found)


@pytest.fixture
def release_tree(tmp_path: Path, require_program: Callable[[str], str]) -> Path:
    """Return a copy of what is under version control, whose version is not signed off."""
    listed = subprocess.run(
        [require_program("git"), "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() or (ROOT / name).is_symlink():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name, follow_symlinks=False)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    head, _, rest = changelog.partition(f"## [{VERSION}] - ")
    (tmp_path / "CHANGELOG.md").write_text(
        f"{head}## [{VERSION}] - unreleased\n{rest.partition(chr(10))[2]}", encoding="utf-8"
    )
    return tmp_path


def _release(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(tree / ".ci" / "release"), sys.executable], cwd=tree, check=False, capture_output=True, text=True
    )


def test_an_unreleased_version_is_refused_before_anything_is_built(release_tree: Path) -> None:
    """The error names the file and what to change."""
    finished = _release(release_tree)
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: CHANGELOG.md says that")
    assert not (release_tree / "dist").exists()


def test_a_release_is_built_and_checked(release_tree: Path) -> None:
    """A version that is signed off becomes a wheel and a source distribution that pass twine's checks."""
    changelog = release_tree / "CHANGELOG.md"
    changelog.write_text(
        changelog.read_text(encoding="utf-8").replace("- unreleased", "- 2026-01-01", 1), encoding="utf-8"
    )
    finished = _release(release_tree)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.count("PASSED") == 2
    assert sorted(path.suffix for path in (release_tree / "dist").iterdir()) == [".gz", ".whl"]
