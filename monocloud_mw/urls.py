"""Which URLs may be spoken to: ``https``, or ``http`` on the loopback interface for local development."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

__all__ = ["is_loopback", "parse_url"]


def parse_url(text: str) -> SplitResult:
    """Read an absolute URL that is safe to send credentials to; the text itself is used byte for byte.

    Raises:
        ValueError: it is not absolute, not ``https`` (nor ``http`` to a loopback host), or holds user
            info, a fragment, white space or control characters. The message says which, without the URL.
    """
    if not text.isascii() or not text.isprintable() or any(character in text for character in ' \\"<>^`{|}'):
        raise ValueError("must be a URL without white space, control or other unsafe characters")
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        url, host, port = None, None, None
    if url is None:  # raised here, since the parser's error may quote the URL and would hang on to ours
        raise ValueError("must be a URL with a valid host and port")
    if not host or url.scheme not in ("https", "http"):
        raise ValueError("must be an https:// URL")
    if "@" in url.netloc:
        raise ValueError("must not hold user info")
    if url.netloc.endswith(":") or port == 0:
        raise ValueError("must be a URL with a valid host and port")
    if "#" in text:
        raise ValueError("must not have a fragment")
    if url.scheme == "http" and not is_loopback(host):
        raise ValueError(
            "must be https:// (http:// only for localhost or a loopback address, in development)"
        )
    return url


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine: ``localhost`` or a loopback address.

    Names beneath ``localhost`` are not: they should lead here (RFC 6761 section 6.3), but many systems ask a
    name server for them, and containers are given such names.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
