"""The proxy for a URL according to the environment variables, and the exceptions in ``NO_PROXY``.

``NO_PROXY`` lists, separated by commas or white space:

- ``*``: all hosts;
- ``example.com``, ``.example.com`` or ``*.example.com``: the domain and all its subdomains;
- ``192.0.2.1``, ``2001:db8::1`` or ``[2001:db8::1]``: an address;
- ``192.0.2.0/24`` or ``2001:db8::/32``: a network, in brackets or not;
- any of these except a network, followed by ``:port``: only that port (an IPv6 address then needs brackets).

Comparing names ignores case and a final dot. Names are not looked up: an address or network matches only
hosts that are given as addresses. A proxy is never used for a URL with a loopback host.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from requests.utils import select_proxy

from ..errors import HttpError
from ..urls import port_of
from .exchange_errors import NO_SOCKS
from .loopback import is_loopback_url

__all__ = ["is_excluded", "proxy_for"]


def proxy_for(url: str) -> str | None:
    """Return the URL of the proxy for a request to ``url``, including a scheme, or ``None``.

    Raises:
        HttpError: it is a SOCKS proxy.
    """
    if is_loopback_url(url):
        return None
    proxies = getproxies()
    parts = urlsplit(url)
    host = parts.hostname or ""
    # The system settings of macOS and Windows apply if no environment variable sets a proxy.
    if is_excluded(host, port_of(parts), proxies.get("no", "")) or proxy_bypass(host):
        return None
    proxy = select_proxy(url, proxies)
    if not proxy:
        return None
    if proxy.lower().startswith("socks"):
        raise HttpError(NO_SOCKS)
    return proxy if "://" in proxy else f"http://{proxy}"


def is_excluded(host: str, port: int, no_proxy: str) -> bool:
    """Return whether ``NO_PROXY`` contains a host.

    Args:
        host: a name or an address, without brackets.
        port: the port of the request.
        no_proxy: the value of the variable.
    """
    host = host.lower().rstrip(".")
    address = _address(host)
    return any(_matches(entry, host, address, port) for entry in no_proxy.lower().replace(",", " ").split())


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _matches(entry: str, host: str, address: _Address | None, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _is_in_network(address, entry.replace("[", "").replace("]", ""))
    name, entry_port = _split_port(entry)
    if entry_port is not None and entry_port != str(port):
        return False
    listed = _address(name)
    if listed is not None or address is not None:
        return listed == address
    name = name.removeprefix("*").lstrip(".").rstrip(".")
    return name != "" and (host == name or host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, str | None]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":") or None
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port or None
    return entry, None


def _address(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # The same machine, written as an IPv6 address (RFC 4291 section 2.5.5.2).
    return getattr(address, "ipv4_mapped", None) or address


def _is_in_network(address: _Address, text: str) -> bool:
    try:
        return address in ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
