"""Makes it an error to use a ``ProtectApi`` in ways that FastAPI accepts and that check nothing.

- As a decorator, or called with requirements: ``@protect``, ``@protect(scopes=[...])``, and
  ``Security(protect(scopes=[...]))``. A call of a coroutine method that does not fit its parameters raises
  only a ``TypeError`` about these parameters.
- A function as the dependency, instead of its result: ``Security(ProtectApi)`` or
  ``Security(protect.needing)``. FastAPI would read the function's parameters from the query of the request.
  It asks pydantic for a schema of each parameter when a route is declared; the annotation
  :class:`NotADependency` answers with an error.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn, ParamSpec, TypeVar, cast

from monocloud_mw.errors import ConfigurationError

from ..view_names import caller_name

__all__ = ["NotADependency", "only_a_dependency"]

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


class NotADependency:
    """An annotation of a parameter that must not be read from a request.

    Args:
        message: what is wrong, and what to write instead.
    """

    def __init__(self, message: str) -> None:
        self._message = message

    def __repr__(self) -> str:
        return type(self).__name__  # in signatures that documentation shows

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> NoReturn:
        """Refuse to describe the parameter.

        Raises:
            ConfigurationError: always; FastAPI passes it on to the declaration of the route.
        """
        raise ConfigurationError(self._message)
