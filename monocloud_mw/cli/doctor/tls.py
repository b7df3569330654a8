"""``doctor``: check TLS with the tenant: certificate chain and names, through the proxy if there is one."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import time
from typing import Any, Final
from urllib.parse import unquote

from ...errors import ConfigurationError
from ...http import HttpRequest
from ...quoting import quoted
from ...transports.certificate_files import CertificateFiles
from ...transports.exchange_errors import failed_exchange
from ...urls import port_of
from .check import Check, failed, failed_by, passed, skipped
from .diagnosis import Diagnosis
from .network import connect

__all__ = ["check_tls"]

NAME: Final = "tls"
EXPIRES_SOON_DAYS: Final = 14
MAX_ANSWER_BYTES: Final = 16 * 1024


class _ProxyError(Exception):
    """The proxy failed to connect to the tenant."""


def check_tls(diagnosis: Diagnosis) -> Check:
    """Connect to the tenant with TLS, as the transports do."""
    tenant = diagnosis.tenant
    if tenant.scheme == "http":
        return skipped(NAME, "the tenant uses http:// on this machine")
    if diagnosis.proxy is not None and diagnosis.proxy.scheme == "https":
        return skipped(NAME, "the proxy itself uses TLS; see discovery")
    try:
        context = (
            CertificateFiles(diagnosis.options.ca_bundle, None, lambda contexts: contexts).current().plain
        )
    except ConfigurationError as error:
        return failed_by(NAME, error, "set MONOCLOUD_BACKEND_CA_BUNDLE to a file with PEM certificates")
    try:
        with contextlib.closing(connect(diagnosis)) as connection:
            connection.settimeout(diagnosis.timeout_seconds)
            if diagnosis.proxy is not None:
                _open_tunnel(connection, diagnosis)
            with context.wrap_socket(connection, server_hostname=tenant.hostname) as secured:
                certificate: Any = secured.getpeercert()
                version = secured.version()
    except _ProxyError as error:
        return failed(
            NAME,
            f"the proxy does not connect to the tenant: {error}",
            "allow the tenant's host at the proxy, add user and password to HTTPS_PROXY if it requires them"
            " (407), or exclude the host with NO_PROXY",
        )
    except (OSError, ValueError) as error:
        return _refused(error, diagnosis)
    return _accepted(certificate, version or "TLS")


def _refused(error: Exception, diagnosis: Diagnosis) -> Check:
    request = HttpRequest(
        url=diagnosis.options.tenant_domain, timeout_seconds=diagnosis.timeout_seconds, max_body_bytes=0
    )
    advice = "check that a TLS server runs there, and that no firewall or proxy closes the connection"
    if diagnosis.proxy is not None and isinstance(error, ssl.SSLCertVerificationError):
        check = failed_by(NAME, failed_exchange(request, error, None), advice)
        return failed(
            NAME,
            f"{check.detail} (through the proxy)",
            f"{check.advice}; a proxy that intercepts TLS has its own certificate authority",
        )
    return failed_by(NAME, failed_exchange(request, error, None), advice)


def _accepted(certificate: dict[str, Any], version: str) -> Check:
    until = ssl.cert_time_to_seconds(certificate["notAfter"])
    days = int((until - time.time()) // 86400)
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    advice = f"the certificate expires in {days} days: renew it" if days < EXPIRES_SOON_DAYS else None
    detail = f"{version}; the certificate is trusted, valid for {days} more days"
    return passed(NAME, detail, advice=advice, items=[f"names {', '.join(map(quoted, names[:10]))}"])


def _open_tunnel(connection: socket.socket, diagnosis: Diagnosis) -> None:
    """Ask the proxy for a connection to the tenant (RFC 9110 section 9.3.6).

    Raises:
        _ProxyError: the proxy refuses, or does not use HTTP.
    """
    assert diagnosis.proxy is not None
    host = diagnosis.tenant.hostname or ""
    authority = f"{f'[{host}]' if ':' in host else host}:{port_of(diagnosis.tenant)}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if diagnosis.proxy.username is not None:
        user = f"{unquote(diagnosis.proxy.username)}:{unquote(diagnosis.proxy.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(user.encode()).decode()}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer and len(answer) < MAX_ANSWER_BYTES:
        piece = connection.recv(1)  # byte by byte: TLS data follows the response head
        if not piece:
            raise _ProxyError("it closed the connection")
        answer += piece
    status = answer.split(b" ", 2)[1:2]
    if not answer.startswith(b"HTTP/1.") or not status or not status[0][:3].isdigit():
        raise _ProxyError("its response is not HTTP")
    if not status[0].startswith(b"2"):
        raise _ProxyError(f"it responded with status {status[0][:3].decode('ascii')}")
