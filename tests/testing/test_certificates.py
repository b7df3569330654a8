"""Certificates created for tests, verified with OpenSSL."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from monocloud_mw.testing._tenant.certificates import (
    CertificateAuthority,
    certificate_thumbprint,
    load_certificate,
)
from monocloud_mw.testing._tenant.server import HOST

SPIFFE_ID = "spiffe://local.test/api"


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    """Return a new authority."""
    return CertificateAuthority(tmp_path)


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes | None:
    """Perform a handshake in memory and return the client's certificate as the server got it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
    ]
    pending = set(ends)
    while pending:
        for end in tuple(pending):
            try:
                end.do_handshake()
                pending.remove(end)
            except ssl.SSLWantReadError:
                pass
    return ends[0].getpeercert(binary_form=True)


def _contexts(authority: CertificateAuthority) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server context that needs a certificate of the authority, and a strict client context."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*authority.issue_server(HOST))
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(authority.bundle)
    client = ssl.create_default_context(cafile=authority.bundle)
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
    return server, client


def test_server_and_client_accept_each_other(authority: CertificateAuthority) -> None:
    """A strict peer accepts the authority's certificates for servers and for clients."""
    server, client = _contexts(authority)
    certificate = authority.issue_client("alice")
    client.load_cert_chain(*certificate.paths)
    assert _handshake(server, client) == certificate.der


@pytest.mark.parametrize("stranger", ["other authority", "self-signed"])
def test_an_unknown_authority_is_refused(
    authority: CertificateAuthority, tmp_path: Path, stranger: str
) -> None:
    """A certificate of another authority, or none, fails the handshake."""
    server, client = _contexts(authority)
    if stranger == "self-signed":
        certificate = authority.self_sign_client("alice")
    else:
        certificate = CertificateAuthority(tmp_path).issue_client("alice")
    client.load_cert_chain(*certificate.paths)
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server, client)


def test_a_self_signed_certificate_can_be_trusted(authority: CertificateAuthority) -> None:
    """A self-signed certificate is accepted once it is trusted."""
    server, client = _contexts(authority)
    certificate = authority.self_sign_client("alice")
    client.load_cert_chain(*certificate.paths)
    server.load_verify_locations(cadata=certificate.pem)
    assert _handshake(server, client) == certificate.der


def test_a_client_certificate_names_its_client(authority: CertificateAuthority) -> None:
    """The subject is the common name, and an SVID has the SPIFFE ID as its only URI."""
    certificate = authority.issue_client("alice", spiffe_id=SPIFFE_ID)
    names = load_certificate(certificate.pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert certificate.subject == "CN=alice"
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == [SPIFFE_ID]


def test_certificates_are_valid_for_a_short_time(authority: CertificateAuthority) -> None:
    """They are valid since an hour ago, for clocks that differ, and for less than a month."""
    now = datetime.datetime.now(datetime.UTC)
    for pem in (authority.issue_client("alice").pem, authority.self_sign_client("bob").pem):
        certificate = load_certificate(pem)
        assert certificate.not_valid_before_utc < now - datetime.timedelta(minutes=59)
        assert now < certificate.not_valid_after_utc <= now + datetime.timedelta(days=30)


def test_private_keys_are_for_their_owner_only(authority: CertificateAuthority) -> None:
    """Key files are readable by their owner only."""
    assert Path(authority.issue_client("alice").key).stat().st_mode & 0o077 == 0


def test_the_thumbprint_is_that_of_rfc_8705(authority: CertificateAuthority) -> None:
    """It is base64url of the SHA-256 of the DER form, computed from any form."""
    certificate = authority.issue_client("alice")
    expected = base64.urlsafe_b64encode(hashlib.sha256(certificate.der).digest()).decode().rstrip("=")
    assert certificate.thumbprint == expected
    assert certificate_thumbprint(certificate.der) == expected


@pytest.mark.parametrize(
    "nonsense", ["", "alice", b"\x30\x00", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_an_invalid_certificate_is_refused(nonsense: str | bytes) -> None:
    """The error says what is expected."""
    with pytest.raises(ValueError, match="a certificate must be PEM or DER"):
        load_certificate(nonsense)
