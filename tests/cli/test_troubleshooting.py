"""The troubleshooting page has a section for each reason and for each check of ``doctor``."""

from __future__ import annotations

import re
from typing import Final

import pytest

from monocloud_mw.cli.doctor.run import CHECKS
from monocloud_mw.cli.explain.advice import ADVICE
from monocloud_mw.errors import Reason

from ..project.sources import ROOT

PAGE: Final = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SECTIONS: Final = dict(
    re.findall(r"^### `?([\w-]+)`?\n\n(.*?)(?=^##|^<a|\Z)", PAGE, re.MULTILINE | re.DOTALL)
)
OTHERS: Final = [
    *("no_token", "malformed_header", "configuration", "client_refused", "tenant_mistake"),
    *("tenant_unavailable", "internal"),
]


def test_the_sections() -> None:
    """Reasons in their order, then other errors, then the checks."""
    checks = [f"doctor-{row.name}" for row in CHECKS]
    assert [name for name in SECTIONS if name not in OTHERS] == [*map(str, Reason), *checks]
    assert sorted(set(SECTIONS) & set(OTHERS)) == sorted(OTHERS)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_says_what_to_do(name: str) -> None:
    """Each section has the meaning and what to do; those of errors also have status and causes."""
    text = SECTIONS[name]
    assert "What to do: " in text
    if not name.startswith("doctor-"):
        assert re.match(r"Status [45]\d\d\. ", text)
        assert "Usual causes:\n\n- " in text
    if "_" in name:
        assert f'<a id="{name}"></a>\n\n### `{name}`' in PAGE  # the anchor of the address in errors


@pytest.mark.parametrize("status", ["400", "401", "403", "500", "503"])
def test_a_status_is_found(status: str) -> None:
    """The table at the top leads from a status to its sections."""
    assert re.search(rf"^\| {status} \| .+ \| \[", PAGE, re.MULTILINE)


def test_the_package_has_the_page() -> None:
    """Errors name it where no documentation is served."""
    assert (ROOT / "monocloud_mw" / "troubleshooting.md").read_text(encoding="utf-8") == PAGE


def test_the_quoted_advice_is_that_of_explain() -> None:
    """The page about the commands quotes output of ``explain`` as it is now."""
    page = (ROOT / "docs" / "how-to" / "doctor.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^What to do: (.*)\.$", page, re.MULTILINE)
    assert quoted
    assert set(quoted) <= set(ADVICE.values())
