"""The certificates of one test run: an authority, the server's certificate, and the clients' own."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path
from typing import Any, Final

import attrs
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwk

__all__ = ["Authority", "ClientCertificate"]

_PEM: Final = serialization.Encoding.PEM


@attrs.frozen(kw_only=True)
class ClientCertificate:
    """A certificate and its private key as PEM files, as ``requests`` and ``mtls_certificate`` take them."""

    certificate: str
    key: str

    @property
    def paths(self) -> tuple[str, str]:
        return self.certificate, self.key

    @property
    def pem(self) -> str:
        return Path(self.certificate).read_text()

    @property
    def der(self) -> bytes:
        return self._parsed.public_bytes(serialization.Encoding.DER)

    @property
    def subject(self) -> str:
        """The subject's distinguished name (RFC 4514)."""
        return self._parsed.subject.rfc4514_string()

    @property
    def thumbprint(self) -> str:
        """The value of ``x5t#S256`` (RFC 8705 section 3.1)."""
        return base64.urlsafe_b64encode(self._parsed.fingerprint(hashes.SHA256())).rstrip(b"=").decode()

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The certificate as a JWK with ``x5c`` (RFC 7517 section 4.7)."""
        public = self._parsed.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        key = jwk.import_key(public, "EC")
        return key.as_dict(private=False) | {"x5c": [base64.b64encode(self.der).decode()]}

    @property
    def _parsed(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.pem.encode())


class Authority:
    """A certificate authority that lives as long as the test run and keeps its files in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ca = trustme.CA()
        self.certificate = self._ca.cert_pem.bytes().decode()
        bundle = directory / "ca.pem"
        bundle.write_text(self.certificate)
        self.bundle = str(bundle)

    def issue_server(self) -> tuple[str, str]:
        """Return certificate and key, in PEM, for a server on the loopback address."""
        leaf = self._ca.issue_cert("127.0.0.1", "localhost")
        return leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes().decode()

    def issue_client(self, name: str) -> ClientCertificate:
        """Issue a client certificate with ``name`` as its common name."""
        leaf = self._ca.issue_cert(
            f"{name}.example",
            common_name=name,
            organization_name="Integration tests",
            organization_unit_name="Clients",
        )
        return self._save(name, leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes())

    def self_sign_client(self, name: str) -> ClientCertificate:
        """Make a client certificate that this authority has not signed."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return self._save(name, certificate.public_bytes(_PEM), private)

    def _save(self, name: str, certificate: bytes, key: bytes) -> ClientCertificate:
        certificate_file, key_file = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        certificate_file.write_bytes(certificate)
        key_file.touch(mode=0o600)
        key_file.write_bytes(key)
        return ClientCertificate(certificate=str(certificate_file), key=str(key_file))
