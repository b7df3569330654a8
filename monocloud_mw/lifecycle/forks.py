"""Reset objects after a fork: locks that another thread held, and work that only the parent continues."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["reset_in_children"]


class _Resettable(Protocol):
    def reset_after_fork(self) -> None: ...


_instances: weakref.WeakSet[_Resettable] = weakref.WeakSet()


def reset_in_children(instance: _Resettable) -> None:
    """Call ``instance.reset_after_fork()`` in every child process that is forked from now on."""
    _instances.add(instance)


def _reset_all() -> None:
    for instance in list(_instances):
        instance.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
