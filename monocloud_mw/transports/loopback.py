"""Keep requests to loopback hosts on this machine, where they may use plain ``http``.

- No proxy is used for them, because it would receive the request including secrets.
- ``localhost`` resolves only to loopback addresses, whatever a name server returns (RFC 6761 section 6.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from ..urls import is_loopback

__all__ = ["allowed_addresses", "is_loopback_url"]


def is_loopback_url(url: str) -> bool:
    """Return whether the host of a URL is a loopback host."""
    return is_loopback(urlsplit(url).hostname or "")


def allowed_addresses(host: str, found: Iterable[Any]) -> list[str]:
    """Return the addresses to which connections are allowed, without duplicates, in their order.

    Args:
        host: the name that was looked up, or an address.
        found: the result of ``getaddrinfo``.

    Raises:
        OSError: the host is ``localhost`` and has no loopback address.
    """
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    if not is_loopback(host):
        return addresses
    loopback = [address for address in addresses if is_loopback(address)]
    if not loopback:
        raise OSError("localhost does not resolve to a loopback address")
    return loopback
