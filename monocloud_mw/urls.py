"""Which URLs may be spoken to: ``https``, or ``http`` on the loopback interface for local development."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

__all__ = ["is_loopback", "normalise_url", "parse_url"]

_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")  # RFC 1123 section 2.1, and "_"
_BROKEN_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


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
    if not _is_host(host, in_brackets="[" in url.netloc) or _BROKEN_PERCENT.search(url.path):
        raise ValueError("must be a URL with a valid host and port")
    return url


def normalise_url(text: str) -> str:
    """Return the normal form of a URL that :func:`parse_url` accepts, without its query.

    Scheme and host in lower case, no port that is the default (RFC 3986 sections 6.2.2.1 and 6.2.3), and no
    dot at the end of the host; the path stays as it is.

    Raises:
        ValueError: as :func:`parse_url`.
    """
    url = parse_url(text)
    host, port = (url.hostname or "").removesuffix("."), url.port
    if ":" in host:
        host = f"[{ipaddress.ip_address(host)}]"
    if port is not None and port != _DEFAULT_PORTS[url.scheme]:
        host = f"{host}:{port}"
    return f"{url.scheme}://{host}{url.path}"


def _is_host(host: str, *, in_brackets: bool) -> bool:
    """Tell whether a host could be looked up: an address, or a name of valid labels."""
    labels = host.removesuffix(".").split(".")
    if in_brackets or labels[-1].isdigit():
        try:
            ipaddress.IPv6Address(host) if in_brackets else ipaddress.IPv4Address(host.removesuffix("."))
        except ValueError:
            return False
        return "%" not in host  # a zone belongs to one machine
    return len(host) <= 253 and all(map(_LABEL.fullmatch, labels))


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
