"""Fixtures: one redis-server per session, running and empty for each test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Protocol

import pytest
import redis
import trustme

from monocloud_mw.stores import AsyncClaimsCache, ClaimsCache
from monocloud_mw.stores.redis import AsyncRedisCache, RedisCache

from .redis_server import RedisServer


class FixedClock:
    """A clock in Unix seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Blocking:
    """An async cache called synchronously, on an event loop of its own, so that one suite tests both
    kinds.
    """

    def __init__(self, cache: AsyncClaimsCache, runner: asyncio.Runner) -> None:
        self._cache = cache
        self._runner = runner

    def get(self, key: str) -> Mapping[str, Any] | None:
        return self._runner.run(self._cache.get(key))

    def set(self, key: str, claims: Mapping[str, Any], expires_at: float) -> None:
        self._runner.run(self._cache.set(key, claims, expires_at))

    def delete(self, key: str) -> None:
        self._runner.run(self._cache.delete(key))


class Connect(Protocol):
    """Creates a cache on Redis and closes it after the test."""

    def __call__(self, url: str, **settings: Any) -> ClaimsCache: ...


@pytest.fixture(autouse=True)
def _no_public_authorities(default_ca_bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the library for Redis read a single CA besides the given one, not all public ones."""
    monkeypatch.setenv("SSL_CERT_FILE", default_ca_bundle)


@pytest.fixture
def clock() -> FixedClock:
    """Return a fixed clock."""
    return FixedClock()


@pytest.fixture
def connectors(clock: FixedClock) -> Iterator[dict[str, Connect]]:
    """Return functions that create sync and async caches with the fixed clock and a long timeout."""
    patient: dict[str, Any] = {"clock": clock, "timeout_seconds": 30.0, "cooldown_seconds": 0.0}
    with ExitStack() as stack:

        def connect(url: str, **settings: Any) -> ClaimsCache:
            cache = RedisCache.from_url(url, **patient | settings)
            stack.callback(cache.close)
            return cache

        def connect_async(url: str, **settings: Any) -> ClaimsCache:
            cache = AsyncRedisCache.from_url(url, **patient | settings)
            runner = stack.enter_context(asyncio.Runner())
            stack.callback(lambda: runner.run(cache.aclose()))
            return Blocking(cache, runner)

        yield {"sync": connect, "async": connect_async}


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest, connectors: dict[str, Connect]) -> Connect:
    """Return a function that creates caches on Redis, sync and async in turn."""
    return connectors[request.param]


@pytest.fixture(scope="session")
def _redis_process(
    require_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    program = require_program("redis-server")
    server = RedisServer(program, tmp_path_factory.mktemp("redis"), trustme.CA())
    yield server
    server.kill()


@pytest.fixture
def redis_server(_redis_process: RedisServer) -> Iterator[RedisServer]:
    """Return the server, running and empty; it is repaired after the test."""
    _redis_process.start()
    with _redis_process.client() as client:
        client.flushall()
    yield _redis_process
    _redis_process.thaw()


@pytest.fixture
def raw(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """Return a client with direct access to Redis."""
    with redis_server.client() as client:
        yield client
