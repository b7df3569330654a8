"""One instance per key, created once and dropped when it is unused."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from monocloud_mw.lifecycle import forks
from monocloud_mw.lifecycle.shared_instances import SharedInstances


class Instance:
    """An object that supports weak references."""


def test_a_key_has_one_instance() -> None:
    """Another key has another instance."""
    shared: SharedInstances[Instance] = SharedInstances()
    first, second = shared.get("a", Instance), shared.get("b", Instance)
    assert (shared.get("a", Instance), shared.get("b", Instance)) == (first, second)
    assert first is not second


def test_an_unused_instance_is_dropped() -> None:
    """The next caller gets a new instance."""
    shared: SharedInstances[Instance] = SharedInstances()
    shared.get("a", Instance)
    gc.collect()
    assert len(shared._instances) == 0
    assert isinstance(shared.get("a", Instance), Instance)


def test_concurrent_threads_get_one_instance() -> None:
    """The instance is created once."""
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


def test_a_failed_creation_is_repeated() -> None:
    """The error is raised to the caller, and nothing is kept."""
    shared: SharedInstances[Instance] = SharedInstances()

    def fail() -> Instance:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        shared.get("a", fail)
    assert isinstance(shared.get("a", Instance), Instance)


def test_a_forked_child_does_not_wait_for_a_lock_of_its_parent() -> None:
    """Another thread may have held the lock; instances are kept."""
    shared: SharedInstances[Instance] = SharedInstances()
    instance = shared.get("a", Instance)
    assert shared._lock.acquire(blocking=False)
    forks._reset_all()
    assert shared.get("a", Instance) is instance
