"""The tenant's key set (RFC 7517 section 5): where it comes from, what may replace it, and what is skipped.

Each new key set in which keys are skipped leaves one record in the log ``monocloud_mw`` that names them.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Final

from ...errors import HttpError
from ...jose import KeySet
from ...options import Options
from ..effects import Flow, Instant
from .first_load import outage_once_loaded
from .http_json import fetch_document
from .last_known_good import LastKnownGood, in_time
from .metadata import Metadata, resolve
from .refresh_policy import RefreshPolicy

__all__ = ["key_source"]

EXCHANGES_IN_A_LOAD: Final = 3  # the discovery document, and the key set before and after it has moved

ADVICE: Final = "correct the jwks_uri at the tenant, or set jwks_resolver"
"""Where there is no key set at the address that the discovery document names."""

MAX_NAMED: Final = 10  # skipped keys in one message

_LOGGER: Final = logging.getLogger("monocloud_mw")


def key_source(options: Options, metadata: LastKnownGood[Metadata]) -> LastKnownGood[KeySet]:
    """Return the tenant's keys as a document that outlives outages.

    A set in which no key can be used never replaces good keys: it is an error, like a set that cannot be
    fetched. Where a token needs another set than the one at hand, and the address of that one has none, the
    discovery document is read again.
    """

    read = _KeySetReader()

    @outage_once_loaded
    def load(now: Instant, unlike: KeySet | None) -> Flow[KeySet]:
        if options.jwks_resolver is not None:
            return read((yield from resolve(options.jwks_resolver, "jwks_resolver")))
        at_hand = yield from metadata.current(now)
        url = at_hand.jwks_uri
        if unlike is None:
            return (yield from fetch(url, now))
        answer = yield from try_to_fetch(url, now)
        if isinstance(answer, HttpError) or answer.keys == unlike.keys:
            # The key set may have moved; the discovery document says where it is now.
            with contextlib.suppress(HttpError):
                moved_to = (yield from metadata.newer(at_hand, now)).jwks_uri
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
        return read(document)

    return LastKnownGood(
        ("key set", options.tenant_domain),
        load,
        RefreshPolicy(
            lifetime=options.jwks_cache_duration,
            max_stale=options.max_stale,
            cooldown=options.refresh_cooldown,
            load_timeout=EXCHANGES_IN_A_LOAD * options.response_timeout,
        ),
    )


class _KeySetReader:
    """Reads key sets, and says once for each new one which of its keys are skipped."""

    def __init__(self) -> None:
        self._last: tuple[Any, ...] = ()

    def __call__(self, document: Mapping[str, Any]) -> KeySet:
        """Return the keys of a document.

        Raises:
            HttpError: it is no key set, or none of its keys can be used.
        """
        try:
            keys = KeySet.from_dict(document)
        except ValueError as error:
            raise HttpError(f"the key set cannot be read: {error}", status=200) from None
        skipped = _named(keys.skipped)
        if (keys.keys, keys.skipped) != self._last:
            self._last = keys.keys, keys.skipped
            if skipped:
                _LOGGER.warning("The tenant's key set has keys that are not used: %s", skipped)
        if not keys:
            why = f": {skipped}" if skipped else ", since it is empty"
            raise HttpError(f"the key set holds no key that can be used{why}", status=200)
        return keys


def _named(skipped: tuple[str, ...]) -> str:
    more = len(skipped) - MAX_NAMED
    return "; ".join([*skipped[:MAX_NAMED], *([f"and {more} more"] if more > 0 else [])])
