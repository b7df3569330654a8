"""Requests to a loopback host stay on this machine: they may use plain ``http``.

- No proxy is used for them: it would get the request, secrets included.
- ``localhost`` is a loopback address, whatever a name server answers (RFC 6761 section 6.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from ..urls import is_loopback

__all__ = ["allowed_addresses", "is_loopback_url"]


def is_loopback_url(url: str) -> bool:
    """Tell whether the host of a URL is this machine."""
    return is_loopback(urlsplit(url).hostname or "")


def allowed_addresses(host: str, found: Iterable[Any]) -> list[str]:
    """Return the addresses of a host that may be connected to, each once, in their order.

    Args:
        host: the name that was looked up, or an address.
        found: what ``getaddrinfo`` returned for it.

    Raises:
        OSError: the host is ``localhost``, and has no loopback address.
    """
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    if not is_loopback(host):
        return addresses
    loopback = [address for address in addresses if is_loopback(address)]
    if not loopback:
        raise OSError("the name of this machine has no loopback address")
    return loopback
