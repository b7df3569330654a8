"""Makes it an error to use a dependency as a decorator, or to call it with requirements.

``@protect``, ``@protect(scopes=[...])`` and ``Security(protect(scopes=[...]))`` are how other adapters and
other frameworks are used. A call of a coroutine method that does not fit its parameters raises only a
``TypeError`` about these parameters.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Final, ParamSpec, TypeVar, cast

from monocloud_mw.errors import ConfigurationError

from ..declared_by import caller_name

__all__ = ["only_a_dependency"]

P = ParamSpec("P")
T = TypeVar("T")

_ADVICE: Final = (
    "a ProtectApi of FastAPI is a dependency, not a decorator: write Security(protect, scopes=[...]) in "
    "dependencies=[...] of the route or in a parameter of the view; for other requirements, write "
    "Security(protect.needing(groups=[...]))"
)


def only_a_dependency(check: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate the ``__call__`` of a dependency, a coroutine method that FastAPI finds by ``__wrapped__``.

    The result raises ``ConfigurationError``, which names the view, if it is called with other arguments. It
    also does outside an event loop: what it returns could not be awaited there, and nothing would be checked.
    """

    @functools.wraps(check)
    def call(*arguments: P.args, **named: P.kwargs) -> Coroutine[Any, Any, T]:
        try:
            coroutine = check(*arguments, **named)  # runs nothing yet
        except TypeError:
            raise ConfigurationError(f"{caller_name()}: {_ADVICE}") from None
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            coroutine.close()
            raise ConfigurationError(f"the check of ProtectApi needs an event loop; {_ADVICE}") from None
        return coroutine

    mark = getattr(inspect, "markcoroutinefunction", None)  # Python 3.12; for other readers than FastAPI
    return call if mark is None else cast("Callable[P, Coroutine[Any, Any, T]]", mark(call))
