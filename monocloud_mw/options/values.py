"""Convert and validate the values of options, one function per kind of value.

Each raises ``ValueError`` for an invalid value. The message continues a sentence that begins with the name of
the option, and contains no value that could be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from ..callables import is_async
from ..events import Event
from ..jose import SIGNATURE_ALGORITHMS, SigningKey
from ..quoting import quoted
from .texts import BRACKETS, QUOTES

__all__ = [
    "one_of",
    "read_algorithms",
    "read_any_secret",
    "read_boolean",
    "read_cache",
    "read_callable",
    "read_certificate_and_key",
    "read_claim_name",
    "read_count",
    "read_file",
    "read_name",
    "read_names",
    "read_observer",
    "read_size",
    "read_text",
    "read_timeout",
    "read_unquoted",
    "seconds_up_to",
]

MAX_TIMEOUT_SECONDS: Final = 120
MAX_SIZE: Final = 1024 * 1024
_TIMEOUT_UNITS: Final = "an argument is in seconds, the variable in milliseconds"
_CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NEVER_A_PATH: Final = frozenset(":/")  # a name with one of these is not a path


def read_text(value: object) -> str:
    """Return a string that is not blank."""
    if not isinstance(value, str):
        raise ValueError(f"must be a string, not {type(value).__name__}")
    if not value.strip():
        raise ValueError("must not be blank")
    try:
        value.encode()
    except UnicodeEncodeError:
        pass
    else:
        return str(value)
    raise ValueError("must be valid Unicode")  # outside the handler: the codec's error contains the value


def read_name(value: object) -> str:
    """Return an identifier without leading and trailing white space."""
    text = read_unquoted(value)
    if not text.isprintable():
        raise ValueError("must not have invisible characters, such as U+200B; type it instead of pasting it")
    return text


def read_unquoted(value: object) -> str:
    """Return text without leading and trailing white space; the caller makes further checks."""
    text = read_text(value).strip()
    if text[0] in QUOTES or text[-1] in QUOTES:
        raise ValueError("must not have quotes around it")
    if text[0] == "," or text[-1] == ",":
        raise ValueError("must not have a comma at either end")
    if _CONTROL_CHARACTERS.search(text):
        raise ValueError("must not have control characters")
    return text


def read_names(value: object) -> tuple[str, ...]:
    """Return one or several identifiers as a tuple."""
    if isinstance(value, str):
        if "," in value:
            raise ValueError(
                "must not contain commas; pass a list, or separate the values of a variable by spaces"
            )
        if value.strip()[:1] in BRACKETS:
            raise ValueError("must be a list, not the text of one")
        return (read_name(value),)
    if isinstance(value, (Mapping, bytes, bytearray)) or not isinstance(value, Iterable):
        raise ValueError("must be a string or a non-empty list of strings")
    names = tuple(map(read_name, value))
    if not names:
        raise ValueError("must be a string or a non-empty list of strings")
    return names


def read_algorithms(value: object) -> tuple[str, ...]:
    """Return the names of supported signature algorithms."""
    names = read_names(value)
    unknown = [quoted(name) for name in names if name not in SIGNATURE_ALGORITHMS]
    if unknown:
        raise ValueError(
            f"unsupported algorithm {', '.join(unknown)}; supported: {', '.join(SIGNATURE_ALGORITHMS)}"
        )
    return names


def read_boolean(value: object) -> bool:
    """Return ``True`` or ``False``."""
    if not isinstance(value, bool):
        raise ValueError(f"must be True or False, not {quoted(value)}")
    return value


def seconds_up_to(maximum: int) -> Callable[[object], float]:
    """Return a function that validates a duration in seconds."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"must be a number of seconds, not {quoted(value)}")
        if not 0 <= value <= maximum:
            raise ValueError(f"must be from 0 to {maximum} seconds, not {quoted(value)}")
        return float(value)

    return read


def read_timeout(value: object) -> float:
    """Return a timeout in seconds. The limit catches values in milliseconds, like 10000."""
    try:
        seconds = seconds_up_to(MAX_TIMEOUT_SECONDS)(value)
    except ValueError as error:
        raise ValueError(f"{error} ({_TIMEOUT_UNITS})") from None
    if seconds == 0:
        raise ValueError("must be more than 0 seconds")
    return seconds


def read_claim_name(value: object) -> str:
    """Return the name of a claim, or a dotted path into objects."""
    name = read_name(value)
    if "" in name.split(".") and not _NEVER_A_PATH.intersection(name):
        raise ValueError("must not have a dot at either end, or two in a row")
    return name


def read_count(value: object) -> int:
    """Return an integer, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"must be a whole number, 0 or more, not {quoted(value)}")
    return value


def read_size(value: object) -> int:
    """Return the maximum number of characters of a token."""
    size = read_count(value)
    if not 1 <= size <= MAX_SIZE:
        raise ValueError(f"must be from 1 to {MAX_SIZE} characters, not {size}")
    return size


def one_of(*names: str) -> Callable[[object], str]:
    """Return a function that accepts only the given names."""

    def read(value: object) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}, not {quoted(value)}")
        return str(value)

    return read


def read_callable(value: object) -> Any:
    """Return a callable."""
    if not callable(value):
        raise ValueError(f"must be callable, not {type(value).__name__}")
    return _read_instance(value)


def _read_instance(value: object) -> Any:
    """Return a value that is not a class, which would be called like a function or lack ``self``."""
    if isinstance(value, type):
        raise ValueError(f"must not be the class {value.__name__}: write {value.__name__}()")
    return value


def read_clock(value: object) -> Any:
    """Return a synchronous callable, because a clock is not awaited."""
    if is_async(read_callable(value)):
        raise ValueError("must not be asynchronous: it must return Unix seconds, and is not awaited")
    return value


def read_cache(value: object) -> Any:
    """Return a claims cache (:mod:`monocloud_mw.claims_cache`)."""
    if not all(callable(getattr(value, name, None)) for name in ("get", "set", "delete")):
        raise ValueError("must have the methods get, set and delete of a claims cache")
    return _read_instance(value)


def read_observer(value: object) -> Any:
    """Return an observer: a function of one event, or an object with a method for at least one kind of event.

    Async functions are rejected, because observers are not awaited.
    """
    kinds: tuple[Any, ...] = get_args(Event)
    methods = [getattr(value, kind.handler) for kind in kinds if callable(getattr(value, kind.handler, None))]
    functions = methods or [value]
    if not all(map(callable, functions)):
        raise ValueError("must be a function of one event, or an Observer (monocloud_mw.events)")
    if any(map(is_async, functions)):
        raise ValueError("must not be asynchronous: events are not awaited; put them in a queue")
    return _read_instance(value)


def read_file(value: object) -> str:
    """Return the path of an existing file."""
    path = read_text(str(value) if isinstance(value, Path) else value)
    if "-----BEGIN" in path:
        raise ValueError("must be the path of a PEM file, not its content")
    try:
        found = Path(path).is_file()
    except OSError:  # no permission, or too long for a path
        found = False
    if not found:
        raise ValueError(f"there is no file {quoted(path)}")
    return path


def read_certificate_and_key(value: object) -> tuple[str, str]:
    """Return the paths of a certificate and of its key."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError("must be a pair: the paths of a PEM certificate and of its key")
    return read_file(value[0]), read_file(value[1])


def read_any_secret(value: object) -> Any:
    """Return a client secret of any kind; it is checked later against ``client_auth_method``."""
    if isinstance(value, str):
        return read_text(value)
    if not (isinstance(value, (Mapping, SigningKey)) or callable(value)):
        raise ValueError("must be text, a JWK or a PEM private key")
    return value
