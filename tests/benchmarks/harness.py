"""Measures contenders side by side, so that a machine whose speed drifts treats them alike.

Each round times every contender once, in turn, for about ``ROUND_SECONDS``; the order moves on by one in
each round. A ratio is the median of the ratios within the rounds, so it compares only what was measured a
moment apart.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import attrs

__all__ = ["Measurement", "Run", "compare", "repeat"]

Run: TypeAlias = Callable[[int], float]
"""Does the work ``n`` times and returns the seconds that took."""

ROUND_SECONDS: Final = 0.03


@attrs.frozen
class Measurement:
    """Seconds per call, one figure for each round."""

    name: str
    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """The first and the third quartile."""
        first, _, third = statistics.quantiles(self.samples, n=4)
        return first, third

    def ratio_to(self, other: Measurement) -> float:
        """Return how many times as long as ``other`` this takes: the median of the rounds' ratios."""
        pairs = zip(self.samples, other.samples, strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)


def repeat(call: Callable[[], object]) -> Run:
    """Return a run that makes one call over and over."""

    def run(times: int) -> float:
        start = time.thread_time()
        for _ in range(times):
            call()
        return time.thread_time() - start

    return run


def compare(contenders: Mapping[str, Run], *, rounds: int) -> dict[str, Measurement]:
    """Measure all contenders, interleaved.

    Args:
        contenders: by name.
        rounds: how often each is timed; at least 4, for the quartiles to mean something.
    """
    times = {name: _calibrate(run) for name, run in contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name in names:
                samples[name].append(contenders[name](times[name]) / times[name])
            names.append(names.pop(0))
    finally:
        gc.enable()
    return {name: Measurement(name, tuple(values)) for name, values in samples.items()}


def _calibrate(run: Run) -> int:
    """Return how often to do the work so that a round takes long enough to be measured; warms up, too."""
    times = 1
    while (seconds := run(times)) < ROUND_SECONDS / 4:
        times *= 2
    return max(1, round(times * ROUND_SECONDS / seconds))
