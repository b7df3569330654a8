"""The work of a call, counted and not timed, so that it is the same on every machine."""

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
    """The work of one call.

    Args:
        steps: calls of Python and C functions, which show the work of parsers and loops.
        verifications: checked signatures, which take longest.
    """

    steps: int = 0
    verifications: int = 0


def count_work(call: Callable[[], Any]) -> Work:
    """Run a call and count, with the garbage collector disabled."""
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
