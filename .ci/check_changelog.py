"""Check that CHANGELOG.md is ready for a release.

Its first version must be that of ``monocloud_mw/version.py``, with a date that is not in the future instead
of ``unreleased``, and at least one entry.
"""

import datetime
import re
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def find_problem(changelog: str, version: str, today: datetime.date) -> str | None:
    """Return the problem of the changelog, or ``None``."""
    heading = re.search(r"^## \[(.+?)\] - (\S+)$", changelog, re.MULTILINE)
    if heading is None:
        return "has no heading of the form '## [1.2.3] - 2026-01-31'"
    if heading[1] != version:
        return f"begins with version {heading[1]}, but monocloud_mw/version.py says {version}"
    if heading[2] == "unreleased":
        return f"says that {version} is unreleased: replace that with the date of the release"
    try:
        date = datetime.date.fromisoformat(heading[2])
    except ValueError:
        return f"has no date for {version}: expected YYYY-MM-DD, not {heading[2]!r}"
    if date > today:
        return f"has a date in the future for {version}: {date}"
    entries = changelog[heading.end() :].partition("\n## ")[0]
    if not re.search(r"^- \S", entries, re.MULTILINE):
        return f"has no entry for {version}"
    return None


if __name__ == "__main__":
    found = find_problem(
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        runpy.run_path(str(ROOT / "monocloud_mw" / "version.py"))["__version__"],
        datetime.datetime.now(datetime.UTC).date(),
    )
    sys.exit(f"error: CHANGELOG.md {found}" if found else 0)
