"""One instance for each key, made once, and gone when nothing uses it."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from monocloud_mw.lifecycle import forks
from monocloud_mw.lifecycle.shared_instances import SharedInstances


class Instance:
    """Something that may be referred to weakly."""


def test_a_key_has_one_instance() -> None:
    """Another key has another."""
    shared: SharedInstances[Instance] = SharedInstances()
    first, second = shared.get("a", Instance), shared.get("b", Instance)
    assert (shared.get("a", Instance), shared.get("b", Instance)) == (first, second)
    assert first is not second


def test_an_instance_that_nothing_uses_is_gone() -> None:
    """The next who asks has a new one made."""
    shared: SharedInstances[Instance] = SharedInstances()
    shared.get("a", Instance)
    gc.collect()
    assert len(shared._instances) == 0
    assert isinstance(shared.get("a", Instance), Instance)


def test_threads_that_ask_together_get_one() -> None:
    """It is made once."""
    shared: SharedInstances[Instance] = SharedInstances()
    together = threading.Barrier(8)
    made: list[Instance] = []

    def make() -> Instance:
        made.append(Instance())
        return made[-1]

    def ask(_: int) -> Instance:
        together.wait(30)
        return shared.get("a", make)

    with ThreadPoolExecutor(8) as threads:
        instances = set(threads.map(ask, range(8)))
    assert instances == set(made)
    assert len(made) == 1


def test_what_cannot_be_made_is_tried_again() -> None:
    """An error is the caller's, and leaves nothing behind."""
    shared: SharedInstances[Instance] = SharedInstances()

    def fail() -> Instance:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        shared.get("a", fail)
    assert isinstance(shared.get("a", Instance), Instance)


def test_a_forked_child_does_not_wait_for_a_lock_of_its_parent() -> None:
    """Another thread may have held it; what is shared stays."""
    shared: SharedInstances[Instance] = SharedInstances()
    instance = shared.get("a", Instance)
    assert shared._lock.acquire(blocking=False)
    forks._reset_all()
    assert shared.get("a", Instance) is instance
