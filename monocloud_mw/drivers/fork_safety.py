"""What a forked child must not inherit: locks that a thread of its parent held, and work done over there."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["start_afresh_in_children"]


class _Inherited(Protocol):
    def start_afresh(self) -> None: ...


_inherited: weakref.WeakSet[_Inherited] = weakref.WeakSet()


def start_afresh_in_children(inherited: _Inherited) -> None:
    """Have ``inherited.start_afresh()`` called in every child that is forked from now on."""
    _inherited.add(inherited)


def _start_afresh() -> None:
    for inherited in list(_inherited):
        inherited.start_afresh()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
