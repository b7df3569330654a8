"""TLS files: unusable ones are refused at creation, and files are read once."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from monocloud_mw.errors import ConfigurationError, HttpError, Problem
from monocloud_mw.transports.certificate_files import VARIABLES, CertificateFiles, Contexts, _Authorities

from .conftest import Connect, Serve
from .scripted_server import Connection

CA_BUNDLE = Problem(
    "ca_bundle", "MONOCLOUD_BACKEND_CA_BUNDLE", "must be a file or directory with PEM certificates"
)
CERTIFICATE = Problem(
    "mtls_certificate",
    "MONOCLOUD_BACKEND_MTLS_CERTIFICATE and MONOCLOUD_BACKEND_MTLS_CERTIFICATE_KEY",
    "must be a PEM certificate and its unencrypted key",
)


@pytest.fixture
def encrypted_key(client_certificate: tuple[str, str], tmp_path: Path) -> str:
    """Return the path of the client's key, encrypted."""
    key = serialization.load_pem_private_key(Path(client_certificate[1]).read_bytes(), None)
    path = tmp_path / "encrypted.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    return str(path)


def problems_of(ca_bundle: str | None, client_certificate: tuple[str, str] | None) -> tuple[Problem, ...]:
    """Return the problems of unusable files."""
    with pytest.raises(ConfigurationError) as caught:
        CertificateFiles(ca_bundle, client_certificate, tuple)
    return caught.value.problems


def test_unusable_files_are_found_at_once(garbage: str, client_certificate: tuple[str, str]) -> None:
    """All unusable files are reported together as configuration errors."""
    certificate, key = client_certificate
    assert problems_of(garbage, None) == (CA_BUNDLE,)
    assert problems_of(key, None) == (CA_BUNDLE,)
    assert problems_of(garbage + ".missing", None) == (CA_BUNDLE,)
    for pair in [(garbage, key), (certificate, garbage), (key, certificate), (certificate, key + ".missing")]:
        assert problems_of(None, pair) == (CERTIFICATE,)
    assert problems_of(garbage, (garbage, garbage)) == (CA_BUNDLE, CERTIFICATE)


def test_a_key_of_another_certificate_is_refused(client_certificate: tuple[str, str], tmp_path: Path) -> None:
    """OpenSSL checks whether certificate and key match."""
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("other@example.test").private_key_pem.write_to_path(str(other))
    assert problems_of(None, (client_certificate[0], str(other))) == (CERTIFICATE,)


def test_an_encrypted_key_is_refused_without_a_prompt(
    client_certificate: tuple[str, str], encrypted_key: str
) -> None:
    """OpenSSL would ask for a password on the terminal and block the service."""
    assert problems_of(None, (client_certificate[0], encrypted_key)) == (CERTIFICATE,)
    script = (
        "import sys; from monocloud_mw.transports.certificate_files import CertificateFiles\n"
        "try: CertificateFiles(None, (sys.argv[1], sys.argv[2]), tuple)\n"
        "except Exception as error: print(type(error).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, client_certificate[0], encrypted_key],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,  # without a terminal
    )
    assert (done.stdout, done.stderr) == ("ConfigurationError\n", "")


def test_every_transport_checks_its_files(connect: Connect, garbage: str) -> None:
    """A client with unusable files is not created."""
    with pytest.raises(ConfigurationError) as caught:
        connect(ca_bundle=garbage, client_certificate=(garbage, garbage))
    assert caught.value.problems == (CA_BUNDLE, CERTIFICATE)


@pytest.fixture
def made() -> list[Contexts]:
    """Return the contexts that have been created."""
    return []


@pytest.fixture
def files(ca_bundle: str, made: list[Contexts]) -> CertificateFiles[Contexts]:
    """Return a cache of contexts for a bundle."""

    def make(contexts: Contexts) -> Contexts:
        made.append(contexts)
        return contexts

    return CertificateFiles(ca_bundle, None, make)


def test_of_many_that_need_them_one_reads_the_files(
    files: CertificateFiles[Contexts], made: list[Contexts], ca_bundle: str
) -> None:
    """Reading takes CPU time, so concurrent callers wait for one reader."""
    os.utime(ca_bundle, ns=(0, 0))
    together = Barrier(8)

    def work(_: int) -> Contexts:
        together.wait(30)
        return files.current()

    with ThreadPoolExecutor(8) as pool:
        assert set(map(id, pool.map(work, range(8)))) == {id(files.peek())}
    assert len(made) == 2


def test_a_file_of_same_size_and_time_is_read_again(
    files: CertificateFiles[Contexts], made: list[Contexts], ca_bundle: str
) -> None:
    """A renewed file may have the same size and modification time."""
    path = Path(ca_bundle)
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # the clock of a file system advances every few ms
        path.write_bytes(path.read_bytes())
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    files.current()
    assert len(made) == 2


def test_a_file_that_changes_while_it_is_read_is_read_again(made: list[Contexts], ca_bundle: str) -> None:
    """It is unknown how much of the old file was read, so the context counts as outdated."""

    def make(contexts: Contexts) -> Contexts:
        made.append(contexts)
        os.utime(ca_bundle, ns=(0, len(made) == 1))
        return contexts

    files = CertificateFiles(ca_bundle, None, make)
    assert files.current() is made[1]


@pytest.mark.parametrize("index", [0, 1, 2], ids=["authorities", "certificate", "key"])
def test_an_invalid_file_fails_every_exchange(
    ca_bundle: str, client_certificate: tuple[str, str], tmp_path: Path, index: int
) -> None:
    """While a file is invalid every exchange fails; a repaired file is read again."""
    bundle, certificate, key = (
        str(shutil.copy(path, tmp_path / f"{number}.pem"))
        for number, path in enumerate((ca_bundle, *client_certificate))
    )
    files = CertificateFiles(bundle, (certificate, key), tuple)
    path = Path((bundle, certificate, key)[index])
    content = path.read_bytes()
    path.write_bytes(b"garbage")
    for _ in range(2):
        with pytest.raises(HttpError, match="a TLS file has changed and is invalid"):
            files.current()
    path.write_bytes(content)
    assert len(files.current()) == 2


def test_which_variable_names_the_authorities(monkeypatch: pytest.MonkeyPatch, garbage: str) -> None:
    """The variables of ``requests`` take precedence over those of curl, as in ``requests``; blank ones are
    ignored.
    """
    for name in VARIABLES:
        monkeypatch.setenv(name, garbage)
    assert [problem.variable for problem in problems_of(None, None)] == ["REQUESTS_CA_BUNDLE"]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    assert [problem.variable for problem in problems_of(None, None)] == ["CURL_CA_BUNDLE"]


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        (ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_2),
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
        (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
    ],
)
def test_the_least_version_of_tls(
    monkeypatch: pytest.MonkeyPatch, ca_bundle: str, default: ssl.TLSVersion, expected: ssl.TLSVersion
) -> None:
    """The minimum is TLS 1.2, or the system's minimum if that is higher."""
    create = ssl.create_default_context

    def create_as_the_system_would(**settings: Any) -> ssl.SSLContext:
        context = create(**settings)
        context.minimum_version = default
        return context

    monkeypatch.setattr(ssl, "create_default_context", create_as_the_system_would)
    contexts = CertificateFiles(ca_bundle, None, tuple).current()
    assert {context.minimum_version for context in contexts} == {expected}


def test_a_forked_child_reads_the_files_itself(
    files: CertificateFiles[Contexts], made: list[Contexts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that it inherits may be held by a thread of the parent, in this package or in OpenSSL."""
    parent = files.current()
    with files._by_process[os.getpid()].lock, monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: -1)
        assert files.peek() is None
        child = files.current()
        assert files.current() is files.peek() is child
    assert files.current() is parent
    assert made == [parent, child]
    assert not set(parent) & set(child)


def test_a_forked_child_that_cannot_read_the_files_has_no_context(
    files: CertificateFiles[Contexts], garbage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing a transport looks up the context, and must not fail for an invalid file."""
    monkeypatch.setattr(files, "_authorities", _Authorities(garbage, None, None))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(HttpError):
        files.current()
    assert files.peek() is None


def test_contexts_verify_and_cannot_be_changed_by_http_clients(
    files: CertificateFiles[Contexts], serve: Serve, ca: trustme.CA
) -> None:
    """They verify chain and host name with TLS 1.2 or later, and a context in use is not changed."""
    context, _ = files.current()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(server)
    server.set_alpn_protocols(["h2", "http/1.1"])
    address = ("127.0.0.1", serve(Connection.pause, server).port)
    with context.wrap_socket(socket.create_connection(address), server_hostname="127.0.0.1") as connected:
        assert connected.selected_alpn_protocol() == "http/1.1"
