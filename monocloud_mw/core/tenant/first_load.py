"""Tell a configuration mistake from an outage: the same response of the tenant can mean either.

With a wrong ``tenant_domain``, loading a document for the first time gets 404, a redirect, a web page, or the
document of another issuer. Waiting does not help, so the error is permanent
(:attr:`monocloud_mw.errors.HttpError.temporary` is false) and says what to change; the caller gets 500, and
an ERROR is logged.

Once a document has been loaded or a token introspected, the settings are known to be correct, and they do not
change while a process runs. From then on the same response comes from something in front of the tenant (a
gateway, a maintenance page) and is treated as an outage: the last good document is used until it is too old,
then callers get 503.

For the key set and for introspection only a redirect and a 4xx status count as a configuration mistake: the
discovery document came from the tenant, so any other invalid response is an outage from the start.
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
    """Make every failure of ``load`` temporary after its first success.

    Args:
        load: returns the flow that loads one document.
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
