"""Counts the bytecodes of a validation: the same number on any machine, so CI checks it.

Code in C does not count: :mod:`.instructions` counts that too, where valgrind is installed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from .contenders import new_client
from .harness import Measurement
from .report import Bar, Effort, Section
from .tokens import SCOPE, Workload

__all__ = ["measure_bytecodes"]

NEW_TOKEN: Final = 1660  # on Python 3.11, which counts the most; 4 % more than when this was written
REPEATED_TOKEN: Final = 316
SHOWN: Final = 6


def measure_bytecodes(effort: Effort) -> Iterator[Section]:
    """Bytecodes of the interpreter for one validation."""
    workload = Workload.create("ES256", tokens=3)
    client = new_client(workload)

    def validate(token: str) -> None:
        client.validate_access_token(token, scopes=(SCOPE,))

    seen, *_, unseen = workload.tokens
    for token in (seen, seen, workload.tokens[1]):
        validate(token)
    counts = {"a new token": _count(validate, unseen), "a repeated token": _count(validate, seen)}
    new, repeated = (
        Measurement(name, (float(count.total()),), "bytecodes") for name, count in counts.items()
    )
    yield Section(
        name="bytecodes",
        title="bytecodes for one token",
        measurements=(new, repeated),
        bars=(
            Bar.at_most(NEW_TOKEN, "a new token", new, guard=NEW_TOKEN),
            Bar.at_most(REPEATED_TOKEN, "a repeated token", repeated, guard=REPEATED_TOKEN),
        ),
        notes=tuple(
            f"{name}: " + ", ".join(f"{function} {times}" for function, times in count.most_common(SHOWN))
            for name, count in counts.items()
        ),
    )


def _count(validate: Callable[[str], None], token: str) -> Counter[str]:
    """Return the number of bytecodes of one validation, by function."""
    counts: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        frame.f_trace_opcodes = True
        if event == "opcode":
            counts[frame.f_code.co_qualname] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        validate(token)
    finally:
        sys.settrace(before)
    return counts
