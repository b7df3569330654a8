"""``doctor``: check the connection to the tenant: proxy, DNS and TCP."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

from ...errors import HttpError
from ...quoting import quoted
from ...transports.environment_proxies import proxy_for
from ...transports.name_lookup import look_up
from ...urls import is_address, port_of
from .check import Check, failed, passed
from .diagnosis import Diagnosis

__all__ = ["check_dns", "check_proxy", "check_tcp", "connect"]


def check_proxy(diagnosis: Diagnosis) -> Check:
    """Find the proxy for the tenant in the environment variables."""
    try:
        proxy = proxy_for(diagnosis.options.tenant_domain)
    except HttpError as error:
        advice = "set HTTPS_PROXY to an HTTP proxy, or exclude the tenant's host with NO_PROXY"
        return failed("proxy", str(error), advice)
    if proxy is None:
        return passed("proxy", "no proxy is used for the tenant")
    try:
        diagnosis.proxy = urlsplit(proxy)
        where = f"{diagnosis.proxy.scheme}://{diagnosis.proxy.hostname}:{port_of(diagnosis.proxy)}"
    except ValueError:
        return failed("proxy", "the URL of the proxy is invalid", "correct HTTPS_PROXY: http://host:port")
    return passed("proxy", f"{quoted(where)} is used, from HTTPS_PROXY or a similar variable")


def check_dns(diagnosis: Diagnosis) -> Check:
    """Look up the host to connect to."""
    host = diagnosis.host
    try:
        found = look_up(host).result(diagnosis.timeout_seconds)
    except TimeoutError:
        return failed(
            "dns",
            f"no DNS response for {quoted(host)} within {diagnosis.timeout_seconds:g} seconds",
            "check the name servers of this machine or container (/etc/resolv.conf), and whether a firewall"
            " blocks port 53",
        )
    if isinstance(found, OSError) or not found:
        why = "it has no address" if isinstance(found, list) else quoted(found)
        name = (
            "the proxy in HTTPS_PROXY" if diagnosis.proxy else "the host in MONOCLOUD_BACKEND_TENANT_DOMAIN"
        )
        return failed(
            "dns",
            f"{quoted(host)} cannot be looked up: {why}",
            f"check {name} for typing errors, and whether this machine can resolve internet names",
        )
    diagnosis.addresses = found
    detail = "is an address" if is_address(host) else f"is {', '.join(found)}"
    return passed("dns", f"{quoted(host)} {detail}")


def check_tcp(diagnosis: Diagnosis) -> Check:
    """Connect to the host."""
    where = f"port {diagnosis.port} of {quoted(diagnosis.host)}"
    try:
        connect(diagnosis).close()
    except TimeoutError:
        return failed(
            "tcp",
            f"{where} does not respond within {diagnosis.timeout_seconds:g} seconds",
            "allow outgoing connections to it (firewall, security group, network policy), or set HTTPS_PROXY"
            " if this network needs a proxy",
        )
    except OSError as error:
        return failed(
            "tcp",
            f"cannot connect to {where}: {quoted(error)}",
            "check host and port, that a server runs there, and that no firewall blocks the connection",
        )
    return passed("tcp", f"{where} accepts connections")


def connect(diagnosis: Diagnosis) -> socket.socket:
    """Connect to one of the found addresses, in order and within the time limit.

    Raises:
        OSError: no address accepts a connection; ``TimeoutError`` if the last one did not respond.
    """
    until = time.monotonic() + diagnosis.timeout_seconds
    failure: OSError = TimeoutError()
    for number, address in enumerate(diagnosis.addresses):
        left = max(0.1, (until - time.monotonic()) / (len(diagnosis.addresses) - number))
        try:
            return socket.create_connection((address, diagnosis.port), timeout=left)
        except OSError as error:
            failure = error
    raise failure
