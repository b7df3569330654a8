"""Draws the chart of a run: responses, latency and memory over time, with the faults marked."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .run import Run
from .traffic import Sample

__all__ = ["draw"]

BINS: Final = 180
TITLE: Final = "Responses by status over time, with the faults of the tenant marked; latency and memory below"

# A background of its own, so that the chart is readable on light and on dark pages.
BACKGROUND, EDGE, INK, FAINT, FAULT = "#fafafa", "#d1d5db", "#1f2937", "#4b5563", "#e5e7eb"
STATUSES: Final = {
    200: ("#15803d", "200 let through"),
    400: ("#a78bfa", "400 malformed"),
    401: ("#3b82f6", "401 token refused"),
    403: ("#93c5fd", "403 scope or group missing"),
    503: ("#ea580c", "503 try again later"),
}
UNEXPECTED: Final = ("#000000", "anything else")
SERVERS: Final = ("#0f766e", "#7c3aed", "#be185d")
LAYOUT_FONT: Final = "DejaVu Sans"  # part of matplotlib; wider than the fonts that browsers use
FONTS: Final = "'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
STYLE: Final = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "soak",  # the same run gives the same file
    "font.family": LAYOUT_FONT,
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": EDGE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "grid.color": EDGE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


def draw(run: Run, path: Path) -> None:
    """Write the chart of a run as an SVG."""
    from matplotlib import pyplot as plt

    with mpl.rc_context(STYLE):
        figure, (requests, latency, memory) = plt.subplots(
            3, 1, figsize=(11, 7.6), sharex=True, height_ratios=(5, 3, 1.5), layout="constrained"
        )
        figure.get_layout_engine().set(rect=(0.012, 0.015, 0.976, 0.965), hspace=0.03)
        figure.patch.set_alpha(0)
        samples = run.observations.samples
        end = max(sample.ended for sample in samples) - run.began
        edges = np.linspace(0.0, end, BINS + 1)
        _draw_requests(requests, run, samples, edges)
        _draw_latency(latency, run, samples, edges)
        _draw_memory(memory, run)
        for axes in (requests, latency, memory):
            axes.set_xlim(0, end)
            for fault in run.injected:
                axes.axvspan(fault.began - run.began, fault.ended - run.began, color=FAULT, lw=0, zorder=0)
        memory.set_xlabel("seconds")
        chart = io.StringIO()
        figure.savefig(chart, format="svg", dpi=72, metadata={"Date": None})
        plt.close(figure)
    path.write_text(_with_background(chart.getvalue()), encoding="utf-8")


def _with_background(svg: str) -> str:
    """Return matplotlib's SVG with a title, a background, and the fonts of the other charts."""
    view_box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert view_box is not None
    width, height = view_box.groups()
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">\n'
        f'<title id="title">{TITLE}</title>\n'
        f'<rect x="1" y="1" width="{float(width) - 2:g}" height="{float(height) - 2:g}" rx="9" '
        f'fill="{BACKGROUND}" stroke="{EDGE}"/>\n'
    )
    drawing = svg[svg.index("</metadata>") + len("</metadata>") :].lstrip()
    drawing = re.sub(rf"'{LAYOUT_FONT}'(, sans-serif)?", FONTS, drawing)
    return head + "\n".join(line.rstrip() for line in drawing.splitlines()) + "\n"


def _draw_requests(axes: Any, run: Run, samples: Sequence[Sample], edges: Any) -> None:
    width = edges[1] - edges[0]
    moments = np.array([sample.ended - run.began for sample in samples])
    statuses = np.array([sample.status for sample in samples])
    below = np.zeros(len(edges) - 1)
    for status, (colour, label) in [*STATUSES.items(), (None, UNEXPECTED)]:
        chosen = ~np.isin(statuses, list(STATUSES)) if status is None else statuses == status
        if status is None and not chosen.any():
            continue
        rate = np.histogram(moments[chosen], edges)[0] / width
        axes.stairs(below + rate, edges, baseline=below, fill=True, color=colour, label=label, zorder=2)
        below = below + rate
    highest = below.max()
    axes.set_ylim(0, highest * 1.58)
    axes.set_ylabel("responses per second")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    for fault in run.injected:
        middle = (fault.began + fault.ended) / 2 - run.began
        axes.text(
            middle, highest * 1.55, fault.name, rotation=90, ha="center", va="top", color=INK, fontsize=8.5
        )
    what = (
        f"{len(samples):_} requests to Flask, WSGI and ASGI, and {len(run.injected)} faults of their tenant"
    )
    axes.set_title(
        what.replace("_", "\N{NARROW NO-BREAK SPACE}"), loc="left", fontsize=13, fontweight="bold", pad=30
    )
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 0.995), ncols=6, handlelength=1, columnspacing=1.4)


def _draw_latency(axes: Any, run: Run, samples: Sequence[Sample], edges: Any) -> None:
    moments = np.array([sample.ended - run.began for sample in samples])
    seconds = np.array([sample.ended - sample.began for sample in samples])
    middles, places = (edges[:-1] + edges[1:]) / 2, np.digitize(moments, edges) - 1
    kinds = np.array([sample.kind.startswith("opaque") for sample in samples])
    for chosen, colour, label in (
        (~kinds, SERVERS[0], "checked with keys"),
        (kinds, "#d97706", "opaque, the tenant is asked"),
    ):
        groups = [seconds[chosen & (places == place)] for place in range(len(middles))]
        axes.plot(
            moments[chosen],
            seconds[chosen],
            ".",
            ms=1.6,
            alpha=0.35,
            color=colour,
            mec="none",
            rasterized=True,
        )
        median = [float(np.median(group)) if len(group) else np.nan for group in groups]
        axes.plot(middles, median, color=colour, lw=1.6, label=f"{label} (line: median)")
    bound = run.observations.durations.response_timeout
    axes.axhline(bound, color=FAINT, lw=0.8, ls=(0, (4, 3)))
    axes.annotate(
        "response timeout", (1.0, bound), xycoords=("axes fraction", "data"), xytext=(-4, 3),
        textcoords="offset points", ha="right", color=FAINT, fontsize=8.5,
    )  # fmt: skip
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g} s" if value >= 1 else f"{1000 * value:g} ms")
    )
    axes.set_ylabel("latency")
    axes.grid(axis="y")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 0.97), ncols=2, handlelength=1, columnspacing=1.4)


def _draw_memory(axes: Any, run: Run) -> None:
    for colour, (server, sizes) in zip(SERVERS, run.observations.memory.items(), strict=False):
        if sizes:
            moments, values = zip(*sizes, strict=True)
            axes.plot(np.array(moments) - run.began, values, color=colour, lw=1.6, label=server)
    axes.set_ylim(0, None)
    axes.set_ylabel("MiB")
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.grid(axis="y")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 0.95), ncols=3, handlelength=1, columnspacing=1.4)
