"""Decode ``gzip`` and ``deflate`` response bodies, within the size limit (RFC 9110 section 8.4).

Requests accept only ``identity``, but some gateways compress regardless. A decoded body has the same size
limit as a plain one, so that a small compressed body cannot fill the memory.
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

# The window sizes to try, in this order: some servers send "deflate" bodies without a zlib header.
WINDOW_BITS: Final[Mapping[str, tuple[int, ...]]] = {
    "gzip": (16 + zlib.MAX_WBITS,),
    "x-gzip": (16 + zlib.MAX_WBITS,),
    "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS),
}


def content_coding(request: HttpRequest, status: int, content_encoding: str) -> str | None:
    """Return the coding in a ``Content-Encoding`` header, or ``None`` for a plain body.

    Raises:
        HttpError: :func:`decode` does not support the coding, or there are several.
    """
    codings = [name for part in content_encoding.split(",") if (name := part.strip().lower()) not in PLAIN]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in WINDOW_BITS:
        raise HttpError(
            f"{address_of(request)} sent an unsupported Content-Encoding: only gzip or deflate is supported",
            status=status,
        )
    return codings[0]


def decode(request: HttpRequest, status: int, coding: str | None, body: bytes) -> bytes:
    """Return the decoded body.

    Raises:
        HttpError: it is larger than ``max_body_bytes``, or not valid for the coding.
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
    raise HttpError(f"{address_of(request)} sent an invalid compressed body", status=status)


def _inflate(body: bytes, window_bits: int, max_bytes: int) -> bytes:
    """Return at most ``max_bytes`` of the decoded members (RFC 1952 section 2.2); ignore trailing zeros."""
    decoded = b""
    while body:
        decompressor = zlib.decompressobj(window_bits)
        decoded += decompressor.decompress(body, max_bytes - len(decoded))
        if len(decoded) >= max_bytes:
            return decoded
        if not decompressor.eof:
            raise zlib.error("the body ends too early")
        body = decompressor.unused_data.lstrip(b"\0")
    return decoded
