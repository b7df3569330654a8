"""What is meant for this very machine stays on it: plain ``http`` is allowed only since nobody else hears it.

- No proxy is asked for it: one that the environment names would get the request, secrets included.
- ``localhost`` is a loopback address, whatever a name server makes of it (RFC 6761 section 6.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from ..urls import is_loopback

__all__ = ["pick_addresses", "stays_here"]


def stays_here(url: str) -> bool:
    """Tell whether a URL leads to this machine, so that no proxy may come between."""
    return is_loopback(urlsplit(url).hostname or "")


def pick_addresses(host: str, found: Iterable[Any]) -> list[str]:
    """Return the addresses of a host that may be connected to, each once, in their order.

    Args:
        host: the name that was looked up, or an address.
        found: what ``getaddrinfo`` returned for it.

    Raises:
        OSError: the name of this machine leads elsewhere only.
    """
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    if not is_loopback(host):
        return addresses
    here = [address for address in addresses if is_loopback(address)]
    if not here:
        raise OSError("the name of this machine has no loopback address")
    return here
