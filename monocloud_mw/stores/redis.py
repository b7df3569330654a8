"""Claims caches on Redis (or Valkey), shared by all processes and machines of an API.

Rules:

- an entry is one string value in the format of :mod:`monocloud_mw.stores.entry`. Redis removes it when it
  expires by the writer's clock; readers check the expiry again by their own clock;
- any other value under a key (garbage, a list, a truncated entry) counts as a miss and is logged; the next
  write replaces it. At most ``MAX_ENTRY_BYTES`` of a value are transferred;
- if Redis is unreachable or does not respond in time, an exception is raised. The clients treat that as a
  miss, and Redis is not used for ``cooldown_seconds`` (:mod:`monocloud_mw.stores.circuit_breaker`): a hanging
  Redis delays one request per cool-down, not every request;
- no message, log or repr contains the URL, which may include a password.

Security: **anyone who can write to this Redis can make tokens valid.** An entry replaces a response of the
tenant, so a forged entry makes a token of the attacker's choice valid. Protect Redis with a password and TLS
(``rediss://``), and set ``integrity_key``, a secret that only the API's processes know: entries that were not
written with it count as misses. With write access an attacker can then only delete entries, or restore a
genuine entry before it expires (at most ``introspection_cache_duration`` after it was written). With *read*
access an attacker sees the claims, but no token.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self

from ..errors import ConfigurationError, Problem
from ..frozen import FrozenDict
from ..lifecycle.event_loops import PerLoop
from .entry import MAX_ENTRY_BYTES
from .redis_connection import (
    DEFAULT_MAX_CONNECTIONS,
    DEFAULT_TIMEOUT_SECONDS,
    checked_url,
    connection_settings,
)

try:
    import redis
    import redis.asyncio
    from redis.asyncio.retry import Retry as AsyncRetry
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError as error:
    raise ImportError("The Redis caches need the redis package: pip install 'monocloud-mw[redis]'") from error

from .redis_entries import INVALID_ENTRY_ERRORS, RedisEntries, log_invalid_entry

__all__ = ["AsyncRedisCache", "RedisCache"]

_CLOSED: Final = (redis.ConnectionError,)


class RedisCache(RedisEntries):
    """A claims cache on Redis for :class:`monocloud_mw.BackendClient`.

    Args:
        redis_client: a client of the ``redis`` package, with its own timeouts and retries. By default these
            wait for many seconds; :meth:`from_url` creates a client with short ones.
        prefix: the prefix of all keys; APIs with different prefixes share no entries.
        integrity_key: a secret of at least 32 bytes; see the security note of the module. Entries of
            processes with another key count as misses.
        cooldown_seconds: how long Redis is not used after a failure.
        clock: the current time in Unix seconds.

    Raises:
        ConfigurationError: the integrity key is too short.
    """

    def __init__(
        self,
        redis_client: redis.Redis,
        *,
        prefix: str = "monocloud:",
        integrity_key: bytes | str | None = None,
        cooldown_seconds: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            prefix=prefix, integrity_key=integrity_key, cooldown_seconds=cooldown_seconds, clock=clock
        )
        self._client = redis_client

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        ca_bundle: str | None = None,
        **settings: Any,
    ) -> Self:
        """Return a cache with a new client that has short timeouts.

        It retries once, immediately, if a connection turns out to be closed, and never after a timeout.

        Args:
            url: ``redis://``, ``rediss://`` (TLS) or ``unix://``.
            timeout_seconds: the limit for each step: waiting for a free connection, connecting, each
                response.
            max_connections: the size of the pool; further callers wait for a free connection.
            ca_bundle: path of the PEM certificates to verify the server; by default those of the system.
            settings: further arguments of the class.

        Raises:
            ConfigurationError: with all problems of the settings.
        """
        connection = connection_settings(
            url, timeout_seconds=timeout_seconds, max_connections=max_connections, ca_bundle=ca_bundle
        )
        pool = checked_url(
            lambda: redis.BlockingConnectionPool.from_url(
                url, retry=Retry(NoBackoff(), 1, _CLOSED), retry_on_error=_CLOSED, **connection
            )
        )
        return cls(redis.Redis.from_pool(pool), **settings)

    def get(self, key: str) -> FrozenDict | None:
        """Return the claims stored under ``key``, or ``None`` if there are none or they have expired."""
        if self._circuit.is_open():
            return None
        name = self._prefix + key
        try:
            with self._circuit.recording():
                found: Any = self._client.getrange(name, 0, MAX_ENTRY_BYTES)
            return self._claims(name, found)
        except INVALID_ENTRY_ERRORS as error:
            log_invalid_entry(error)
            return None

    def set(self, key: str, claims: Mapping[str, Any], expires_at: float) -> None:
        """Store claims until ``expires_at`` (Unix seconds, finite)."""
        name = self._prefix + key
        entry = self._format.render(name, claims, expires_at)
        if self._circuit.is_open():
            return
        with self._circuit.recording():
            if entry is None:
                self._client.delete(name)
            else:
                self._client.set(name, entry, px=self._lifetime_milliseconds(expires_at))

    def delete(self, key: str) -> None:
        """Remove the claims stored under ``key``; raise if Redis fails, or has failed recently."""
        self._check_circuit()
        with self._circuit.recording():
            self._client.delete(self._prefix + key)

    def close(self) -> None:
        """Close the connections of the client."""
        self._client.close()


class AsyncRedisCache(RedisEntries):
    """A claims cache on Redis for :class:`monocloud_mw.AsyncBackendClient`, on any number of event loops.

    Args:
        connect: returns a new client of ``redis.asyncio``, without waiting. The cache calls it once per event
            loop, because connections belong to an event loop, and closes the client when the loop shuts down.
            Use a blocking pool: with a pool that raises an exception if all connections are in use, Redis
            would seem to fail.
        timeout_seconds: the limit for each call as a whole.
        prefix, integrity_key, cooldown_seconds, clock: as for :class:`RedisCache`.

    Raises:
        ConfigurationError: the integrity key is too short, or ``connect`` is not a function.
    """

    def __init__(
        self,
        connect: Callable[[], redis.asyncio.Redis],
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        prefix: str = "monocloud:",
        integrity_key: bytes | str | None = None,
        cooldown_seconds: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        _check_connect(connect)
        super().__init__(
            prefix=prefix, integrity_key=integrity_key, cooldown_seconds=cooldown_seconds, clock=clock
        )
        self._timeout_seconds = timeout_seconds
        self._clients = PerLoop(connect, _close_quietly)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        ca_bundle: str | None = None,
        **settings: Any,
    ) -> Self:
        """Return a cache with new clients that have short timeouts.

        It retries once, immediately, if a connection turns out to be closed, and never after a timeout.

        Args:
            url: ``redis://``, ``rediss://`` (TLS) or ``unix://``.
            timeout_seconds: the limit for each call, and for each of its steps.
            max_connections: the size of the pool; further callers wait for a free connection.
            ca_bundle: path of the PEM certificates to verify the server; by default those of the system.
            settings: further arguments of the class.

        Raises:
            ConfigurationError: with all problems of the settings.
        """
        connection = connection_settings(
            url, timeout_seconds=timeout_seconds, max_connections=max_connections, ca_bundle=ca_bundle
        )

        def connect() -> redis.asyncio.Redis:
            pool = redis.asyncio.BlockingConnectionPool.from_url(
                url, retry=AsyncRetry(NoBackoff(), 1, _CLOSED), retry_on_error=_CLOSED, **connection
            )
            return redis.asyncio.Redis.from_pool(pool)

        checked_url(connect)  # reject an invalid URL here, and not on the first request
        return cls(connect, timeout_seconds=timeout_seconds, **settings)

    async def get(self, key: str) -> FrozenDict | None:
        """Return the claims stored under ``key``, or ``None`` if there are none or they have expired."""
        if self._circuit.is_open():
            return None
        name = self._prefix + key
        try:
            async with self._exchange() as client:
                found: Any = await client.getrange(name, 0, MAX_ENTRY_BYTES)
            return self._claims(name, found)
        except INVALID_ENTRY_ERRORS as error:
            log_invalid_entry(error)
            return None

    async def set(self, key: str, claims: Mapping[str, Any], expires_at: float) -> None:
        """Store claims until ``expires_at`` (Unix seconds, finite)."""
        name = self._prefix + key
        entry = self._format.render(name, claims, expires_at)
        if self._circuit.is_open():
            return
        async with self._exchange() as client:
            if entry is None:
                await client.delete(name)
            else:
                await client.set(name, entry, px=self._lifetime_milliseconds(expires_at))

    async def delete(self, key: str) -> None:
        """Remove the claims stored under ``key``; raise if Redis fails, or has failed recently."""
        self._check_circuit()
        async with self._exchange() as client:
            await client.delete(self._prefix + key)

    async def aclose(self) -> None:
        """Close the connections of the running event loop; others are closed when their loop shuts down."""
        await self._clients.aclose()

    @asynccontextmanager
    async def _exchange(self) -> AsyncIterator[redis.asyncio.Redis]:
        """Provide the running event loop's client for one exchange, and record its success or failure."""
        client = await self._clients.get()
        with self._circuit.recording():
            async with asyncio.timeout(self._timeout_seconds):
                yield client


def _check_connect(connect: object) -> None:
    if not callable(connect):
        message = "must be a function that returns a new client, because a client belongs to one event loop"
        raise ConfigurationError([Problem("connect", None, message)])


async def _close_quietly(client: redis.asyncio.Redis) -> None:
    with suppress(redis.RedisError, OSError):  # there is no connection left to close
        await client.aclose()
