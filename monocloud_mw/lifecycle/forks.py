"""What a forked child must not inherit: locks that a thread of its parent held, and work done over there."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["reset_in_children"]


class _Inherited(Protocol):
    def reset_after_fork(self) -> None: ...


_inherited: weakref.WeakSet[_Inherited] = weakref.WeakSet()


def reset_in_children(inherited: _Inherited) -> None:
    """Have ``inherited.reset_after_fork()`` called in every child that is forked from now on."""
    _inherited.add(inherited)


def _start_afresh() -> None:
    for inherited in list(_inherited):
        inherited.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
