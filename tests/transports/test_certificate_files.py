"""Unusable files of TLS are found when a transport is made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from monocloud_mw.errors import ConfigurationError, Problem
from monocloud_mw.transports.certificate_files import check_files

from .conftest import Connect

CA_BUNDLE = Problem("ca_bundle", "MONOCLOUD_BACKEND_CA_BUNDLE", "holds no PEM certificates that can be read")
CERTIFICATE = Problem(
    "mtls_certificate",
    "MONOCLOUD_BACKEND_MTLS_CERTIFICATE and MONOCLOUD_BACKEND_MTLS_CERTIFICATE_KEY",
    "is no pair of a PEM certificate and its unencrypted key",
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
        check_files(ca_bundle, client_certificate)
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
        "import sys; from monocloud_mw.transports.certificate_files import check_files\n"
        "try: check_files(None, (sys.argv[1], sys.argv[2]))\n"
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
