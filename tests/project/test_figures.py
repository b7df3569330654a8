"""The published figures of performance agree with each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pytest

from .pages import PAGES, list_tables
from .sources import ROOT

MEASURED: Final = ROOT / "docs" / "measured"


def _tables(name: str) -> list[list[dict[str, str]]]:
    return list(list_tables((MEASURED / f"{name}.md").read_text(encoding="utf-8")))


def _figures() -> Iterator[tuple[tuple[str, str], dict[str, str]]]:
    works = re.findall(r"^\*\*(.+)\*\*$", (MEASURED / "figures.md").read_text(encoding="utf-8"), re.MULTILINE)
    for work, rows in zip(works, _tables("figures"), strict=True):
        for row in rows:
            yield (work, row["who"]), row


FIGURES: Final = dict(_figures())


def _median(work: str, who: str) -> str:
    return FIGURES[work, who]["median"] if (work, who) in FIGURES else "-"


def test_the_summary_has_the_figures_of_the_table() -> None:
    """Each figure at the top of the page on performance is in the table of all figures."""
    costs, new, added = _tables("summary")
    works = {"a new token": "RS256, a new token", "a repeated token": "RS256, a token seen before"}
    for row in costs:
        title, ours, pyjwt = row.values()
        work = works[title]
        assert (ours, pyjwt) == (_median(work, "monocloud_mw"), _median(work, "PyJWT"))
    for row in new:
        who, *medians = row.values()
        who = {"`monocloud_mw`": "monocloud_mw", "signature check alone": "bare verify"}.get(who, who)
        algorithms = [title for title in row if title != "a new token"]
        assert medians == [_median(f"{algorithm}, a new token", who) for algorithm in algorithms]
    for row in added:
        framework, median = row.values()
        assert median == _median(f"{framework}, one request in process", "added by protection")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_the_readme_has_the_ratios_of_the_table(algorithm: str) -> None:
    """The README compares a new token with PyJWT by the measured ratios."""
    work = f"{algorithm}, a new token"
    ratio = float(FIGURES[work, "monocloud_mw"]["ratio"]) / float(FIGURES[work, "PyJWT"]["ratio"])
    (claimed,) = re.findall(rf"(\d\.\d\d)\s+(?:times\s[^.]*?)?for\s+{algorithm}", PAGES["README.md"])
    assert float(claimed) == pytest.approx(ratio, abs=0.01)


def test_the_page_on_targets_has_the_ratios_of_the_table() -> None:
    """The explanation of missed targets repeats the measured ratios to bare verify."""
    (rows,) = (
        rows for rows in list_tables(PAGES["docs/project/performance-targets.md"]) if "RS256" in rows[0]
    )
    whos = ("the least in Python", "the same in one function", "monocloud_mw")
    assert [row["times bare verify"] for row in rows] == [
        FIGURES["RS256, a new token", who]["ratio"] for who in whos
    ]
