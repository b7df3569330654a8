"""``MONOCLOUD_BACKEND_EXPLAIN=1``: print why each request was refused. For development only.

It writes to standard error, so it works with ``flask --debug``, ``uvicorn``, ``fastapi dev`` and
``manage.py runserver`` without logging configuration. It is an ordinary observer and changes nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

from ..errors import ConfigurationError, Problem
from ..events import Observer, RequestRefused
from ..options import VARIABLE_PREFIX
from ..options.texts import boolean_from_text

__all__ = ["ExplainingObserver", "explaining_observer"]

VARIABLE: Final = f"{VARIABLE_PREFIX}EXPLAIN"

WARNING: Final = (
    f"monocloud_mw: {VARIABLE} is on: the reasons of refused requests are written to standard error, with "
    "scopes, audiences and issuers of tokens. FOR DEVELOPMENT ONLY; unset it in production."
)


class ExplainingObserver(Observer):
    """Writes each refused request to standard error."""

    def __init__(self) -> None:
        _print(WARNING)

    def request_refused(self, event: RequestRefused) -> None:
        """Write the reason, the expected and found values, and what to do."""
        request = f"{event.method} {event.path} -> {event.status}" if event.path else "access token refused"
        lines = (
            f"monocloud_mw: {request} [{event.reason}] {event.message}",
            *(
                f"    {name}: {value}"
                for name, value in (
                    ("expected", event.expected),
                    ("found", event.found),
                    ("key id", event.key_id),
                    ("issuer", event.issuer),
                    ("hint", event.hint),
                    ("see", event.docs),
                )
                if value is not None
            ),
        )
        _print("\n".join(lines))


def explaining_observer(environ: Mapping[str, str]) -> ExplainingObserver | None:
    """Return an observer that explains refusals if the variable is true, otherwise ``None``.

    Raises:
        ConfigurationError: the variable is neither true nor false.
    """
    text = environ.get(VARIABLE, "").strip()
    try:
        return ExplainingObserver() if text and boolean_from_text(text) else None
    except ValueError as error:
        raise ConfigurationError([Problem("explain", VARIABLE, str(error))]) from None


def _print(text: str) -> None:
    stream = sys.stderr
    if stream is not None:  # None under pythonw
        print(text, file=stream, flush=True)
