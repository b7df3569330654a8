"""The files of TLS: what is unusable is found when a transport is made, and they are read once."""

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
    """Return the problems of files that cannot be used."""
    with pytest.raises(ConfigurationError) as caught:
        CertificateFiles(ca_bundle, client_certificate, tuple)
    return caught.value.problems


def test_unusable_files_are_found_at_once(garbage: str, client_certificate: tuple[str, str]) -> None:
    """A file that is not what it should be is a mistake in the settings, all of them told together."""
    certificate, key = client_certificate
    assert problems_of(garbage, None) == (CA_BUNDLE,)
    assert problems_of(key, None) == (CA_BUNDLE,)
    assert problems_of(garbage + ".missing", None) == (CA_BUNDLE,)
    for pair in [(garbage, key), (certificate, garbage), (key, certificate), (certificate, key + ".missing")]:
        assert problems_of(None, pair) == (CERTIFICATE,)
    assert problems_of(garbage, (garbage, garbage)) == (CA_BUNDLE, CERTIFICATE)


def test_a_key_of_another_certificate_is_refused(client_certificate: tuple[str, str], tmp_path: Path) -> None:
    """OpenSSL is the judge of whether certificate and key belong together."""
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("other@example.test").private_key_pem.write_to_path(str(other))
    assert problems_of(None, (client_certificate[0], str(other))) == (CERTIFICATE,)


def test_an_encrypted_key_is_refused_without_a_prompt(
    client_certificate: tuple[str, str], encrypted_key: str
) -> None:
    """OpenSSL would ask for the password on the terminal, and a service would wait there for ever."""
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
        start_new_session=True,  # no terminal to ask on
    )
    assert (done.stdout, done.stderr) == ("ConfigurationError\n", "")


def test_every_transport_checks_its_files(connect: Connect, garbage: str) -> None:
    """A client that could not do its work is not made."""
    with pytest.raises(ConfigurationError) as caught:
        connect(ca_bundle=garbage, client_certificate=(garbage, garbage))
    assert caught.value.problems == (CA_BUNDLE, CERTIFICATE)


@pytest.fixture
def made() -> list[Contexts]:
    """Return the contexts that were made, as the test goes on."""
    return []


@pytest.fixture
def files(ca_bundle: str, made: list[Contexts]) -> CertificateFiles[Contexts]:
    """Return what keeps the contexts of a bundle."""

    def make(contexts: Contexts) -> Contexts:
        made.append(contexts)
        return contexts

    return CertificateFiles(ca_bundle, None, make)


def test_of_many_that_need_them_one_reads_the_files(
    files: CertificateFiles[Contexts], made: list[Contexts], ca_bundle: str
) -> None:
    """Reading keeps a processor busy, and more so where many do it side by side."""
    os.utime(ca_bundle, ns=(0, 0))
    together = Barrier(8)

    def work(_: int) -> Contexts:
        together.wait(30)
        return files.current()

    with ThreadPoolExecutor(8) as pool:
        assert set(map(id, pool.map(work, range(8)))) == {id(files.peek())}
    assert len(made) == 2


def test_a_file_that_looks_the_same_is_read_again(
    files: CertificateFiles[Contexts], made: list[Contexts], ca_bundle: str
) -> None:
    """A renewed one may be as long as the old one, and some tools give all files the same time."""
    path = Path(ca_bundle)
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # the clock of a file system ticks every few ms
        path.write_bytes(path.read_bytes())
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    files.current()
    assert len(made) == 2


def test_a_file_that_changes_while_it_is_read_is_read_again(made: list[Contexts], ca_bundle: str) -> None:
    """Nobody knows how much of the old one was read, so what was made of it counts as old."""

    def make(contexts: Contexts) -> Contexts:
        made.append(contexts)
        os.utime(ca_bundle, ns=(0, len(made) == 1))
        return contexts

    files = CertificateFiles(ca_bundle, None, make)
    assert files.current() is made[1]


@pytest.mark.parametrize("index", [0, 1, 2], ids=["authorities", "certificate", "key"])
def test_no_file_may_go_bad(
    ca_bundle: str, client_certificate: tuple[str, str], tmp_path: Path, index: int
) -> None:
    """Exchanges fail for as long as it is, each of them; a mended one is read again."""
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
    """The one of ``requests`` before the one of curl, as ``requests`` has it; blank ones do not count."""
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
    """TLS 1.2, or what the system asks for where that is more."""
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
    """What it inherits may be locked by a thread that only its parent has: here, and within OpenSSL."""
    parent = files.current()
    with files._by_process[os.getpid()].lock, monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: -1)
        assert files.peek() is None
        child = files.current()
        assert files.current() is files.peek() is child
    assert files.current() is parent
    assert made == [parent, child]
    assert not set(parent) & set(child)


def test_what_a_child_could_not_read_it_has_never_made(
    files: CertificateFiles[Contexts], garbage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing a transport asks for it, and must not fail for a file that went bad."""
    monkeypatch.setattr(files, "_authorities", _Authorities(garbage, None, None))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(HttpError):
        files.current()
    assert files.peek() is None


def test_contexts_verify_and_cannot_be_changed_by_http_clients(
    files: CertificateFiles[Contexts], serve: Serve, ca: trustme.CA
) -> None:
    """Chain, host name, TLS 1.2 at least; and what other threads are reading stays as it is."""
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
