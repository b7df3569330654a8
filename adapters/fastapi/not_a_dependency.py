"""Makes it an error to use a function as a FastAPI dependency whose *result* is meant to be one.

``Security(protect.needing)``, without a call, would read the requirements from the query of the request and
check nothing. FastAPI asks pydantic for a schema of each parameter when a route is declared. The annotation
:class:`NotADependency` of a parameter answers with an error.
"""

from __future__ import annotations

from typing import Any, NoReturn

from monocloud_mw.errors import ConfigurationError

__all__ = ["NotADependency"]


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
