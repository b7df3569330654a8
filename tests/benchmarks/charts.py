"""Bar charts as SVG: small, without a library, and readable on light and on dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import attrs

__all__ = ["Bars", "draw_chart"]

WIDTH: Final = 540  # readable on a phone, scaled to two thirds
MARGIN: Final = 20
NAMES_END: Final = 180  # names are to the left of it, right-aligned
BARS_START: Final = 190
BARS_END: Final = 450  # leaves space for the figure behind the longest bar
BAR_HEIGHT: Final = 20
STEP: Final = 28

STYLE: Final = """\
    text { font-family: "Segoe UI", Roboto, Helvetica, Arial, sans-serif; font-size: 13px; fill: #1f2937; }
    .title { font-weight: 600; font-size: 15px; }
    .group { font-weight: 600; }
    .name { text-anchor: end; }
    .note { fill: #4b5563; font-size: 12.5px; }
    .bar { fill: #94a3b8; }
    .ours { fill: #15803d; }"""


@attrs.frozen
class Bars:
    """A group of bars.

    Args:
        label: the text above them.
        bars: name, length and what is written behind each.
    """

    label: str
    bars: tuple[tuple[str, float, str], ...]


def draw_chart(title: str, note: str, groups: Sequence[Bars], *, ours: str) -> str:
    """Return an SVG image.

    Args:
        title: what is shown.
        note: how to read it.
        groups: from top to bottom; all bars share one scale.
        ours: bars whose names begin with this are highlighted.
    """
    longest = max(length for group in groups for _, length, _ in group.bars)
    lines: list[str] = []
    top = 84
    for group in groups:
        lines.append(f'<text class="group" x="{MARGIN}" y="{top}">{escape(group.label)}</text>')
        top += 12
        for bar in group.bars:
            lines += _draw_bar(*bar, top, longest, ours)
            top += STEP
        top += 24
    height = top - 10
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
            f' viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title">',
            f'  <title id="title">{escape(title)}. {escape(note)}</title>',
            f"  <style>\n{STYLE}\n  </style>",
            f'  <rect x="1" y="1" width="{WIDTH - 2}" height="{height - 2}" rx="12" fill="#fafafa"'
            ' stroke="#d1d5db"/>',
            f'  <text class="title" x="{MARGIN}" y="32">{escape(title)}</text>',
            f'  <text class="note" x="{MARGIN}" y="52">{escape(note)}</text>',
            *(f"  {line}" for line in lines),
            "</svg>\n",
        ]
    )


def _draw_bar(name: str, length: float, written: str, top: int, longest: float, ours: str) -> Iterator[str]:
    width = max(1.0, length / longest * (BARS_END - BARS_START))
    kind = "bar ours" if name.startswith(ours) else "bar"
    middle = top + BAR_HEIGHT / 2 + 4.5
    yield f'<text class="name" x="{NAMES_END}" y="{middle}">{escape(name)}</text>'
    size = f'width="{width:.1f}" height="{BAR_HEIGHT}"'
    yield f'<rect class="{kind}" x="{BARS_START}" y="{top}" {size} rx="3"/>'
    yield f'<text class="note" x="{BARS_START + width + 8:.1f}" y="{middle}">{escape(written)}</text>'
