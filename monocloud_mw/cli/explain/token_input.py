"""``explain``: read the token from the command line, a file or standard input, without showing it."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Final

__all__ = ["read_bytes", "read_token"]

MAX_TOKEN_BYTES: Final = 1024 * 1024
"""Longer input is cut off; a token of this length is refused as too long in any case."""


def read_token(arguments: argparse.Namespace) -> str:
    """Return the token, without a trailing line break.

    Raises:
        ValueError: the file cannot be read.
    """
    if arguments.token not in (None, "-"):
        return str(arguments.token)
    if arguments.file is not None:
        data = read_bytes(arguments.file, "--file")
    elif sys.stdin is None:
        raise ValueError("standard input is closed: pass the token there, with --file or as an argument")
    elif sys.stdin.isatty():
        return getpass.getpass("Access token (not shown): ")
    else:
        data = sys.stdin.buffer.read(MAX_TOKEN_BYTES)
    return data.decode("utf-8", "surrogateescape").rstrip("\r\n")


def read_bytes(path: str, option: str) -> bytes:
    """Return the content of the file in an option, up to the limit.

    Raises:
        ValueError: the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_TOKEN_BYTES)
    except (OSError, ValueError) as error:  # ValueError: null character in the path
        raise ValueError(f"the file in {option} cannot be read: {type(error).__name__}") from None
