"""The errors of all transports: the full cause, the option to change, and no secrets."""

from __future__ import annotations

import datetime
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
import trustme

from monocloud_mw.errors import HttpError
from monocloud_mw.transports.urllib3_of_requests import URLLIB3_1

from .conftest import Connect, Exchange, Serve, get
from .scripted_server import Connection, answer, response

SECRET = "top-secret-value"


def message_of(exchange: Exchange, url: str) -> str:
    """Return the message of an exchange that has to fail."""
    with pytest.raises(HttpError) as caught:
        exchange(get(url))
    assert (caught.value.status, caught.value.local) == (None, False)
    return str(caught.value)


def server_side(*chain: trustme.LeafCert) -> ssl.SSLContext:
    """Return a server's context with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for certificate in chain:
        certificate.configure_cert(context)
    return context


def test_the_error_of_an_unknown_authority_names_the_option(
    serve: Serve, exchange: Exchange, tls: ssl.SSLContext
) -> None:
    """The message is complete and names the option for the authority."""
    server = serve(answer(), tls)
    message = message_of(exchange, server.origin)
    assert message.startswith(
        f"'{server.origin}' cannot be reached: SSLCertVerificationError: "
        "the server's certificate was rejected: "
    )
    assert message.endswith(
        "; set ca_bundle (MONOCLOUD_BACKEND_CA_BUNDLE) to a PEM file with the CA that issued it"
    )
    assert re.search("self.signed certificate in certificate chain|unable to get local issuer", message)


def test_the_error_of_a_self_signed_certificate(serve: Serve, exchange: Exchange, ca: trustme.CA) -> None:
    """A self-signed certificate is its own authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with ca.cert_pem.tempfile() as certificate, ca.private_key_pem.tempfile() as key:
        context.load_cert_chain(certificate, key)
    message = message_of(exchange, serve(answer(), context).origin)
    assert "self-signed certificate" in message or "self signed certificate" in message
    assert "MONOCLOUD_BACKEND_CA_BUNDLE" in message


@pytest.mark.parametrize(
    ("days_before", "days_after", "cause", "advice"),
    [
        (-2, -1, "certificate has expired", "renew the server's certificate, or check the clock"),
        (1, 2, "certificate is not yet valid", "check the clock of this machine"),
    ],
    ids=["expired", "not yet valid"],
)
def test_the_error_of_an_expired_certificate(
    serve: Serve, connect: Connect, ca: trustme.CA, ca_bundle: str,
    days_before: int, days_after: int, cause: str, advice: str,
) -> None:  # fmt: skip
    """The clock of either side may be wrong."""
    now = datetime.datetime.now(datetime.UTC)
    issued = ca.issue_cert(
        "127.0.0.1",
        not_before=now + datetime.timedelta(days=days_before),
        not_after=now + datetime.timedelta(days=days_after),
    )
    message = message_of(connect(ca_bundle=ca_bundle), serve(answer(), server_side(issued)).origin)
    assert cause in message
    assert advice in message


def test_the_error_of_a_certificate_for_another_name(
    serve: Serve, connect: Connect, ca: trustme.CA, ca_bundle: str
) -> None:
    """The message has the requested name and the option that it comes from."""
    context = server_side(ca.issue_cert("a-rather-long-name.that.nobody.asked.for.example.test"))
    message = message_of(connect(ca_bundle=ca_bundle), serve(answer(), context).origin)
    if not URLLIB3_1:  # which compares names itself
        assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in message.replace("\\", "")
    assert "check the host in tenant_domain (MONOCLOUD_BACKEND_TENANT_DOMAIN)" in message


def test_the_error_of_a_server_without_tls(serve: Serve, exchange: Exchange) -> None:
    """The server answers the handshake in plain text."""

    def script(connection: Connection) -> None:
        connection.socket.recv(1)
        connection.send(response(status="400 Bad Request"))
        connection.socket.recv(65536)

    message = message_of(exchange, serve(script).origin.replace("http:", "https:"))
    assert "cannot be reached: SSLError " in message
    assert "the server does not use TLS on this port: check tenant_domain" in message


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://user:{SECRET}@127.0.0.1:1/a", "'https://127.0.0.1:1/a'"),
        (f"https://127.0.0.1:1/a?code={SECRET}", "'https://127.0.0.1:1/a'"),
        (f"https://127.0.0.1:1?code={SECRET}/@x", "'https://127.0.0.1:1'"),
        (f"https://{SECRET}@127.0.0.1:1/a@b", "'https://127.0.0.1:1/a@b'"),
    ],
)
def test_no_error_shows_credentials_of_a_url(exchange: Exchange, url: str, shown: str) -> None:
    """User info and query are left out; host and path are shown."""
    message = message_of(exchange, url)
    assert message.startswith(f"{shown} cannot be reached: ")
    assert SECRET not in message


# Authorities of the environment


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_bundle_of_the_environment_verifies_servers(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, ca_bundle: str,
    monkeypatch: pytest.MonkeyPatch, variable: str,
) -> None:  # fmt: skip
    """Any of the usual variables may name the bundle."""
    monkeypatch.setenv(variable, ca_bundle)
    assert connect()(get(serve(answer(), tls).origin)).status == 200


@pytest.fixture
def folder(ca_bundle: str, tmp_path: Path) -> str:
    """Return a directory with the authority under the name that OpenSSL looks for."""
    command = ["openssl", "x509", "-in", ca_bundle, "-noout", "-hash"]
    digest = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    folder = tmp_path / "authorities"
    folder.mkdir()
    (folder / f"{digest}.0").write_bytes(Path(ca_bundle).read_bytes())
    return str(folder)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_folders_of_the_environment_verify_servers(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, folder: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """``SSL_CERT_DIR`` may list several directories and is used in addition to ``SSL_CERT_FILE``."""
    server = serve(answer(), tls)
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}:{folder}")
    assert connect()(get(server.origin)).status == 200
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    assert connect()(get(server.origin)).status == 200
    monkeypatch.delenv("SSL_CERT_DIR")
    assert "MONOCLOUD_BACKEND_CA_BUNDLE" in message_of(connect(), server.origin)
