"""An ``argparse`` parser whose error messages do not repeat arguments.

An argument may be a token, or a secret that was pasted by mistake. ``argparse`` quotes invalid arguments;
:class:`ArgumentParser` only names the option and what it expects.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, Final, NoReturn

from .console import write

__all__ = ["USAGE_ERROR", "ArgumentParser", "seconds"]

USAGE_ERROR: Final = 2

# Messages that contain no argument values.
_SAFE: Final = re.compile(
    r"the following arguments are required: .*"
    r"|argument [^:]+: (expected .*|not allowed with argument [^:]+|must be .*)"
)
_ARGUMENT: Final = re.compile(r"argument ([^:]+): ")


class ArgumentParser(argparse.ArgumentParser):
    """Exits with :data:`USAGE_ERROR` and a message without argument values."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and a message that is safe to show."""
        if not _SAFE.fullmatch(message):
            named = _ARGUMENT.match(message)
            message = (
                f"argument {named[1]}: invalid value{_choices(message[named.end() :])}"
                if named
                else "unknown or unexpected argument (not shown, because it may be a token)"
            )
        super().error(message)

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse would ignore that the help or the version cannot be written
        if file is sys.stdout:
            write(message)
        elif message:
            super()._print_message(message, file)


def _choices(message: str) -> str:
    """Return the end of argparse's message about a choice: the choices, without the value given."""
    _, separator, choices = message.rpartition(" (choose from ")
    return separator + choices if separator and message.startswith("invalid choice: ") else ""


def seconds(text: str) -> float:
    """Read a number of seconds from 0.1 to 120."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 120:
        raise argparse.ArgumentTypeError("must be a number of seconds from 0.1 to 120")
    return value
