"""The cache in memory: its bounds, and its use by threads and forked children."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from monocloud_mw.errors import ConfigurationError
from monocloud_mw.stores import MemoryCache
from monocloud_mw.stores.memory import INACTIVE_SHARE

from .conftest import FixedClock

FORK = """
import os, threading
from monocloud_mw.stores import MemoryCache

cache = MemoryCache()
cache.set("key", {"sub": "parent"}, 1e12)
stop = threading.Event()

def write():
    while not stop.is_set():
        cache.set("other", {}, 1e12)

threads = [threading.Thread(target=write) for _ in range(4)]
for thread in threads:
    thread.start()
failed = False
for _ in range(100):
    child = os.fork()
    if child == 0:
        cache.set("mine", {"sub": "child"}, 1e12)
        os._exit(0 if cache.get("key") == {"sub": "parent"} and cache.get("mine") else 1)
    failed |= os.waitpid(child, 0)[1] != 0
stop.set()
for thread in threads:
    thread.join()
assert not failed and cache.get("mine") is None
"""


def test_the_least_recently_used_entry_is_evicted(clock: FixedClock) -> None:
    """A read keeps an entry; the entry not read for longest is evicted first."""
    cache = MemoryCache(max_entries=2, clock=clock)
    cache.set("a", {"sub": "a"}, clock.now + 300)
    cache.set("b", {"sub": "b"}, clock.now + 300)
    cache.get("a")
    cache.set("c", {"sub": "c"}, clock.now + 300)
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]


def test_a_write_counts_as_a_use(clock: FixedClock) -> None:
    """An entry that was just rewritten is not evicted next."""
    cache = MemoryCache(max_entries=2, clock=clock)
    for key in ("a", "b", "a", "c"):
        cache.set(key, {}, clock.now + 300)
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]


def test_many_new_entries_stay_within_the_bound(clock: FixedClock) -> None:
    """New entries evict each other, and an entry in steady use stays."""
    cache = MemoryCache(max_entries=100, clock=clock)
    cache.set("busy", {"active": True}, clock.now + 300)
    for number in range(10_000):
        cache.set(f"flood {number}", {"active": True}, clock.now + 300)
        assert cache.get("busy") is not None
    assert len(cache) == 100


@pytest.mark.parametrize("max_entries", [200, 10_000])
def test_made_up_tokens_do_not_evict_valid_ones(clock: FixedClock, max_entries: int) -> None:
    """However many made-up tokens are stored, valid tokens stay even if unused."""
    cache = MemoryCache(max_entries, clock=clock)
    for number in range(200):
        cache.set(f"good {number}", {"active": True, "sub": str(number)}, clock.now + 300)
    for number in range(10_000):
        cache.set(f"made up {number}", {"active": False}, clock.now + 300)
    assert all(cache.get(f"good {number}") for number in range(200))
    assert len(cache) == 200 + max_entries // INACTIVE_SHARE
    assert cache.get("made up 9999") == {"active": False}


def test_valid_tokens_do_not_evict_inactive_ones(clock: FixedClock) -> None:
    """A revoked token stays cached while valid tokens fill the cache."""
    cache = MemoryCache(max_entries=1, clock=clock)
    cache.set("revoked", {"active": False}, clock.now + 300)
    for number in range(100):
        cache.set(f"good {number}", {"active": True}, clock.now + 300)
    assert (cache.get("revoked"), len(cache)) == ({"active": False}, 2)


def test_a_bound_of_one_keeps_the_last_entry(clock: FixedClock) -> None:
    """A bound of 1 keeps the last entry."""
    cache = MemoryCache(max_entries=1, clock=clock)
    cache.set("a", {}, clock.now + 300)
    cache.set("b", {}, clock.now + 300)
    assert (cache.get("a"), cache.get("b"), len(cache)) == (None, {}, 1)


def test_reading_an_expired_entry_drops_it(clock: FixedClock) -> None:
    """An expired entry is dropped when it is read."""
    cache = MemoryCache(clock=clock)
    cache.set("key", {}, clock.now + 1)
    clock.now += 1
    assert cache.get("key") is None
    assert len(cache) == 0


def test_writes_drop_expired_entries_that_nobody_reads(clock: FixedClock) -> None:
    """Each write drops up to two expired entries."""
    cache = MemoryCache(clock=clock)
    for number in range(1_000):
        cache.set(f"old {number}", {"sub": "someone"}, clock.now + 1)
    clock.now += 1
    for number in range(500):
        cache.set(f"new {number}", {}, clock.now + 300)
    assert len(cache) == 500


@pytest.mark.parametrize("expires_at", [float("nan"), float("-inf")])
def test_an_invalid_expiry_is_in_the_past(clock: FixedClock, expires_at: float) -> None:
    """An expiry that cannot be compared counts as expired."""
    cache = MemoryCache(clock=clock)
    cache.set("key", {}, expires_at)
    assert cache.get("key") is None


@pytest.mark.parametrize("max_entries", [0, -1, 1.5, "10", True, None])
def test_an_invalid_bound_is_refused(max_entries: Any) -> None:
    """The bound must be a whole number of at least 1."""
    with pytest.raises(ConfigurationError, match="max_entries: must be a whole number of at least 1"):
        MemoryCache(max_entries)


def test_threads_share_it(clock: FixedClock) -> None:
    """Threads that read, write and delete concurrently neither fail nor get each other's claims."""
    cache = MemoryCache(max_entries=50, clock=clock)

    def work(thread: int) -> None:
        for step in range(2_000):
            key = str((thread * 7 + step) % 80)
            cache.set(key, {"sub": key}, clock.now + 300)
            assert cache.get(key) in ({"sub": key}, None)
            if step % 5 == 0:
                cache.delete(key)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert len(cache) <= 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_a_copy() -> None:
    """A child forked while threads were writing has the entries and no locked lock."""
    subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK], check=True, timeout=60)
