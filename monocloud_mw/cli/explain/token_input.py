"""Where ``explain`` reads the token from: the command line, a file or standard input; it is never shown."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Final

__all__ = ["read_bytes", "read_token"]

MAX_TOKEN_BYTES: Final = 1024 * 1024
"""More is cut off: a token that long is refused for its length, whatever is in it."""


def read_token(arguments: argparse.Namespace) -> str:
    """Return the token, without the end of the line that follows it in a file.

    Raises:
        ValueError: the file cannot be read.
    """
    if arguments.token not in (None, "-"):
        return str(arguments.token)
    if arguments.file is not None:
        data = read_bytes(arguments.file)
    elif sys.stdin.isatty():
        return getpass.getpass("Access token (it is not shown): ")
    else:
        data = sys.stdin.buffer.read(MAX_TOKEN_BYTES)
    return data.decode("utf-8", "surrogateescape").rstrip("\r\n")


def read_bytes(path: str) -> bytes:
    """Return what is in a file, up to a limit.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_TOKEN_BYTES)
    except (OSError, ValueError) as error:  # a path may not hold a null character
        raise ValueError(f"cannot be read: {type(error).__name__}") from None
