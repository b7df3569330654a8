"""Strict base64url without padding (RFC 7515 section 2): every value has exactly one encoding.

Rejected: padding, the standard alphabet (``+/``), white space and any other character, impossible lengths,
and a last character with unused bits that are not zero (RFC 4648 section 3.5). If one token had two
encodings, caches and revocation lists would treat them as two tokens.
"""

from __future__ import annotations

import binascii
from typing import Final

from ..errors import Reason, TokenError

__all__ = ["decode", "encode"]

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

# From this alphabet to that of binascii; "+", "/" and "=" become a character that binascii rejects.
_TO_BINASCII: Final = bytes.maketrans(b"-_+/=", b"+/\0\0\0")
_FROM_BINASCII: Final = bytes.maketrans(b"+/", b"-_")

# By length modulo 4: the padding to add, and the last characters whose unused bits are zero.
_ENDINGS: Final = {
    0: (b"", frozenset(_ALPHABET)),
    2: (b"==", frozenset(_ALPHABET[::16])),
    3: (b"=", frozenset(_ALPHABET[::4])),
}


def encode(data: bytes) -> str:
    """Return ``data`` in base64url, without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_FROM_BINASCII).decode("ascii")


def decode(text: str) -> bytes:
    """Return the decoded ``text``.

    Raises:
        TokenError: it is not strict base64url [malformed].
    """
    try:
        data = text.encode("ascii")
        padding, last_characters = _ENDINGS[len(data) % 4]
        if not data or data[-1] in last_characters:
            return binascii.a2b_base64(data.translate(_TO_BINASCII) + padding, strict_mode=True)
    except (ValueError, KeyError):
        pass
    raise TokenError(Reason.MALFORMED, "it is not valid base64url")
