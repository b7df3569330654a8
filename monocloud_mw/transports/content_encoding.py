"""The content codings of a response: ``gzip`` and ``deflate`` are undone, within the limit of the body.

The request asks for ``identity``, and some gateways compress all the same (RFC 9110 section 8.4). What comes
out of a compressed body has the same limit as a plain body, so that a small body cannot fill the memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final

from ..errors import HttpError
from ..http import HttpRequest
from .exchange_errors import address_of, check_size

__all__ = ["content_coding", "decode"]

PLAIN: Final = frozenset({"", "identity", "none"})

# What zlib tries, one after the other: some servers send a "deflate" body without its zlib header.
WINDOW_BITS: Final[Mapping[str, tuple[int, ...]]] = {
    "gzip": (16 + zlib.MAX_WBITS,),
    "x-gzip": (16 + zlib.MAX_WBITS,),
    "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS),
}


def content_coding(request: HttpRequest, status: int, content_encoding: str) -> str | None:
    """Return the coding that a header ``Content-Encoding`` names, or ``None`` for a plain body.

    Raises:
        HttpError: it is not one that :func:`decode` knows, or there are several.
    """
    codings = [name for part in content_encoding.split(",") if (name := part.strip().lower()) not in PLAIN]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in WINDOW_BITS:
        raise HttpError(
            f"{address_of(request)} sent a compressed body that cannot be read:"
            " only gzip or deflate can, and only one of them",
            status=status,
        )
    return codings[0]


def decode(request: HttpRequest, status: int, coding: str | None, body: bytes) -> bytes:
    """Return the body without its coding.

    Raises:
        HttpError: it is larger than ``max_body_bytes``, or not what the coding says.
    """
    if coding is None or not body:
        return body
    for window_bits in WINDOW_BITS[coding]:
        try:
            decoded = _inflate(body, window_bits, request.max_body_bytes + 1)
        except zlib.error:
            continue
        check_size(request, status, len(decoded))
        return decoded
    raise HttpError(f"{address_of(request)} sent a compressed body that is damaged", status=status)


def _inflate(body: bytes, window_bits: int, max_bytes: int) -> bytes:
    """Return at most ``max_bytes`` of what comes out of all members (RFC 1952 section 2.2)."""
    decoded = b""
    while body:
        decompressor = zlib.decompressobj(window_bits)
        decoded += decompressor.decompress(body, max_bytes - len(decoded))
        if len(decoded) >= max_bytes:
            return decoded
        if not decompressor.eof:
            raise zlib.error("the body ends too early")
        body = decompressor.unused_data
    return decoded
