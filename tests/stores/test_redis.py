"""The caches on Redis when Redis is slow, down, or contains invalid or forged values."""

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
def test_an_invalid_value_is_a_miss(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, clock: FixedClock,
    caplog: pytest.LogCaptureFixture, misfit: str,
) -> None:  # fmt: skip
    """A value that this cache did not write is a logged miss, without its content, and is replaced."""
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


def test_an_empty_value_is_a_miss(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty value is a miss without a warning."""
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


def test_claims_too_large_to_store_remove_the_entry(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, clock: FixedClock
) -> None:
    """A response too large to store removes the entry it would have replaced."""
    cache = connect(redis_server.url)
    cache.set("key", {"active": True}, clock.now + 300)
    cache.set("key", {"active": True, "large": "x" * MAX_ENTRY_BYTES}, clock.now + 300)
    assert raw.exists("monocloud:key") == 0


def test_entries_expire_in_redis(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, clock: FixedClock
) -> None:
    """Entries have a lifetime in Redis that is independent of the server's clock."""
    connect(redis_server.url).set("key", {"active": True}, clock.now + 300)
    assert 240_000 < raw.pttl("monocloud:key") <= 300_000


def test_a_restored_snapshot_has_no_expired_entries(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, clock: FixedClock
) -> None:
    """An entry that has lost its lifetime in Redis still expires."""
    cache = connect(redis_server.url)
    cache.set("key", {"active": True}, clock.now + 300)
    raw.persist("monocloud:key")
    clock.now += 300
    assert cache.get("key") is None


def test_prefixes_separate_apis(connect: Connect, redis_server: RedisServer, clock: FixedClock) -> None:
    """Two APIs with different prefixes on one Redis share no entries."""
    one, other = connect(redis_server.url, prefix="one:"), connect(redis_server.url, prefix="other:")
    one.set("key", {"active": True}, clock.now + 300)
    assert other.get("key") is None


def test_both_kinds_of_caches_share_entries(
    connectors: dict[str, Connect], redis_server: RedisServer, clock: FixedClock
) -> None:
    """The synchronous and the asynchronous cache read each other's entries."""
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
    """Without the integrity key, entries cannot be created, copied to another key or prolonged."""
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


# Redis is down or slow


def test_a_redis_that_is_down_raises_until_it_is_back(
    connect: Connect, redis_server: RedisServer, clock: FixedClock
) -> None:
    """While Redis is down calls fail; after a restart the same cache works again, despite stale
    connections.
    """
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


def test_a_restart_between_two_calls_is_no_error(
    connect: Connect, redis_server: RedisServer, clock: FixedClock
) -> None:
    """A stale connection is replaced without an error."""
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
    """A frozen server fails the call at the timeout, whether connected before or not, and works again
    later.
    """
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


def test_late_responses_are_dropped(connect: Connect, redis_server: RedisServer, clock: FixedClock) -> None:
    """A late response is not taken for the response of the next request."""
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
    """While Redis pauses writes, as in a failover, they time out and reads work."""
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
    """A caller waiting for a server that crashes fails before the timeout."""
    cache = connect(redis_server.url)
    cache.get("key")
    redis_server.freeze()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(cache.get, "key")
        redis_server.kill()
        assert isinstance(waiting.exception(timeout=BOUND_SECONDS), FAILURES)


def test_a_failing_redis_is_skipped_for_the_cooldown(
    connect: Connect, redis_server: RedisServer, clock: FixedClock
) -> None:
    """One caller waits for the timeout; then reads are misses and writes are dropped, without delay."""
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
            cache.delete("key")  # delete raises, so the caller knows that the entry may still be there
    assert time.monotonic() - started < BOUND_SECONDS


def test_a_refused_command_opens_no_circuit(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis, clock: FixedClock
) -> None:
    """A Redis that is full refuses writes, which raise; reads still work."""
    cache = connect(redis_server.url, cooldown_seconds=3600.0)
    cache.set("key", {"active": True}, clock.now + 300)
    raw.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.ResponseError):
            cache.set("other", {"active": True}, clock.now + 300)
        assert cache.get("key") == {"active": True}
    finally:
        raw.config_set("maxmemory", 0)


def test_a_command_refused_on_reading_is_an_error(
    connect: Connect, redis_server: RedisServer, raw: redis.Redis
) -> None:
    """A user without read permission gets an error, not a cache that is always empty."""
    raw.acl_setuser("writer", enabled=True, passwords=["+pw"], keys=["*"], commands=["+set", "+del"])
    url = redis_server.url.replace(f":{PASSWORD}", "writer:pw")
    with pytest.raises(redis.ResponseError):
        connect(url).get("key")


# Redis clients of the application


def test_a_client_that_decodes_responses_works(
    redis_server: RedisServer, raw: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """A client with decode_responses works too, and a value that is not text is a miss."""
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        cache = RedisCache(client, integrity_key=SECRET)
        cache.set("key", {"sub": "jürgen"}, time.time() + 300)
        assert cache.get("key") == {"sub": "jürgen"}
        raw.set("monocloud:key", b"\xff")
        assert cache.get("key") is None
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == ["it is not text"]


def test_a_function_makes_clients_for_the_async_cache(redis_server: RedisServer) -> None:
    """Clients are created for each event loop by the function and closed with the loop."""
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
    """A client without timeouts is limited to the cache's timeout."""

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
    """A client belongs to one event loop, so the cache needs a function that creates clients."""
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
    """Two hundred tasks that start without connections all succeed."""
    cache = AsyncRedisCache.from_url(redis_server.url, max_connections=4, timeout_seconds=30)

    async def work(number: int) -> None:
        await cache.set(str(number), {"sub": number}, time.time() + 300)
        assert await cache.get(str(number)) == {"sub": number}

    async def all_at_once() -> int:
        await asyncio.gather(*map(work, range(200)))
        return len(raw.client_list())

    assert asyncio.run(all_at_once()) <= 4 + 1


def test_one_cache_serves_several_event_loops(redis_server: RedisServer, raw: redis.Redis) -> None:
    """Successive and concurrent loops work and leave no connections or warnings."""
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
    """``aclose`` closes all connections, and a later call opens a new one."""
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
    """Closing a connection to a hanging server is bounded, raises nothing and logs nothing.

    Over TLS, asyncio leaves a socket without close_notify to the garbage collector, which warns.
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


def test_a_cancelled_task_does_not_mix_up_responses(redis_server: RedisServer) -> None:
    """Cancelling a running call neither breaks the cache nor mixes up responses."""
    cache = AsyncRedisCache.from_url(redis_server.url, max_connections=1, timeout_seconds=30)

    async def use() -> Any:
        for key in ("first", "second"):
            await cache.set(key, {"sub": key}, time.time() + 300)
        redis_server.freeze()
        cancelled = asyncio.create_task(cache.get("first"))
        await asyncio.wait([cancelled], timeout=0.05)  # long enough to have sent the command
        cancelled.cancel()
        await asyncio.wait([cancelled])
        redis_server.thaw()
        return cancelled.cancelled(), await cache.get("second")

    assert asyncio.run(use()) == (True, {"sub": "second"})


def test_the_event_loop_goes_on_while_redis_hangs(redis_server: RedisServer) -> None:
    """Only the task that uses Redis waits; other tasks continue."""
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


# Redaction and imports


def test_the_password_is_redacted(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture, clock: FixedClock
) -> None:
    """Reprs, logs and errors contain neither the URL's credentials nor the integrity key."""
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
    assert "wrong-password" not in seen.replace('"wrong-password"', "")  # tracebacks show this source
    assert SECRET not in seen


def test_without_the_redis_package_the_error_names_the_extra() -> None:
    """The core works without the ``redis`` package; importing its cache names the extra to install."""
    result = subprocess.run([sys.executable, "-c", WITHOUT_REDIS], capture_output=True, text=True, timeout=60)
    assert "monocloud-mw[redis]" in result.stderr


def test_importing_the_caches_does_not_import_redis() -> None:
    """The cache in memory does not import the ``redis`` package."""
    program = "import sys, monocloud_mw.stores; sys.exit('redis' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_entries_of_made_up_tokens_expire_within_seconds(redis_server: RedisServer, raw: redis.Redis) -> None:
    """Entries of made-up tokens expire within seconds, whatever the cache duration; a valid token stays."""
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
    """An entry is compact JSON with key, expiry and claims, as documented."""
    connect(redis_server.url).set("key", {"active": False}, clock.now + 300)
    value: Any = raw.get("monocloud:key")
    assert value == b'{"key":"monocloud:key","expires_at":1800000300.0,"claims":{"active":false}}'
    assert json.loads(value)["claims"] == {"active": False}
