"""How much work a call does, counted and not timed: the same on every machine, however busy it is."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import attrs

from monocloud_mw.jose import algorithms

__all__ = ["Work", "count_work"]

_ALGORITHMS: Final = str(Path(algorithms.__file__))


@attrs.define
class Work:
    """What one call did.

    Args:
        steps: calls of functions, Python's and C's alike: what a parser or a loop is made to do shows here.
        verifications: signatures that were checked, which is what takes longest.
    """

    steps: int = 0
    verifications: int = 0


def count_work(call: Callable[[], Any]) -> Work:
    """Run a call and count, without what the garbage collector may choose to do meanwhile."""
    work = Work()

    def count(frame: FrameType, event: str, _argument: Any) -> None:
        if event in ("call", "c_call"):
            work.steps += 1
        code = frame.f_code
        if event == "call" and code.co_name == "verify" and code.co_filename == _ALGORITHMS:
            work.verifications += 1

    before, collects = sys.getprofile(), gc.isenabled()
    gc.disable()
    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()
    return work
