"""Base64url without padding (RFC 7515 section 2), strict: one text per value, and one value per text.

Refused: padding, the other alphabet (``+/``), white space and every foreign character, a length that no
value has, and a last character with bits that decode to nothing (RFC 4648 section 3.5), since two texts
for one token would defeat everything that tells tokens apart.
"""

from __future__ import annotations

import binascii
from typing import Final

from ..errors import Reason, TokenError

__all__ = ["decode", "encode"]

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

# From this alphabet to the one of binascii; its own "+", "/" and "=" become a character it refuses.
_TO_BINASCII: Final = bytes.maketrans(b"-_+/=", b"+/\0\0\0")
_FROM_BINASCII: Final = bytes.maketrans(b"+/", b"-_")

# By length modulo 4: the padding to add, and which last characters leave no stray bits.
_ENDINGS: Final = {
    0: (b"", frozenset(_ALPHABET)),
    2: (b"==", frozenset(_ALPHABET[::16])),
    3: (b"=", frozenset(_ALPHABET[::4])),
}


def encode(data: bytes) -> str:
    """Return ``data`` in base64url, without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_FROM_BINASCII).decode("ascii")


def decode(text: str) -> bytes:
    """Return what ``text`` stands for.

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
    raise TokenError(Reason.MALFORMED, "it is not strict base64url")
