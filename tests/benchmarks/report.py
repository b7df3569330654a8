"""Reports the results: a table, JSON, and whether the limits are met."""

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
    *("attrs", "cryptography", "requests", "werkzeug", "flask", "httpcore2"),
    *("pyjwt", "joserfc", "authlib", "uvicorn", "httptools", "gunicorn"),
)
SCALES: Final[Mapping[str, tuple[tuple[float, str], ...]]] = {
    "s": ((1, "s"), (1e-3, "ms"), (1e-6, "us")),
    "B": ((2**20, "MiB"), (2**10, "KiB"), (1, "B")),
}


@attrs.frozen
class Effort:
    """The number and length of the rounds.

    Args:
        rounds: how often each contender is measured.
        check: only find out whether something got much slower.
    """

    rounds: int
    check: bool = False


@attrs.frozen
class Bar:
    """A figure and its limit.

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
        """Whether the figure is within the limit of CI."""
        if self.guard is None:
            return True
        if self.is_floor:
            return max(self.figure.samples) >= self.guard
        return min(self.figure.samples) <= self.guard

    def render(self, *, check: bool) -> str:
        """Return the figure and its limit: the goal, or with ``check`` the limit of CI."""
        found, wanted, reached = self.figure.median, self.goal, self.met
        if check and self.guard is not None:
            best = max if self.is_floor else min
            found, wanted, reached = best(self.figure.samples), self.guard, self.tolerated
        written, limit = (render_value(value, self.figure.unit) for value in (found, wanted))
        kind = "at least" if self.is_floor else "at most"
        return f"{'ok  ' if reached else 'MISS'} {self.claim}: {written} ({kind} {limit})"


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
    measurements: tuple[Measurement, ...] = ()
    bars: tuple[Bar, ...] = ()
    notes: tuple[str, ...] = ()


def render_value(value: float, unit: str, *, like: float | None = None) -> str:
    """Format a figure with a unit that suits its size.

    Args:
        value: the figure.
        unit: what it is in.
        like: leave the unit away, and scale it like this figure.
    """
    scale, name = _scale_of(value if like is None else like, unit)
    digits = f"{value / scale:,.0f}" if abs(value / scale) >= 100 else f"{value / scale:.3g}"
    return digits if like is not None else f"{digits} {name}".rstrip()


def _scale_of(value: float, unit: str) -> tuple[float, str]:
    scales = SCALES.get(unit, ((1, unit),))
    return next((scale for scale in scales if abs(value) >= scale[0]), scales[-1])


def render_section(section: Section, *, check: bool = False) -> Iterator[str]:
    """Yield the lines of a section's table; with ``check``, only the limits of CI."""
    yield ""
    yield f"{section.title:34}{'median':>20}   {'quartiles':20}{'ratio':>7}"
    for found in section.measurements:
        quartiles = " - ".join(render_value(value, found.unit, like=found.median) for value in found.spread)
        ratio = _ratio(found, section)
        written = "" if ratio is None else f"{ratio:7.2f}"
        yield f"  {found.name:32}{render_value(found.median, found.unit):>20}   {quartiles:20}{written}"
    for bar in section.bars:
        if bar.guard is not None or not check:
            yield f"  {bar.render(check=check)}"
    yield from (f"  ({note})" for note in section.notes)


def _ratio(found: Measurement, section: Section) -> float | None:
    """Return the ratio of a figure to the first of its section, if both have the same unit."""
    first = section.measurements[0]
    return found.over(first).median if found.unit == first.unit else None


def describe_machine() -> dict[str, Any]:
    """Return the facts about the machine that the figures depend on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,  # of what else runs
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
    """Write all figures to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": sys.argv[1:],
        "machine": machine,
        "sections": [_as_json(section) for section in sections],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _as_json(section: Section) -> dict[str, Any]:
    return {
        "name": section.name,
        "title": section.title,
        "measurements": [
            {
                "name": found.name,
                "unit": found.unit,
                "median": found.median,
                "quartiles": found.spread,
                "ratio": _ratio(found, section),
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
