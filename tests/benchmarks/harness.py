"""Measures contenders in turns, so that changes in the speed of the machine affect all of them.

Each round times every contender once, in turn, for about ``ROUND_SECONDS``; the order moves on by one in
each round. A ratio is the median of the ratios within the rounds, so it compares only figures that were
measured within moments. If one thread does the work, its processor time is measured, which excludes other
processes.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import attrs

__all__ = ["Measurement", "Run", "compare", "repeat", "repeat_async"]

Run: TypeAlias = Callable[[int], float]
"""Does the work ``n`` times and returns the seconds."""

ROUND_SECONDS: Final = 0.03


@attrs.frozen
class Measurement:
    """The figures of one contender, one for each round, in seconds per call by default."""

    name: str
    samples: tuple[float, ...]
    unit: str = "s"

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """The first and the third quartile."""
        if len(self.samples) < 2:
            return self.median, self.median
        first, _, third = statistics.quantiles(self.samples, n=4, method="inclusive")
        return first, third

    def over(self, other: Measurement, name: str = "") -> Measurement:
        """Return the ratio to ``other`` of each round."""
        pairs = zip(self.samples, other.samples, strict=True)
        return Measurement(name, tuple(mine / theirs for mine, theirs in pairs), "x")

    def less(self, other: Measurement, name: str = "") -> Measurement:
        """Return the difference to ``other`` of each round."""
        pairs = zip(self.samples, other.samples, strict=True)
        return Measurement(name, tuple(mine - theirs for mine, theirs in pairs), self.unit)


def repeat(call: Callable[[], object]) -> Run:
    """Return a run that repeats one call."""

    def run(times: int) -> float:
        start = time.thread_time()
        for _ in range(times):
            call()
        return time.thread_time() - start

    return run


def repeat_async(call: Callable[[], Awaitable[object]], runner: asyncio.Runner) -> Run:
    """Return a run that repeats and awaits one call in one coroutine on a running loop."""

    async def awaits(times: int) -> float:
        start = time.thread_time()
        for _ in range(times):
            await call()
        return time.thread_time() - start

    return lambda times: runner.run(awaits(times))


def compare(contenders: Mapping[str, Run], *, rounds: int) -> dict[str, Measurement]:
    """Measure all contenders, interleaved.

    Args:
        contenders: by name.
        rounds: how often each is timed.
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
    """Return how many repetitions make a round long enough to measure; also warms up."""
    run(1)  # not measured: the first call may create a client and load its keys
    times = 1
    while (seconds := run(times)) < ROUND_SECONDS / 4:
        times *= 2
    return max(1, round(times * ROUND_SECONDS / seconds))
