"""``make soak SECONDS=180 SEED=1``: a long run with progress, a result and a chart."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .chart import draw
from .checker import find_problems
from .durations import LONG
from .run import soak


def main() -> int:
    """Return 1 if there were problems."""

    def say(line: str) -> None:
        print(line, flush=True)

    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chart", type=Path, default=Path("build/soak.svg"))
    arguments = parser.parse_args()

    say(f"about {arguments.seconds:g} seconds with seed {arguments.seed}; starting the servers ...\n")
    arguments.chart.parent.mkdir(parents=True, exist_ok=True)
    with arguments.chart.with_suffix(".log").open("w") as log:
        run = soak(arguments.seconds, arguments.seed, LONG, log=log, say=say)
    draw(run, arguments.chart)
    problems = find_problems(run.observations)
    say(f"\n{len(run.observations.samples)} requests, {len(run.injected)} faults; chart in {arguments.chart}")
    say("\n".join(problems) if problems else "no problem found")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
