"""TLS for a local tenant: its authorities, their files, and the TLS contexts of its listeners."""

from __future__ import annotations

import os
import shutil
import ssl
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path

from .certificates import CertificateAuthority
from .server import HOST

__all__ = ["TlsSetup"]


class TlsSetup:
    """One authority for the tenant's server and its clients, and one for the clients of each trust store.

    The files are in a temporary directory, which is removed with this object or at the end of the process.

    Args:
        trust_stores: ids of additional trust stores.
    """

    def __init__(self, trust_stores: Iterable[str] = ()) -> None:
        directory = Path(tempfile.mkdtemp(prefix="monocloud-local-tenant-"))
        weakref.finalize(self, _remove, directory, os.getpid())
        common = CertificateAuthority(directory)
        self.authorities: dict[str | None, CertificateAuthority] = {
            None: common,
            **{name: CertificateAuthority(directory, f"Local tenant, {name}") for name in trust_stores},
        }
        self.ca_bundle = common.bundle
        self._server_certificate = common.issue_server(HOST)
        self.server = self._context()
        self.mutual = {name: self._mutual_context(authority) for name, authority in self.authorities.items()}

    def trust(self, certificate: str, trust_store: str | None) -> None:
        """Accept a client's self-signed certificate in TLS handshakes.

        OpenSSL rejects unknown certificates during the handshake, so an unregistered certificate fails in TLS
        and not with ``invalid_client``.

        Args:
            certificate: the certificate in PEM.
            trust_store: the trust store of the listener; ``None`` is the default one.
        """
        self.mutual[trust_store].load_verify_locations(cadata=certificate)

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._server_certificate)
        return context

    def _mutual_context(self, authority: CertificateAuthority) -> ssl.SSLContext:
        context = self._context()
        context.verify_mode = ssl.CERT_OPTIONAL  # without a certificate, the endpoint responds with an error
        context.load_verify_locations(authority.bundle)
        return context


def _remove(directory: Path, process: int) -> None:
    """Remove the files, except in a forked child process, where they still belong to the parent."""
    if os.getpid() == process:
        shutil.rmtree(directory, ignore_errors=True)
