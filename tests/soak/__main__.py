"""``make soak SECONDS=180 SEED=1``: a long run, with its progress, its verdict and its picture."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .chart import draw
from .durations import LONG
from .judge import judge
from .run import soak


def main() -> int:
    """Return 1 where anything was not as it should be."""

    def say(line: str) -> None:
        print(line, flush=True)

    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, default=Path("build/soak.svg"))
    arguments = parser.parse_args()

    say(f"about {arguments.seconds:g} seconds with seed {arguments.seed}; starting the servers ...\n")
    arguments.picture.parent.mkdir(parents=True, exist_ok=True)
    with arguments.picture.with_suffix(".log").open("w") as log:
        run = soak(arguments.seconds, arguments.seed, LONG, log=log, say=say)
    draw(run, arguments.picture)
    complaints = judge(run.evidence)
    say(f"\n{len(run.evidence.samples)} requests, {len(run.ordered)} faults; drawn in {arguments.picture}")
    say("\n".join(complaints) if complaints else "every response was one that the contract names")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
