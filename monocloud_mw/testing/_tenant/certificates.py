"""Generates certificates: an authority, server certificates and client certificates."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["CertificateAuthority", "ClientCertificate", "certificate_thumbprint", "load_certificate"]

LIFETIME: Final = datetime.timedelta(days=30)
BACKDATED: Final = datetime.timedelta(hours=1)  # tolerates clocks that differ


def load_certificate(certificate: str | bytes) -> x509.Certificate:
    """Read a certificate in PEM or DER.

    Raises:
        ValueError: the certificate is neither PEM nor DER.
    """
    data = certificate.encode() if isinstance(certificate, str) else certificate
    load = x509.load_pem_x509_certificate if b"-----BEGIN" in data else x509.load_der_x509_certificate
    try:
        return load(data)
    except ValueError:
        raise ValueError("a certificate must be PEM or DER") from None


def certificate_thumbprint(certificate: str | bytes) -> str:
    """Return ``x5t#S256`` of a certificate in PEM or DER: base64url of its SHA-256 (RFC 8705 section 3.1).

    Raises:
        ValueError: the certificate is neither PEM nor DER.
    """
    digest = hashlib.sha256(load_certificate(certificate).public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


@attrs.frozen
class ClientCertificate:
    """A client's certificate and private key, as PEM files.

    Args:
        certificate: path of the certificate.
        key: path of its key.
    """

    certificate: str
    key: str

    @property
    def paths(self) -> tuple[str, str]:
        """Both paths, in the form of ``mtls_certificate`` and of ``cert`` of ``requests``."""
        return self.certificate, self.key

    @property
    def pem(self) -> str:
        """The certificate in PEM."""
        return Path(self.certificate).read_text(encoding="ascii")

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return load_certificate(self.pem).public_bytes(Encoding.DER)

    @property
    def subject(self) -> str:
        """The distinguished name of its subject (RFC 4514)."""
        return load_certificate(self.pem).subject.rfc4514_string()

    @property
    def thumbprint(self) -> str:
        """``x5t#S256`` (RFC 8705 section 3.1)."""
        return certificate_thumbprint(self.pem)


class CertificateAuthority:
    """Issues certificates with P-256 keys and stores their files in ``directory``."""

    def __init__(self, directory: Path, name: str = "Local tenant") -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        builder = _builder(subject, self._key, subject, self._key)
        self.certificate = _signed(builder, self._key, [_CA, _CA_USAGE])
        self.bundle = self._save("authority", self.certificate)
        """Path of the PEM bundle that verifies the certificates of this authority."""

    def issue_server(self, host: str) -> tuple[str, str]:
        """Issue a server certificate for an IP address and ``localhost``; return the paths of its files."""
        names: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address(host)),
            x509.DNSName("localhost"),
        ]
        issued = self._issue(host, names, ExtendedKeyUsageOID.SERVER_AUTH)
        return issued.paths

    def issue_client(self, common_name: str, *, spiffe_id: str | None = None) -> ClientCertificate:
        """Issue a client certificate; with ``spiffe_id``, an X.509-SVID."""
        names: list[x509.GeneralName] = (
            [] if spiffe_id is None else [x509.UniformResourceIdentifier(spiffe_id)]
        )
        return self._issue(common_name, names, ExtendedKeyUsageOID.CLIENT_AUTH)

    def self_sign_client(self, common_name: str) -> ClientCertificate:
        """Create a self-signed client certificate."""
        key, subject = ec.generate_private_key(ec.SECP256R1()), _name(common_name)
        return self._files(_signed(_builder(subject, key, subject, key), key, []), key)

    def _issue(
        self, common_name: str, names: list[x509.GeneralName], usage: x509.ObjectIdentifier
    ) -> ClientCertificate:
        key = ec.generate_private_key(ec.SECP256R1())
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            _LEAF,
            (x509.ExtendedKeyUsage([usage]), False),
        ]
        if names:
            extensions.append((x509.SubjectAlternativeName(names), False))
        builder = _builder(_name(common_name), key, self.certificate.subject, self._key)
        return self._files(_signed(builder, self._key, extensions), key)

    def _files(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> ClientCertificate:
        return ClientCertificate(self._save("certificate", certificate), self._save("key", certificate, key))

    def _save(
        self, kind: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey | None = None
    ) -> str:
        """Write the certificate, or the key if one is given, and return the path."""
        if key is None:
            pem = certificate.public_bytes(Encoding.PEM)
        else:
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path = self._directory / f"{certificate.serial_number:x}-{kind}.pem"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pem)
        return str(path)


_CA: Final = (x509.BasicConstraints(ca=True, path_length=0), True)
_CA_USAGE: Final = (
    x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    ),
    True,
)
_LEAF: Final = (x509.BasicConstraints(ca=False, path_length=None), True)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    """Return a certificate builder; the key identifiers distinguish issuers with the same name."""
    now = datetime.datetime.now(datetime.UTC)
    subject_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
        .add_extension(subject_id, critical=False)
        .add_extension(issuer_id, critical=False)
    )


def _signed(
    builder: x509.CertificateBuilder,
    issuer_key: ec.EllipticCurvePrivateKey,
    extensions: Iterable[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())
