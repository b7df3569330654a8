"""How an exception of somebody else's code becomes a :class:`~monocloud_mw.core.effects.Failure`."""

from __future__ import annotations

import logging

from ..core.effects import Failure
from ..errors import HttpError, MonoCloudError
from ..http import HttpResponse

__all__ = ["cache_kept", "cache_missed", "checked", "failed", "never_sent", "no_answer_in_time", "went_wrong"]

_logger = logging.getLogger("monocloud_mw")


def checked(response: object) -> HttpResponse | Failure:
    """Return what a fetcher returned, or the failure that it is no response."""
    if isinstance(response, HttpResponse):
        return response
    return Failure(HttpError(f"the fetcher returned {type(response).__name__}, not HttpResponse"))


def failed(purpose: str, error: Exception) -> Failure:
    """Return the failure of a fetcher or resolver.

    Ours pass as they are. Of others' only the type is told: their messages may quote what was sent, and
    that holds tokens and secrets.
    """
    if isinstance(error, MonoCloudError):
        return Failure(error)
    _logger.warning("the %s failed with %s", purpose, type(error).__name__)
    return Failure(HttpError(f"the {purpose} failed with {type(error).__name__}"))


def never_sent(what: str) -> Failure:
    """Return the failure of an exchange that never began, which says nothing about the tenant."""
    return Failure(HttpError(f"all {what} are in use; the request was not sent", local=True))


def cache_missed(operation: str, error: Exception) -> None:
    """Log a claims cache that failed: to the request that is a miss (``get``), or nothing at all."""
    _logger.warning("the claims cache failed to %s with %s", operation, type(error).__name__)


def cache_kept(error: Exception) -> Failure:
    """Return the failure of a claims cache that could not remove an entry, which it may go on serving."""
    kind = type(error).__name__
    message = f"the claims cache failed to delete with {kind}: it may still hold the token's claims"
    return Failure(MonoCloudError(message))


def went_wrong(error: BaseException) -> Failure:
    """Return the failure of a shared flow that raised what no flow should: a defect of ours."""
    _logger.error("a shared flow failed with %s", type(error).__name__)
    return Failure(MonoCloudError(f"a shared flow failed with {type(error).__name__}"))


def no_answer_in_time() -> Failure:
    """Return the failure of who has waited long enough for a run that another request leads."""
    return Failure(HttpError("no answer in time from the request that this one waited for", retry_after=1))
