"""What the commands print, and how they wait: text of ASCII only, and a word where it takes a while.

- Results go to standard output, progress and errors to standard error.
- Whatever a server or a token had a hand in is printed without control characters, so that it cannot
  change what a terminal shows.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from ..transports.background import run_in_thread

__all__ = ["TookTooLongError", "plain", "print_error", "print_json", "print_line", "wait_for"]

T = TypeVar("T")

SILENT_SECONDS: Final = 1.0
"""After this time, and then every few seconds, a line says what is being waited for."""

REPEAT_SECONDS: Final = 5.0


class TookTooLongError(Exception):
    """What was waited for did not end in time."""


def plain(text: str) -> str:
    """Return text as printable ASCII; everything else is escaped."""
    return "".join(
        letter if " " <= letter <= "~" else letter.encode("unicode_escape", "surrogatepass").decode()
        for letter in text
    )


def print_line(text: str = "") -> None:
    """Print one line of a result, at once."""
    print(plain(text), flush=True)


def print_error(text: str) -> None:
    """Print one line beside the result."""
    print(plain(text), file=sys.stderr, flush=True)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2), flush=True)


def wait_for(what: str, function: Callable[[], T], limit_seconds: float) -> T:
    """Call a function in a thread, and wait for it so long; say so where it takes a while.

    Raises:
        TookTooLongError: it has not ended in time. Its thread does not keep the process from ending.
    """
    future = run_in_thread(function)
    began = time.monotonic()
    pause = SILENT_SECONDS
    while (left := began + limit_seconds - time.monotonic()) > 0:
        try:
            return future.result(min(pause, left))
        except TimeoutError:
            if future.done():
                raise  # the function's own
            pause = REPEAT_SECONDS
            print_error(f"waiting: {what} ({time.monotonic() - began:.0f} s)")
    raise TookTooLongError
