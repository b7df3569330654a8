"""Checks the URLs of the tenant: ``https``, or ``http`` to a loopback address for local development."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

__all__ = ["is_address", "is_loopback", "normalise_url", "parse_url", "port_of"]

_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")  # RFC 1123 section 2.1, and "_"
_BROKEN_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def parse_url(text: str) -> SplitResult:
    """Parse an absolute URL that is safe to send credentials to.

    Raises:
        ValueError: it is not absolute, not ``https`` (or ``http`` to a loopback host), or it has user info, a
            fragment, white space or control characters. The message names the problem without the URL.
    """
    if not text.isascii() or not text.isprintable() or any(character in text for character in ' \\"<>^`{|}'):
        raise ValueError("must be a URL without white space, control or other unsafe characters")
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        url, host, port = None, None, None
    if url is None:  # raised outside except: the parser's error may quote the URL and would be chained
        raise ValueError("must be a URL with a valid host and port")
    if not host or url.scheme not in ("https", "http"):
        raise ValueError("must be an https:// URL")
    if "@" in url.netloc:
        raise ValueError("must not contain user info")
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
    """Return the normalised form of a URL that :func:`parse_url` accepts, without its query.

    Scheme and host in lower case, no default port (RFC 3986 sections 6.2.2.1 and 6.2.3), no trailing dot of
    the host; the path is unchanged.

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


def port_of(url: SplitResult) -> int:
    """Return the port of a URL, or the default port of its scheme; 0 for a scheme other than HTTP.

    Raises:
        ValueError: the port is not a number from 0 to 65535.
    """
    return url.port or _DEFAULT_PORTS.get(url.scheme, 0)


def _is_host(host: str, *, in_brackets: bool) -> bool:
    """Return whether a host is an IP address or a name with valid labels."""
    labels = host.removesuffix(".").split(".")
    if in_brackets or labels[-1].isdigit():
        try:
            ipaddress.IPv6Address(host) if in_brackets else ipaddress.IPv4Address(host.removesuffix("."))
        except ValueError:
            return False
        return "%" not in host  # no IPv6 zone, which is local to one machine
    return len(host) <= 253 and all(map(_LABEL.fullmatch, labels))


def is_address(host: str) -> bool:
    """Return whether a host is an IP address, without brackets, and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether a host is ``localhost`` or a loopback address.

    Names below ``localhost`` do not count: they should resolve to loopback (RFC 6761 section 6.3), but many
    systems look them up in DNS, and containers are given such names.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
