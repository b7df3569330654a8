"""The tenant's key set (RFC 7517 section 5): how it is loaded, and when a new one replaces it.

For each new key set that contains unusable keys, one warning that names them is logged to ``monocloud_mw``.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Final

from ...errors import HttpError
from ...events import KeysRefreshed, KeysRefused
from ...jose import KeySet
from ...options import Options
from ..effects import Emit, Flow, Instant
from .first_load import outage_once_loaded
from .http_json import fetch_document
from .interruption import in_time
from .last_known_good import LastKnownGood
from .metadata import Metadata, resolve
from .refresh_policy import RefreshPolicy

__all__ = ["key_source", "list_skipped"]

EXCHANGES_IN_A_LOAD: Final = 3  # the key set, the discovery document, and the key set at a new address

ADVICE: Final = "correct the jwks_uri at the tenant, or set jwks_resolver"
"""For a 4xx status or a redirect at the address that the discovery document names."""

MAX_NAMED: Final = 10  # skipped keys in one message

_LOGGER: Final = logging.getLogger("monocloud_mw")


def key_source(options: Options, metadata: LastKnownGood[Metadata]) -> LastKnownGood[KeySet]:
    """Return the tenant's key set as a cached document that stays usable in an outage.

    A key set without usable keys is an error, like one that cannot be fetched, and never replaces good keys.
    If a token needs a key that the cached key set lacks, and its address has no other key set, the discovery
    document is read again.
    """

    read = _KeySetReader()

    @outage_once_loaded
    def load(now: Instant, unlike: KeySet | None) -> Flow[KeySet]:
        if options.jwks_resolver is not None:
            return (yield from read((yield from resolve(options.jwks_resolver, "jwks_resolver"))))
        cached = yield from metadata.current(now)
        url = cached.jwks_uri
        if unlike is None:
            return (yield from fetch(url, now))
        answer = yield from try_to_fetch(url, now)
        if isinstance(answer, HttpError) or answer.keys == unlike.keys:
            # The key set may have moved: read the discovery document again.
            with contextlib.suppress(HttpError):
                moved_to = (yield from metadata.newer_than(cached, now)).jwks_uri
                if moved_to != url:
                    return (yield from fetch(moved_to, now))
        if isinstance(answer, HttpError):
            raise answer
        return answer

    def try_to_fetch(url: str, now: Instant) -> Flow[KeySet | HttpError]:
        try:
            return (yield from fetch(url, now))
        except HttpError as error:
            return error

    def fetch(url: str, now: Instant) -> Flow[KeySet]:
        timeout = options.response_timeout
        document = yield from in_time(
            fetch_document(url, timeout_seconds=timeout, now_unix=now.unix, advice=ADVICE), timeout
        )
        return (yield from read(document))

    return LastKnownGood(
        ("key set", options.tenant_domain),
        load,
        RefreshPolicy(
            lifetime=options.jwks_cache_duration,
            max_stale=options.max_stale,
            cooldown=options.refresh_cooldown,
            load_timeout=EXCHANGES_IN_A_LOAD * options.response_timeout,
        ),
        None if options.observer is None else _describe,
    )


def _describe(keys: KeySet, seconds: float) -> KeysRefreshed:
    return KeysRefreshed(usable=len(keys), skipped=len(keys.skipped), seconds=seconds)


class _KeySetReader:
    """Reads key sets, and logs the skipped keys of each new one once."""

    def __init__(self) -> None:
        self._last: tuple[Any, ...] = ()

    def __call__(self, document: Mapping[str, Any]) -> Flow[KeySet]:
        """Return the keys of a document.

        Raises:
            HttpError: it is not a JWK Set, or none of its keys is usable.
        """
        try:
            keys = KeySet.from_dict(document)
        except ValueError as error:
            problem = f"the tenant's key set is not a JWK Set: {error}"
            yield Emit(KeysRefused(problem=problem))
            raise HttpError(problem, status=200) from None
        skipped = list_skipped(keys.skipped)
        if (keys.keys, keys.skipped) != self._last:
            self._last = keys.keys, keys.skipped
            if skipped:
                _LOGGER.warning("the tenant's key set contains unusable keys: %s", skipped)
                yield Emit(KeysRefused(problem=f"unusable keys: {skipped}"))
        if not keys:
            problem = f"the tenant's key set contains no usable key: {skipped or 'it is empty'}"
            yield Emit(KeysRefused(problem=problem))
            raise HttpError(problem, status=200)
        return keys


def list_skipped(skipped: tuple[str, ...]) -> str:
    """Return the first of the reasons for which keys of a key set cannot be used, in one line."""
    more = len(skipped) - MAX_NAMED
    return "; ".join([*skipped[:MAX_NAMED], *([f"and {more} more"] if more > 0 else [])])
