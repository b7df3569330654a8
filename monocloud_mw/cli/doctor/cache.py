"""``doctor``: check the claims cache on Redis given by ``--cache``. The URL may contain a password."""

from __future__ import annotations

import time
from typing import Any, Final
from urllib.parse import urlsplit

from ...errors import ConfigurationError
from ...quoting import quoted
from .check import Check, failed, failed_by, passed, skipped
from .diagnosis import Diagnosis

__all__ = ["check_cache"]

NAME: Final = "cache"
KEY: Final = "doctor"
PREFIX: Final = "monocloud-doctor:"


def check_cache(diagnosis: Diagnosis) -> Check:
    """Write, read and delete an entry."""
    url = diagnosis.cache_url
    if url is None:
        return skipped(
            NAME, "no --cache is given (the URL of a Redis, or the name of an environment variable with it)"
        )
    if "://" not in url:
        name, url = url, diagnosis.environ.get(url, "")
        if not url:
            return failed(NAME, f"the variable {quoted(name)} is not set", "set it to redis://host:port/0")
    try:
        from ...stores.redis import RedisCache
    except ImportError:
        return failed(NAME, "the redis package is not installed", "pip install 'monocloud-mw[redis]'")
    try:
        cache = RedisCache.from_url(
            url,
            timeout_seconds=diagnosis.timeout_seconds,
            ca_bundle=diagnosis.cache_ca_bundle,
            prefix=PREFIX,
        )
    except ConfigurationError as error:
        return failed_by(NAME, error, "correct the URL of the cache")
    where = _without_password(url)
    try:
        cache.set(KEY, {"active": False}, time.time() + 60)
        found = cache.get(KEY)
        cache.delete(KEY)
    except Exception as error:  # noqa: BLE001  redis has many exceptions, whose messages may contain the URL
        return _failed(where, error)
    finally:
        cache.close()
    if found is None:
        return failed(
            NAME, f"Redis at {where} does not keep entries", "check its maxmemory and maxmemory-policy"
        )
    return passed(NAME, f"Redis at {where} keeps entries")


def _failed(where: str, error: Any) -> Check:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"AuthenticationError", "AuthenticationWrongNumberOfArgsError"}:
        advice = "check user and password in the URL of the cache"
    elif kinds & {"NoPermissionError"}:
        advice = "allow this user GETRANGE, SET and DEL for keys that begin with monocloud (ACL)"
    elif kinds & {"SSLError", "SSLCertVerificationError"}:
        advice = "pass the CA certificate of the Redis server with --cache-ca-bundle"
    elif kinds & {"ConnectionError", "TimeoutError", "OSError"}:
        advice = (
            "check that Redis runs there and that this machine can connect to it (firewall, rediss:// for"
            " TLS); until then every request with an opaque token is introspected"
        )
    else:
        advice = "check that the server is Redis, and read its log"
    return failed(NAME, f"Redis at {where} failed: {type(error).__name__}", advice)


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
        return quoted(parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}")
    except ValueError:
        return "that URL"
