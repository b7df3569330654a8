"""Output of the commands, and waiting with progress messages.

- Results go to standard output, progress and errors to standard error.
- Output is printable ASCII only, so that text from servers and tokens cannot control the terminal.
- Where standard output cannot be written, the command ends with :class:`OutputError`; where standard error
  cannot be written, messages are dropped.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from ..transports.background import run_in_thread

__all__ = [
    "OutputError",
    "TookTooLongError",
    "discard_output",
    "plain",
    "print_error",
    "print_json",
    "print_line",
    "wait_for",
    "write",
]

T = TypeVar("T")

SILENT_SECONDS: Final = 1.0
"""Time until the first progress message; further ones follow every few seconds."""

REPEAT_SECONDS: Final = 5.0


class OutputError(Exception):
    """Standard output cannot be written, for instance because the disk is full."""


class TookTooLongError(Exception):
    """The function did not finish in time."""


def plain(text: str) -> str:
    """Return text as printable ASCII; other characters are escaped."""
    return "".join(
        letter if " " <= letter <= "~" else letter.encode("unicode_escape", "surrogatepass").decode()
        for letter in text
    )


def print_line(text: str = "") -> None:
    """Print one line of the result without buffering."""
    write(plain(text) + "\n")


def print_error(text: str) -> None:
    """Print one line to standard error."""
    with contextlib.suppress(OSError):
        print(plain(text), file=sys.stderr, flush=True)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON document."""
    write(json.dumps(value, indent=2) + "\n")


def write(text: str) -> None:
    """Write text to standard output without buffering.

    Raises:
        BrokenPipeError: the reader has closed the pipe.
        OutputError: any other failure; its text is that of the operating system.
    """
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.strerror) from error


def discard_output() -> None:
    """Discard what is still buffered for standard output, which would be a second error at exit."""
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def wait_for(what: str, function: Callable[[], T], limit_seconds: float) -> T:
    """Call a function in a thread and wait for its result, with progress messages.

    Raises:
        TookTooLongError: it has not finished within ``limit_seconds``. Its thread does not keep the process
            running.
    """
    future = run_in_thread(function)
    began = time.monotonic()
    pause = SILENT_SECONDS
    while (left := began + limit_seconds - time.monotonic()) > 0:
        try:
            return future.result(min(pause, left))
        except TimeoutError:
            if future.done():
                raise  # raised by the function
            pause = REPEAT_SECONDS
            print_error(f"waiting: {what} ({time.monotonic() - began:.0f} s)")
    raise TookTooLongError
