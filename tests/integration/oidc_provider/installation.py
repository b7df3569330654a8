"""Installs npm packages next to their ``package-lock.json``, exactly as that pins them.

What is installed is stamped with the digest of the lock file, so that a second run installs nothing and a
changed lock file installs anew.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["InstallationError", "install_packages"]

DIRECTORY: Final = Path(__file__).parent
INSTALL_SECONDS: Final = 180


class InstallationError(Exception):
    """npm could not install the packages: no registry within reach, or a Node.js that is too old."""


def install_packages(npm: str, report: Callable[[str], None], directory: Path = DIRECTORY) -> None:
    """Install what is missing by the program ``npm``, and tell ``report`` before the wait.

    Raises:
        InstallationError: with what npm said.
    """
    stamp = directory / "node_modules" / ".installed"
    digest = hashlib.sha256((directory / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return
    report(f"installing {directory.name} for the tests (npm ci)")
    try:
        subprocess.run(
            [npm, "ci"], cwd=directory, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except subprocess.CalledProcessError as error:
        raise InstallationError(f"npm ci failed: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise InstallationError(f"npm ci took more than {INSTALL_SECONDS} s") from error
    stamp.write_text(digest)
