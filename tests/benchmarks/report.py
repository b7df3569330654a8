"""What comes out of a measurement: a table for people, JSON for programs, and whether the bars are met."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

import attrs

from .harness import Measurement

__all__ = ["Bar", "Effort", "Section", "describe_machine", "render_section", "write_json"]

LIBRARIES: Final = (
    *("attrs", "cryptography", "requests", "werkzeug", "flask", "httpx2"),
    *("pyjwt", "joserfc", "authlib", "uvicorn", "httptools", "gunicorn"),
)
SCALES: Final[Mapping[str, tuple[tuple[float, str], ...]]] = {
    "s": ((1, "s"), (1e-3, "ms"), (1e-6, "us")),
    "B": ((2**20, "MiB"), (2**10, "KiB"), (1, "B")),
}


@attrs.frozen
class Effort:
    """How much work goes into measuring.

    Args:
        rounds: how often each contender is measured.
        check: only find out whether something got much slower.
    """

    rounds: int
    check: bool = False


@attrs.frozen
class Bar:
    """A figure, and what it must reach.

    Args:
        claim: what the figure is.
        figure: of each round; the median counts.
        goal: what we want of it.
        guard: what CI insists on. That is generous, and the best round counts: whatever else a machine does
            makes some rounds slow, while code that is slow makes all of them so.
        is_floor: whether more is better.
    """

    claim: str
    figure: Measurement
    goal: float
    guard: float | None
    is_floor: bool

    @classmethod
    def at_most(cls, goal: float, claim: str, figure: Measurement, *, guard: float | None = None) -> Self:
        return cls(claim, figure, goal, guard, False)

    @classmethod
    def at_least(cls, goal: float, claim: str, figure: Measurement, *, guard: float | None = None) -> Self:
        return cls(claim, figure, goal, guard, True)

    @property
    def met(self) -> bool:
        found = self.figure.median
        return found >= self.goal if self.is_floor else found <= self.goal

    @property
    def tolerated(self) -> bool:
        """Whether CI is content."""
        if self.guard is None:
            return True
        if self.is_floor:
            return max(self.figure.samples) >= self.guard
        return min(self.figure.samples) <= self.guard

    def __str__(self) -> str:
        kind = "at least" if self.is_floor else "at most"
        found, goal = (render_value(value, self.figure.unit) for value in (self.figure.median, self.goal))
        return f"{'ok  ' if self.met else 'MISS'} {self.claim}: {found} ({kind} {goal})"


@attrs.frozen(kw_only=True)
class Section:
    """One piece of work, done by several contenders.

    Args:
        name: what the JSON calls it.
        title: what the work is.
        measurements: the first is what the others are compared to.
        bars: what is claimed.
        notes: what else there is to know about these figures.
    """

    name: str
    title: str
    measurements: tuple[Measurement, ...]
    bars: tuple[Bar, ...] = ()
    notes: tuple[str, ...] = ()


def render_value(value: float, unit: str) -> str:
    """Write a figure with three digits and a unit that suits its size."""
    for scale, name in SCALES.get(unit, ()):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {name}"
    if unit in SCALES:
        scale, name = SCALES[unit][-1]
        return f"{value / scale:.2g} {name}"
    if unit == "x":
        return f"{value:.3g} x"
    return f"{value:,.0f} {unit}".rstrip()


def render_section(section: Section) -> Iterator[str]:
    """Yield the lines of a section's table."""
    base, *_ = section.measurements
    yield ""
    yield f"{section.title:46}{'median':>12}   {'quartiles':25}{'ratio':>7}"
    for found in section.measurements:
        quartiles = " - ".join(render_value(value, found.unit) for value in found.spread)
        ratio = f"{found.over(base).median:7.2f}" if found.unit == base.unit else ""
        yield f"  {found.name:44}{render_value(found.median, found.unit):>12}   {quartiles:25}{ratio}"
    yield from (f"  {bar}" for bar in section.bars)
    yield from (f"  ({note})" for note in section.notes)


def describe_machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "openssl": _openssl(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _openssl() -> str:
    from cryptography.hazmat.backends.openssl import backend

    return backend.openssl_version_text()


def write_json(path: Path, machine: Mapping[str, Any], sections: Iterable[Section]) -> None:
    """Write every single figure to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": sys.argv[1:],
        "machine": machine,
        "sections": [_as_json(section) for section in sections],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _as_json(section: Section) -> dict[str, Any]:
    base, *_ = section.measurements
    return {
        "name": section.name,
        "title": section.title,
        "measurements": [
            {
                "name": found.name,
                "unit": found.unit,
                "median": found.median,
                "quartiles": found.spread,
                "ratio": found.over(base).median if found.unit == base.unit else None,
                "samples": found.samples,
            }
            for found in section.measurements
        ],
        "bars": [
            {
                "claim": bar.claim,
                "unit": bar.figure.unit,
                "median": bar.figure.median,
                "at_least" if bar.is_floor else "at_most": bar.goal,
                "met": bar.met,
            }
            for bar in section.bars
        ],
        "notes": section.notes,
    }
