"""A mistake in the settings, or an outage: the same response of the tenant can be either.

A wrong ``tenant_domain`` shows when a document is loaded for the first time: nothing is there (404), the
address redirects, it has a web page, or the document of another issuer. Waiting does not help then, so the
error is permanent (:attr:`monocloud_mw.errors.HttpError.temporary` is false) and says what to change; the
caller gets a 500, and the log an ERROR.

Once a document has been loaded, or a token introspected, the settings are known to be right. From then on the
same response comes from something in front of the tenant (a gateway, a maintenance page), and it is an outage
like any other: the last good document serves on, and after it 503. No response changes that: settings do not
change while a process runs.

Of the key set and of introspection only a redirect and a status that says that the request was wrong (4xx)
are such mistakes: the discovery document was the tenant's, so other nonsense is an outage from the start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ...errors import HttpError
from ..effects import Flow

__all__ = ["outage_once_loaded"]

P = ParamSpec("P")
T = TypeVar("T")


def outage_once_loaded(load: Callable[P, Flow[T]]) -> Callable[P, Flow[T]]:
    """Make every failure of a load temporary after its first success.

    Args:
        load: makes the flow that loads one document.
    """
    loaded = False

    def load_or_fail(*args: P.args, **kwargs: P.kwargs) -> Flow[T]:
        nonlocal loaded
        try:
            value = yield from load(*args, **kwargs)
        except HttpError as error:
            if loaded and not error.temporary:
                raise error.as_outage() from error
            raise
        loaded = True
        return value

    return load_or_fail
