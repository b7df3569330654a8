"""What a value of an option may be: each function here reads one kind.

``read_x`` takes what a developer gave and returns the value to keep; ``x_from_text`` turns the text of an
environment variable into what a developer might have given. Both raise ``ValueError`` for anything else, with
a message that reads on after the option's name, and shows no value that could be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import quoted
from ..jose import SIGNATURE_ALGORITHMS, SigningKey
from ..urls import parse_url

__all__ = [
    "boolean_from_text",
    "count_from_text",
    "number_from_text",
    "one_of",
    "pair_from_texts",
    "read_algorithms",
    "read_any_secret",
    "read_boolean",
    "read_cache",
    "read_callable",
    "read_certificate_and_key",
    "read_count",
    "read_file",
    "read_seconds",
    "read_tenant_domain",
    "read_text",
    "read_texts",
    "read_timeout",
]

MAX_SECONDS: Final = 1_000_000_000  # thirty years; sockets and locks refuse timeouts some way above


def read_tenant_domain(value: Any) -> str:
    """Read the URL of a tenant; ``https://`` is added where no scheme stands."""
    text = read_text(value).strip()
    text = text if "://" in text else f"https://{text}"
    text = text.removesuffix("/")
    parse_url(text)
    if "?" in text:
        raise ValueError("must not have a query")
    return text


def read_text(value: Any) -> str:
    """Read text that is not blank."""
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
    raise ValueError("must be text that UTF-8 can carry")  # not in the handler: its error holds the value


def read_texts(value: Any) -> tuple[str, ...]:
    """Read one text or several."""
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, (list, tuple, set, frozenset)) or not values:
        raise ValueError("must be a string or a non-empty list of strings")
    return tuple(map(read_text, values))


def read_algorithms(value: Any) -> tuple[str, ...]:
    """Read the names of signature algorithms that there are."""
    names = read_texts(value)
    unknown = [quoted(name) for name in names if name not in SIGNATURE_ALGORITHMS]
    if unknown:
        raise ValueError(
            f"has no asymmetric algorithm {', '.join(unknown)}; known are {', '.join(SIGNATURE_ALGORITHMS)}"
        )
    return names


def read_boolean(value: Any) -> bool:
    """Read ``True`` or ``False``."""
    if not isinstance(value, bool):
        raise ValueError(f"must be True or False, not {quoted(value)}")
    return value


def boolean_from_text(text: str) -> bool:
    """Understand the usual words for true and false, in any case."""
    word = text.strip().lower()
    if word in ("true", "1", "yes", "on"):
        return True
    if word in ("false", "0", "no", "off"):
        return False
    raise ValueError(f"must be true, false, 1, 0, yes, no, on or off, not {quoted(text)}")


def read_seconds(value: Any) -> float:
    """Read a duration in seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"must be a number of seconds, not {quoted(value)}")
    if not 0 <= value <= MAX_SECONDS:
        raise ValueError(f"must be from 0 to {MAX_SECONDS} seconds, not {quoted(value)}")
    return float(value)


def read_timeout(value: Any) -> float:
    """Read a duration in seconds that is not 0."""
    seconds = read_seconds(value)
    if seconds == 0:
        raise ValueError("must be more than 0")
    return seconds


def number_from_text(text: str) -> float:
    """Understand a decimal number that stands there in full."""
    if not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text.strip(), re.ASCII):
        raise ValueError(f"must be a number, not {quoted(text)}")
    return float(text)


def read_count(value: Any) -> int:
    """Read a whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"must be a whole number, 0 or more, not {quoted(value)}")
    return value


def count_from_text(text: str) -> int:
    """Understand a whole number, 0 or more."""
    if not re.fullmatch(r"[0-9]{1,12}", text.strip(), re.ASCII):
        raise ValueError(f"must be a whole number, 0 or more, not {quoted(text)}")
    return int(text)


def one_of(*names: str) -> Callable[[Any], str]:
    """Return what reads one of a few names."""

    def read(value: Any) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}, not {quoted(value)}")
        return str(value)

    return read


def read_callable(value: Any) -> Any:
    """Read something that can be called."""
    if value is not None and not callable(value):
        raise ValueError(f"must be callable, not {type(value).__name__}")
    return value


def read_cache(value: Any) -> Any:
    """Read a claims cache (:mod:`monocloud_mw.stores.protocol`)."""
    if value is not None and not all(
        callable(getattr(value, name, None)) for name in ("get", "set", "delete")
    ):
        raise ValueError("must have the methods get, set and delete of a claims cache")
    return value


def read_file(value: Any) -> str:
    """Read the path of a file that is there."""
    path = read_text(str(value) if isinstance(value, Path) else value)
    if "-----BEGIN" in path:
        raise ValueError("must be the path of a PEM file, not what is in it")
    try:
        found = Path(path).is_file()
    except OSError:  # it may not be looked at, or is too long for a path
        found = False
    if not found:
        raise ValueError(f"there is no file {quoted(path)}")
    return path


def read_certificate_and_key(value: Any) -> tuple[str, str]:
    """Read the paths of a certificate and of its key."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError("must be a pair: the paths of a PEM certificate and of its key")
    return read_file(value[0]), read_file(value[1])


def pair_from_texts(certificate: str | None, key: str | None) -> tuple[str, str]:
    """Put the texts of two variables together; one alone is a mistake."""
    if certificate is None or key is None:
        raise ValueError("needs both variables, the certificate's and the key's")
    return certificate, key


def read_any_secret(value: Any) -> Any:
    """Read what may be a secret; whether it fits the way to authenticate is for later to find out."""
    if isinstance(value, str):
        return read_text(value)
    if not (isinstance(value, (Mapping, SigningKey)) or callable(value)):
        raise ValueError("must be text, a JWK or a PEM private key")
    return value
