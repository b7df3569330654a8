"""How many instructions a validation takes: the one figure that a busy machine does not change.

Valgrind runs a process (:mod:`.subject`) that does the work a number of times, and once more with twice the
number. The difference is the work alone: starting up and warming up are the same in both.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from .bare import BARE
from .harness import Measurement
from .report import Bar, Effort, Section
from .subject import WORK
from .tokens import Workload

__all__ = ["measure_instructions"]

VALGRIND: Final = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
TIMES: Final = 200
COUNT: Final = re.compile(r"I\s+refs:\s+([\d,]+)")


def measure_instructions(effort: Effort) -> Iterator[Section]:
    """Instructions of the processor for one validation."""
    title = "instructions for one RS256 token"
    if shutil.which(VALGRIND[0]) is None:
        yield Section(name="instructions", title=title, notes=(f"left out: {VALGRIND[0]} is not installed",))
        return
    workload = Workload.create("RS256", tokens=2 * TIMES)
    given = json.dumps(
        {"jwks": workload.jwks, "metadata": workload.metadata, "tokens": workload.tokens}
    ).encode()
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each waits for a process
        runs = [(work, times) for work in WORK for times in (TIMES, 2 * TIMES)]
        counts = dict(zip(runs, pool.map(lambda run: _count(run[0], run[1], given), runs), strict=True))
    found = {
        work: Measurement(work, ((counts[work, 2 * TIMES] - counts[work, TIMES]) / TIMES,), "")
        for work in WORK
    }
    new, repeated, bare = found["a new token"], found["a repeated token"], found[BARE]
    yield Section(
        name="instructions",
        title=title,
        measurements=tuple(found.values()),
        bars=(
            Bar.at_most(150_000, "a new token, beyond bare verify", new.less(bare)),
            Bar.at_most(40_000, "a repeated token", repeated),
        ),
        notes=(f"counted by {VALGRIND[0]}, {TIMES} more tokens in a second run",),
    )


def _count(work: str, times: int, given: bytes) -> int:
    """Return the instructions of a whole process."""
    command = (*VALGRIND, sys.executable, "-m", f"{__package__}.subject", work, str(times))
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, input=given, env=environment, check=True, capture_output=True)
    count = COUNT.search(done.stderr.decode())
    assert count is not None, "valgrind says how many instructions there were"
    return int(count.group(1).replace(",", ""))
