"""The charts have a text for people who cannot see them."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from .charts import BARS_END, BARS_START, Bars, draw_chart

SVG = "{http://www.w3.org/2000/svg}"


def test_the_longest_bar_fills_the_width_and_ours_stand_out() -> None:
    """All groups share one scale; names are escaped; there is a title for people who cannot see the chart."""
    groups = [Bars("one", (("ours, <fast>", 1.0, "1 x"), ("theirs", 4.0, "4 x"))), Bars("two", ())]
    image = ElementTree.fromstring(draw_chart("Speed", "Less is better.", groups, ours="ours"))
    drawn = [bar for bar in image.iter(f"{SVG}rect") if bar.get("class")]
    widths = {bar.get("class"): float(bar.get("width", 0)) for bar in drawn}
    longest = BARS_END - BARS_START
    assert widths == pytest.approx({"bar ours": longest / 4, "bar": longest}, abs=0.1)
    words = [text.text for text in image.iter(f"{SVG}text")]
    assert {"ours, <fast>", "1 x", "theirs", "4 x", "one", "two"} <= set(words)
    assert image.findtext(f"{SVG}title") == "Speed. Less is better."
