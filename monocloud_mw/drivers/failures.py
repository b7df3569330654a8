"""Converts exceptions of third-party code to :class:`~monocloud_mw.core.effects.Failure`."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Mapping
from typing import Any, Final

from ..core.effects import Failure
from ..errors import HttpError, MonoCloudError
from ..events import CacheFailed
from ..frozen import FrozenDict
from ..http import HttpResponse
from ..log_limits import LimitedLog
from .observer import Notify

__all__ = ["FOREIGN", "FailureReports", "ensure_entry", "ensure_response", "not_sent", "wait_timed_out"]

_LOGGER: Final = logging.getLogger("monocloud_mw")

FOREIGN: Final = (Exception, CancelledError, GeneratorExit)
"""Exceptions of a user's synchronous function that count as its failure. Others stop the process
(``KeyboardInterrupt``, ``SystemExit``) or the request (timeouts of gevent), and are passed on."""

_JSON_VALUES: Final = (str, int, float, type(None))


def ensure_response(response: object) -> HttpResponse | Failure:
    """Return the response of a fetcher, or a failure if it is not an ``HttpResponse``."""
    if isinstance(response, HttpResponse):
        return response
    return Failure(HttpError(f"the fetcher returned {type(response).__name__}, not HttpResponse"))


def ensure_entry(entry: object) -> Any:
    """Return the result of a claims cache; check that a mapping is a JSON object.

    Raises:
        Exception: it is not, so the cache has failed.
    """
    if isinstance(entry, FrozenDict) or not isinstance(entry, Mapping):
        return entry
    if type(entry) is not dict:
        entry = FrozenDict(entry)
    _check_json(entry)
    return entry


def _check_json(value: object) -> None:
    if isinstance(value, Mapping):
        for name, member in value.items():
            if not isinstance(name, str):
                raise TypeError("a name is not a string")
            _check_json(member)
    elif isinstance(value, (list, tuple)):
        for element in value:
            _check_json(element)
    elif not isinstance(value, _JSON_VALUES):
        raise TypeError("a value is not one of JSON")


def not_sent(what: str) -> Failure:
    """Return the failure of a request that was not sent, which does not count against the tenant."""
    return Failure(HttpError(f"all {what} are in use; the request was not sent", local=True))


def wait_timed_out() -> Failure:
    """Return the failure of a caller that timed out waiting for another request's run."""
    return Failure(HttpError("timed out waiting for a shared request to the tenant", retry_after=1))


class FailureReports:
    """Reports failures of third-party code to the rate-limited log and to observers.

    Only the type of an exception is reported, because its message may contain tokens or secrets.
    """

    def __init__(self, notify: Notify | None) -> None:
        self._log = LimitedLog(_LOGGER)
        self._notify = notify

    def call_failure(self, purpose: str, error: BaseException) -> Failure:
        """Return the failure of a fetcher or resolver; errors of this package are kept unchanged."""
        if isinstance(error, MonoCloudError):
            return Failure(error)
        kind = type(error).__name__
        self._log.write(logging.WARNING, purpose, "the %s failed with %s", purpose, kind)
        return Failure(HttpError(f"the {purpose} failed with {kind}"))

    def report_cache_failure(self, operation: str, error: BaseException) -> None:
        """Report a claims cache failure in ``get`` or ``set``; the request continues."""
        kind = type(error).__name__
        message = "the claims cache failed to %s with %s"
        self._log.write(logging.WARNING, ("cache", operation), message, operation, kind)
        self._notify_cache(operation, kind)

    def delete_failure(self, error: BaseException) -> Failure:
        """Return the failure of a claims cache that could not delete an entry and may still return it."""
        kind = type(error).__name__
        self._notify_cache("delete", kind)
        message = f"the claims cache failed to delete with {kind}; it may still have the token's claims"
        return Failure(MonoCloudError(message))

    def internal_failure(self, error: BaseException) -> Failure:
        """Return the failure of a shared flow that raised an unexpected exception: a bug of this package."""
        kind = type(error).__name__
        self._log.write(logging.ERROR, "defect", "a shared flow failed with %s", kind)
        return Failure(MonoCloudError(f"a shared flow failed with {kind}"))

    def _notify_cache(self, operation: str, kind: str) -> None:
        if self._notify is not None:
            self._notify(CacheFailed(operation=operation, error=kind))
