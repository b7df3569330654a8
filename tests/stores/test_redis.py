"""The caches on Redis where Redis is slow, gone, full of garbage or in other hands."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
import redis.asyncio

from monocloud_mw import BackendClient
from monocloud_mw.errors import ConfigurationError, TokenError
from monocloud_mw.stores.entry import MAX_ENTRY_BYTES
from monocloud_mw.stores.redis import AsyncRedisCache, RedisCache
from monocloud_mw.testing import LocalTenant

from .conftest import Connect, FixedClock
from .redis_server import PASSWORD, RedisServer

FAILURES = (redis.ConnectionError, redis.TimeoutError, OSError)
"""What a driver may expect of a Redis that is gone or slow; both turn them into misses."""

BOUND_SECONDS = 5.0
"""Far more than the 0.1 s that the tests allow, far less than anybody would wait for a frozen Redis."""

SECRET = "a secret of thirty-two characters"


WITHOUT_REDIS = """
import sys
sys.modules["redis"] = None
import monocloud_mw.stores
try:
    import monocloud_mw.stores.redis
except ImportError as error:
    sys.exit(str(error))
"""


def _set_value(value: bytes) -> Callable[[redis.Redis], Any]:
    return lambda raw: raw.set("monocloud:key", value)


MISFITS: dict[str, Callable[[redis.Redis], Any]] = {
    "text": _set_value(b"garbage"),
    "binary": _set_value(b"\xff\xfe\x00"),
    "null": _set_value(b"null"),
    "array": _set_value(b"[]"),
    "bare claims": _set_value(b'{"active":true,"sub":"someone"}'),
    "duplicate names": _set_value(b'{"key":"monocloud:key","expires_at":4e9,"claims":{},"claims":{"a":1}}'),
    "half an entry": _set_value(b'{"key":"monocloud:key","expires_at":4e9,"cla'),
    "another key": _set_value(b'{"key":"monocloud:other","expires_at":4e9,"claims":{}}'),
    "another prefix": _set_value(b'{"key":"staging:key","expires_at":4e9,"claims":{}}'),
    "too long": _set_value(b" " * (MAX_ENTRY_BYTES + 1)),
    "a list": lambda raw: raw.rpush("monocloud:key", "a", "b"),
    "a hash": lambda raw: raw.hset("monocloud:key", "field", "value"),
    "a set": lambda raw: raw.sadd("monocloud:key", "member"),
    "a stream": lambda raw: raw.xadd("monocloud:key", {"field": "value"}),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_misfit_is_a_miss(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, clock: FixedClock,
    caplog: pytest.LogCaptureFixture, misfit: str,
) -> None:  # fmt: skip
    """What this cache did not write is logged as a miss, unquoted, and the next write replaces it."""
    cache = connect(redis_server.url)
    MISFITS[misfit](raw)
    assert cache.get("key") is None
    (record,) = caplog.records
    assert (record.name.partition(".")[0], record.levelno) == ("monocloud_mw", logging.WARNING)
    assert record.getMessage().startswith(
        "a value in the Redis claims cache is not a valid entry and counts as a miss: it "
    )
    assert "someone" not in record.getMessage()
    cache.set("key", {"active": True}, clock.now + 300)
    assert cache.get("key") == {"active": True}


def test_an_empty_value_is_a_plain_miss(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty value looks like none at all, and is worth no warning."""
    raw.set("monocloud:key", b"")
    assert connect(redis_server.url).get("key") is None
    assert not caplog.records


def test_a_huge_value_is_not_transferred(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis
) -> None:
    """A value of many megabytes costs no more time and memory than the longest entry."""
    raw.set("monocloud:key", b"x" * 20_000_000)
    cache = connect(redis_server.url)
    before = raw.info("stats")["total_net_output_bytes"]
    assert cache.get("key") is None
    assert raw.info("stats")["total_net_output_bytes"] - before < 2 * MAX_ENTRY_BYTES


def test_claims_too_large_to_store_leave_nothing_behind(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, clock: FixedClock
) -> None:
    """An answer that does not fit also removes the one it would have replaced."""
    cache = connect(redis_server.url)
    cache.set("key", {"active": True}, clock.now + 300)
    cache.set("key", {"active": True, "large": "x" * MAX_ENTRY_BYTES}, clock.now + 300)
    assert raw.exists("monocloud:key") == 0


def test_redis_forgets_entries_by_itself(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, clock: FixedClock
) -> None:
    """Entries carry a lifetime, counted from our clock, whatever the time is at the server."""
    connect(redis_server.url).set("key", {"active": True}, clock.now + 300)
    assert 240_000 < raw.pttl("monocloud:key") <= 300_000


def test_a_restored_snapshot_revives_nothing(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, clock: FixedClock
) -> None:
    """An entry whose lifetime in Redis was lost expires nevertheless."""
    cache = connect(redis_server.url)
    cache.set("key", {"active": True}, clock.now + 300)
    raw.persist("monocloud:key")
    clock.now += 300
    assert cache.get("key") is None


def test_prefixes_keep_apis_apart(connect: Connect, redis_server: RedisServer, clock: FixedClock) -> None:
    """Two APIs on one Redis share nothing."""
    one, other = connect(redis_server.url, prefix="one:"), connect(redis_server.url, prefix="other:")
    one.set("key", {"active": True}, clock.now + 300)
    assert other.get("key") is None


def test_both_kinds_of_caches_share_entries(
    connectors: dict[str, Connect], redis_server: RedisServer, clock: FixedClock
) -> None:
    """A process with threads and one with event loops read what the other wrote."""
    for writer, reader in (("sync", "async"), ("async", "sync")):
        connectors[writer](redis_server.url, integrity_key=SECRET).set(
            writer, {"by": writer}, clock.now + 300
        )
        assert connectors[reader](redis_server.url, integrity_key=SECRET).get(writer) == {"by": writer}


# Integrity


def test_a_forged_entry_makes_no_token_valid(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, clock: FixedClock,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Who can write into Redis but lacks the integrity key can neither make nor move nor prolong entries."""
    cache = connect(redis_server.url, integrity_key=SECRET)
    connect(redis_server.url).set("planted", {"active": True}, clock.now + 300)
    connect(redis_server.url, integrity_key=SECRET[::-1]).set("guessed", {"active": True}, clock.now + 300)
    cache.set("own", {"active": True, "sub": "someone"}, clock.now + 300)
    raw.copy("monocloud:own", "monocloud:moved")
    own: Any = raw.get("monocloud:own")
    raw.set("monocloud:raised", own.replace(b"own", b"raised").replace(b"someone", b"admin"))
    assert [cache.get(key) for key in ("planted", "guessed", "moved", "raised")] == [None] * 4
    assert len(caplog.records) == 4
    assert cache.get("own") == {"active": True, "sub": "someone"}


# A Redis that is gone or slow


def test_a_redis_that_is_gone_raises_until_it_is_back(
    connect: Connect, redis_server: RedisServer, clock: FixedClock
) -> None:
    """A crash fails the calls, and the same cache works again after the restart, stale connections or not."""
    cache = connect(redis_server.url)
    cache.set("key", {"active": True}, clock.now + 300)
    redis_server.kill()
    with pytest.raises(FAILURES):
        cache.get("key")
    with pytest.raises(FAILURES):
        cache.set("key", {}, clock.now + 300)
    with pytest.raises(FAILURES):
        cache.delete("key")
    redis_server.start()
    cache.set("key", {"active": True}, clock.now + 300)
    assert cache.get("key") == {"active": True}


def test_a_restart_between_two_calls_goes_unnoticed(
    connect: Connect, redis_server: RedisServer, clock: FixedClock
) -> None:
    """A connection that went stale while idle is replaced, and not reported."""
    cache = connect(redis_server.url)
    cache.set("key", {"active": True}, clock.now + 300)
    redis_server.kill()
    redis_server.start()
    assert cache.get("key") is None


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_a_redis_that_hangs_costs_the_timeout(
    connect: Connect, redis_server: RedisServer, clock: FixedClock, tls: bool, warm: bool
) -> None:
    """Connected before or not: a frozen server fails the call in time, and serves again once it thaws."""
    url, bundle = (redis_server.tls_url, redis_server.ca_bundle) if tls else (redis_server.url, None)
    connect(redis_server.url).set("key", {"active": True}, clock.now + 300)
    cache = connect(url, ca_bundle=bundle, timeout_seconds=0.1)
    if warm:
        cache = connect(url, ca_bundle=bundle, timeout_seconds=1.0)
        assert cache.get("key") == {"active": True}
    redis_server.freeze()
    started = time.monotonic()
    with pytest.raises(FAILURES):
        cache.get("key")
    assert time.monotonic() - started < BOUND_SECONDS
    redis_server.thaw()
    assert connect(url, ca_bundle=bundle).get("key") == {"active": True}


def test_late_answers_reach_nobody(connect: Connect, redis_server: RedisServer, clock: FixedClock) -> None:
    """After a timeout, the answer to the question that was given up is not taken for the next one's."""
    patient = connect(redis_server.url)
    for key in ("first", "second"):
        patient.set(key, {"sub": key}, clock.now + 300)
    cache = connect(redis_server.url, timeout_seconds=1.0, max_connections=1)
    assert cache.get("first") == {"sub": "first"}
    redis_server.freeze()
    with pytest.raises(FAILURES):
        cache.get("first")
    redis_server.thaw()
    assert cache.get("second") == {"sub": "second"}


def test_slow_writes_do_not_stop_reads(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, clock: FixedClock
) -> None:
    """While Redis pauses writes (a failover), they time out and reads go on."""
    cache = connect(redis_server.url, timeout_seconds=1.0)
    cache.set("key", {"active": True}, clock.now + 300)
    raw.client_pause(60_000, all=False)
    try:
        with pytest.raises(FAILURES):
            cache.set("other", {"active": True}, clock.now + 300)
        assert cache.get("key") == {"active": True}
    finally:
        raw.client_unpause()


def test_a_redis_that_dies_in_the_middle_of_a_call_fails_it(
    connect: Connect, redis_server: RedisServer
) -> None:
    """A caller that waits for a crashed server does not wait for its timeout."""
    cache = connect(redis_server.url)
    cache.get("key")
    redis_server.freeze()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(cache.get, "key")
        redis_server.kill()
        assert isinstance(waiting.exception(timeout=BOUND_SECONDS), FAILURES)


def test_a_failing_redis_is_left_alone_for_a_while(
    connect: Connect, redis_server: RedisServer, clock: FixedClock
) -> None:
    """One caller pays the timeout; the next ones have misses at once, and their writes are dropped."""
    cache = connect(redis_server.url, timeout_seconds=1.0, cooldown_seconds=3600.0)
    cache.set("key", {"active": True}, clock.now + 300)
    redis_server.freeze()
    with pytest.raises(FAILURES):
        cache.get("key")
    started = time.monotonic()
    for _ in range(100):
        assert cache.get("key") is None
        cache.set("key", {}, clock.now + 300)
        with pytest.raises(redis.ConnectionError):
            cache.delete("key")  # who deletes has to know that the entry is still there
    assert time.monotonic() - started < BOUND_SECONDS


def test_a_refused_command_opens_no_circuit(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, clock: FixedClock
) -> None:
    """A Redis that is full refuses writes, which raise, and goes on serving reads."""
    cache = connect(redis_server.url, cooldown_seconds=3600.0)
    cache.set("key", {"active": True}, clock.now + 300)
    raw.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.ResponseError):
            cache.set("other", {"active": True}, clock.now + 300)
        assert cache.get("key") == {"active": True}
    finally:
        raw.config_set("maxmemory", 0)


def test_a_command_refused_on_reading_is_no_miss(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis
) -> None:
    """A user without the right to read is an error to be seen, not a cache that never hits."""
    raw.acl_setuser("writer", enabled=True, passwords=["+pw"], keys=["*"], commands=["+set", "+del"])
    url = redis_server.url.replace(f":{PASSWORD}", "writer:pw")
    with pytest.raises(redis.ResponseError):
        connect(url).get("key")


# Clients of the user's own


def test_a_client_that_decodes_responses_will_do(
    redis_server: RedisServer, raw: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """A client set up for text serves as well, and garbage that is no text is a miss."""
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        cache = RedisCache(client, integrity_key=SECRET)
        cache.set("key", {"sub": "jürgen"}, time.time() + 300)
        assert cache.get("key") == {"sub": "jürgen"}
        raw.set("monocloud:key", b"\xff")
        assert cache.get("key") is None
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == ["it is not text"]


def test_a_function_makes_clients_for_the_async_cache(redis_server: RedisServer) -> None:
    """Clients with settings of the user's own are made for each event loop, and closed with it."""
    made: list[redis.asyncio.Redis] = []

    def make() -> redis.asyncio.Redis:
        made.append(redis.asyncio.Redis.from_url(redis_server.url, client_name="ours"))
        return made[-1]

    cache = AsyncRedisCache(make, timeout_seconds=30)

    async def use() -> Any:
        await cache.set("key", {"active": True}, time.time() + 300)
        return await cache.get("key")

    assert [asyncio.run(use()), asyncio.run(use())] == [{"active": True}] * 2
    assert len(made) == 2


def test_the_async_cache_bounds_clients_that_would_wait(redis_server: RedisServer) -> None:
    """A client without timeouts of its own is held to the cache's."""

    def make() -> redis.asyncio.Redis:
        return redis.asyncio.Redis.from_url(
            redis_server.url, socket_timeout=None, socket_connect_timeout=BOUND_SECONDS
        )

    cache = AsyncRedisCache(make, timeout_seconds=0.2)
    redis_server.freeze()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(cache.get("key"))
    assert time.monotonic() - started < BOUND_SECONDS


def test_an_async_client_instead_of_a_function_is_refused() -> None:
    """A client belongs to one event loop, so the cache must be able to make more."""
    client: Any = redis.asyncio.Redis()
    with pytest.raises(ConfigurationError, match="connect: must be a function that returns a new client"):
        AsyncRedisCache(client)


# Event loops, tasks and threads


def test_many_threads_share_a_few_connections(redis_server: RedisServer, raw: redis.Redis) -> None:
    """Callers beyond the number of connections wait for one."""
    cache = RedisCache.from_url(redis_server.url, max_connections=4, timeout_seconds=30)

    def work(number: int) -> None:
        cache.set(str(number), {"sub": number}, time.time() + 300)
        assert cache.get(str(number)) == {"sub": number}

    with ThreadPoolExecutor(32) as threads:
        list(threads.map(work, range(200)))
    assert len(raw.client_list()) <= 4 + 1
    cache.close()


def test_many_tasks_share_a_few_connections(redis_server: RedisServer, raw: redis.Redis) -> None:
    """Two hundred tasks that start cold all succeed."""
    cache = AsyncRedisCache.from_url(redis_server.url, max_connections=4, timeout_seconds=30)

    async def work(number: int) -> None:
        await cache.set(str(number), {"sub": number}, time.time() + 300)
        assert await cache.get(str(number)) == {"sub": number}

    async def all_at_once() -> int:
        await asyncio.gather(*map(work, range(200)))
        return len(raw.client_list())

    assert asyncio.run(all_at_once()) <= 4 + 1


def test_one_cache_serves_several_event_loops(redis_server: RedisServer, raw: redis.Redis) -> None:
    """Loops one after the other and at once work, and leave neither connections nor warnings behind."""
    cache = AsyncRedisCache.from_url(redis_server.url, timeout_seconds=30)

    async def use(number: int) -> Any:
        await cache.set(str(number), {"sub": number}, time.time() + 300)
        return await cache.get(str(number))

    one_by_one = [asyncio.run(use(number)) for number in range(3)]
    with ThreadPoolExecutor(4) as threads:
        at_once = list(threads.map(lambda number: asyncio.run(use(number)), range(4)))
    assert (one_by_one, at_once) == (
        [{"sub": number} for number in range(3)],
        [{"sub": number} for number in range(4)],
    )
    gc.collect()
    assert len(raw.client_list()) == 1


def test_closing_early_closes_the_connections(redis_server: RedisServer, raw: redis.Redis) -> None:
    """``aclose`` leaves no connection open, and a later call opens a new one."""
    cache = AsyncRedisCache.from_url(redis_server.url, timeout_seconds=30)

    async def use() -> tuple[int, Any]:
        await cache.set("key", {"active": True}, time.time() + 300)
        await cache.aclose()
        return len(raw.client_list()), await cache.get("key")

    assert asyncio.run(use()) == (1, {"active": True})


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_closing_does_not_wait_for_a_frozen_redis(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture, tls: bool
) -> None:
    """Taking leave of a server that hangs is bounded, raises nothing and logs nothing.

    Over TLS, asyncio leaves a socket whose peer does not say goodbye to the garbage collector, which warns.
    """
    url, bundle = (redis_server.tls_url, redis_server.ca_bundle) if tls else (redis_server.url, None)
    cache = AsyncRedisCache.from_url(url, ca_bundle=bundle, timeout_seconds=1.0)

    async def use() -> None:
        await cache.get("key")
        redis_server.freeze()

    started = time.monotonic()
    asyncio.run(use())
    assert time.monotonic() - started < BOUND_SECONDS
    assert not caplog.records
    gc.collect()


def test_a_cancelled_task_leaves_the_others_their_own_answers(redis_server: RedisServer) -> None:
    """Cancelling a caller in mid-flight neither breaks the cache nor mixes up answers."""
    cache = AsyncRedisCache.from_url(redis_server.url, max_connections=1, timeout_seconds=30)

    async def use() -> Any:
        for key in ("first", "second"):
            await cache.set(key, {"sub": key}, time.time() + 300)
        redis_server.freeze()
        cancelled = asyncio.create_task(cache.get("first"))
        await asyncio.wait([cancelled], timeout=0.05)  # long enough to have sent its question
        cancelled.cancel()
        await asyncio.wait([cancelled])
        redis_server.thaw()
        return cancelled.cancelled(), await cache.get("second")

    assert asyncio.run(use()) == (True, {"sub": "second"})


def test_the_event_loop_goes_on_while_redis_hangs(redis_server: RedisServer) -> None:
    """A hanging Redis holds up the task that asked, and no other."""
    cache = AsyncRedisCache.from_url(redis_server.url, timeout_seconds=0.5)

    async def use() -> int:
        redis_server.freeze()
        asking = asyncio.create_task(cache.get("key"))
        turns = 0
        while not asking.done():
            await asyncio.sleep(0)
            turns += 1
        assert isinstance(asking.exception(), FAILURES)
        return turns

    assert asyncio.run(use()) > 100


# What is shown, and what is needed


def test_nothing_shows_the_password(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture, clock: FixedClock
) -> None:
    """Neither reprs nor logs nor errors hold what is in the URL, or the integrity key."""
    caplog.set_level(logging.DEBUG)
    url = redis_server.url.replace(PASSWORD, "wrong-password")
    asynchronous = AsyncRedisCache.from_url(url, integrity_key=SECRET)
    synchronous = RedisCache.from_url(url, integrity_key=SECRET)
    shown = [repr(asynchronous), repr(synchronous)]
    with pytest.raises(FAILURES) as failure:
        synchronous.get("key")
    shown.extend(traceback.format_exception(failure.value))
    with pytest.raises(FAILURES) as failure:
        asyncio.run(asynchronous.get("key"))
    shown.extend(traceback.format_exception(failure.value))
    seen = "".join(shown) + caplog.text
    assert "wrong-password" not in seen.replace('"wrong-password"', "")  # the traceback quotes this test
    assert SECRET not in seen


def test_without_the_redis_package_the_error_names_the_extra() -> None:
    """The core works without the ``redis`` package; importing its cache says what to install."""
    result = subprocess.run([sys.executable, "-c", WITHOUT_REDIS], capture_output=True, text=True, timeout=60)
    assert "monocloud-mw[redis]" in result.stderr


def test_importing_the_caches_does_not_import_redis() -> None:
    """Who keeps claims in memory does not pay for the ``redis`` package."""
    program = "import sys, monocloud_mw.stores; sys.exit('redis' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_made_up_tokens_leave_redis_within_seconds(redis_server: RedisServer, raw: redis.Redis) -> None:
    """Redis holds only those of the last moments, whatever the cache duration; a good token stays."""
    with (
        LocalTenant() as tenant,
        contextlib.closing(RedisCache.from_url(redis_server.url, timeout_seconds=30.0)) as cache,
        BackendClient(**tenant.settings(tenant.client), cache=cache) as client,
    ):
        client.validate_access_token(tenant.mint_opaque())
        for number in range(10):
            with pytest.raises(TokenError):
                client.validate_access_token(f"made-up-{number}")
    names: Any = raw.keys("monocloud:*")
    lifetimes = sorted(int(raw.pttl(name)) for name in names)
    assert len(lifetimes) == 11
    assert 0 < lifetimes[0] <= lifetimes[9] <= 15_000 < lifetimes[10] <= 300_000


def test_entries_are_small(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, clock: FixedClock
) -> None:
    """The value is compact JSON that names key, expiry and claims, as documented."""
    connect(redis_server.url).set("key", {"active": False}, clock.now + 300)
    value: Any = raw.get("monocloud:key")
    assert value == b'{"key":"monocloud:key","expires_at":1800000300.0,"claims":{"active":false}}'
    assert json.loads(value)["claims"] == {"active": False}
