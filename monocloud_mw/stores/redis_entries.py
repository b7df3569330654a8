"""The parts of the sync and the async Redis cache that do no I/O: names, values and failures."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import redis

from ..errors import ConfigurationError, Problem
from ..frozen import FrozenDict
from .circuit_breaker import CircuitBreaker
from .entry import EntryError, EntryFormat
from .redis_connection import is_number

__all__ = ["INVALID_ENTRY_ERRORS", "RedisEntries", "log_invalid_entry"]

_log: Final = logging.getLogger("monocloud_mw.stores.redis")

_FAILURES: Final = (redis.ConnectionError, redis.TimeoutError, OSError)

INVALID_ENTRY_ERRORS: Final = (EntryError, UnicodeError, redis.ResponseError)
"""What :func:`log_invalid_entry` handles."""


def log_invalid_entry(error: Exception) -> None:
    """Log that a value is not an entry, without quoting it; raise any other error."""
    if isinstance(error, EntryError):
        why = str(error)
    elif isinstance(error, UnicodeError):  # only from clients that decode responses
        why = "it is not text"
    elif str(error).startswith("WRONGTYPE"):
        why = "it is not a string value"
    else:
        raise error
    _log.warning("a value in the Redis claims cache is not a valid entry and counts as a miss: %s", why)


class RedisEntries:
    """The settings of a cache, its format of values, and its circuit breaker."""

    def __init__(
        self,
        *,
        prefix: str,
        integrity_key: bytes | str | None,
        cooldown_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        problems = []
        given: Any = prefix
        if not isinstance(given, str):
            problems.append(Problem("prefix", None, "must be a string"))
        if not (is_number(cooldown_seconds) and cooldown_seconds >= 0):
            problems.append(Problem("cooldown_seconds", None, "must be a number of seconds, at least 0"))
        if problems:
            raise ConfigurationError(problems)
        self._prefix = prefix
        self._format = EntryFormat(integrity_key)
        self._circuit = CircuitBreaker(failures=_FAILURES, cooldown_seconds=cooldown_seconds)
        self._clock = clock

    def _claims(self, name: str, found: bytes | str) -> FrozenDict | None:
        """Parse the value that Redis returned: an entry (truncated one byte past the limit), or empty."""
        if not found:
            return None
        entry = self._format.parse(name, found.encode() if isinstance(found, str) else found)
        return entry.claims if self._clock() < entry.expires_at else None

    def _check_circuit(self) -> None:
        if self._circuit.is_open():
            raise redis.ConnectionError("Redis has failed recently and is not used until the cool-down ends")

    def _lifetime_milliseconds(self, expires_at: float) -> int:
        return max(1, int((expires_at - self._clock()) * 1000))  # Redis refuses 0
