"""The tenant's key set (RFC 7517 section 5): where it comes from and what may replace it."""

from __future__ import annotations

from ...errors import HttpError
from ...jose import KeySet
from ...options import Options
from ..effects import Flow, Instant
from .http_json import fetch_document
from .last_known_good import LastKnownGood
from .metadata import Metadata, resolve

__all__ = ["key_source"]


def key_source(options: Options, metadata: LastKnownGood[Metadata]) -> LastKnownGood[KeySet]:
    """Return the tenant's keys as a document that outlives outages.

    A set in which no key can be used never replaces good keys: it is an error, like a set that cannot be
    fetched.
    """

    def load(now: Instant) -> Flow[KeySet]:
        if options.jwks_resolver is not None:
            document = yield from resolve(options.jwks_resolver, "jwks_resolver")
        else:
            url = (yield from metadata.current(now)).jwks_uri
            document = yield from fetch_document(
                url, timeout_seconds=options.response_timeout, now_unix=now.unix
            )
        try:
            keys = KeySet.from_dict(document)
        except ValueError as error:
            raise HttpError(f"the key set cannot be read: {error}", status=200) from None
        if not keys:
            raise HttpError("the key set holds no key that can be used", status=200)
        return keys

    return LastKnownGood(
        "jwks",
        load,
        lifetime=options.jwks_cache_duration,
        max_stale=options.max_stale,
        cooldown=options.refresh_cooldown,
        longest_load=2 * options.response_timeout,  # it may have to fetch the metadata first
    )
