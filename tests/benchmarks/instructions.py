"""Counts the processor instructions of a validation, which do not depend on other processes.

Valgrind runs a process (:mod:`.subject`) that does everything a few times, and again with more repetitions
of one piece of work. The difference is that work alone: start-up and warm-up are the same in both.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from .harness import Measurement
from .report import Effort, Section
from .subject import WORK
from .tokens import Workload

__all__ = ["measure_instructions"]

VALGRIND: Final = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
FEW: Final = 5
MANY: Final = 205
COUNT: Final = re.compile(r"I\s+refs:\s+([\d,]+)")


def measure_instructions(effort: Effort) -> Iterator[Section]:
    """Instructions of the processor for one validation."""
    title = "instructions for one RS256 token"
    if shutil.which(VALGRIND[0]) is None:
        yield Section(name="instructions", title=title, notes=(f"left out: {VALGRIND[0]} is not installed",))
        return
    workload = Workload.create("RS256", tokens=MANY)
    given = json.dumps(
        {"jwks": workload.jwks, "metadata": workload.metadata, "tokens": workload.tokens}
    ).encode()
    runs = [[FEW] * len(WORK), *([MANY if name == work else FEW for name in WORK] for work in WORK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each waits for a process
        base, *counts = pool.map(lambda times: _count(times, given), runs)
    found = {
        work: Measurement(work, ((count - base) / (MANY - FEW),), "")
        for work, count in zip(WORK, counts, strict=True)
    }
    yield Section(
        name="instructions",
        title=title,
        measurements=tuple(found.values()),
        notes=(f"counted by {VALGRIND[0]}, of {MANY - FEW} more tokens in a second run",),
    )


def _count(times: Iterable[int], given: bytes) -> int:
    """Return the instructions of a whole process."""
    command = (*VALGRIND, sys.executable, "-m", f"{__package__}.subject", *map(str, times))
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, input=given, env=environment, check=True, capture_output=True)
    count = COUNT.search(done.stderr.decode())
    assert count is not None, "valgrind says how many instructions there were"
    return int(count.group(1).replace(",", ""))
