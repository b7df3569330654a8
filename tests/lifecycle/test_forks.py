"""Resetting objects with locks in a forked child; test_sharing.py and the transports' tests fork."""

from __future__ import annotations

import gc

from monocloud_mw.lifecycle import forks as fork_safety


class Inherited:
    """Counts its resets."""

    def __init__(self, count: list[int]) -> None:
        self._count = count

    def reset_after_fork(self) -> None:
        """Count the reset."""
        self._count.append(1)


def test_all_live_objects_are_reset() -> None:
    """All live objects are reset, and being registered keeps no object alive."""
    lived: list[int] = []
    died: list[int] = []
    alive, forgotten = Inherited(lived), Inherited(died)
    for inherited in alive, forgotten:
        fork_safety.reset_in_children(inherited)
    del inherited, forgotten
    gc.collect()
    fork_safety._reset_all()
    assert (lived, died) == ([1], [])
