"""``doctor``: check the API's own certificate and key for mutual TLS."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from ...options import VARIABLE_PREFIX
from .check import Check, failed, passed, skipped
from .diagnosis import Diagnosis

__all__ = ["check_mutual_tls"]

NAME: Final = "mtls"
EXPIRES_SOON_DAYS: Final = 14

_CERTIFICATE: Final = f"{VARIABLE_PREFIX}MTLS_CERTIFICATE"
_KEY: Final = f"{VARIABLE_PREFIX}MTLS_CERTIFICATE_KEY"


def check_mutual_tls(diagnosis: Diagnosis) -> Check:
    """Read both files and check that the key matches the certificate."""
    paths = diagnosis.options.mtls_certificate
    if paths is None:
        return skipped(NAME, "mtls_certificate is not set")
    contents: list[bytes] = []
    for variable, path in zip((_CERTIFICATE, _KEY), paths, strict=True):
        try:
            contents.append(Path(path).read_bytes())
        except OSError as error:
            return failed(
                NAME,
                f"the file in {variable} cannot be read: {type(error).__name__}",
                "make it readable for the user that runs the API",
            )
    try:
        certificate = x509.load_pem_x509_certificates(contents[0])[0]
    except ValueError:
        return failed(
            NAME,
            f"the file in {_CERTIFICATE} contains no PEM certificate",
            "provide the certificate in PEM (-----BEGIN CERTIFICATE-----), followed by its chain",
        )
    try:
        key = load_pem_private_key(contents[1], None)
    except TypeError:
        return failed(NAME, f"the key in {_KEY} is encrypted", "provide a key without a password")
    except (ValueError, UnsupportedAlgorithm):
        return failed(
            NAME,
            f"the file in {_KEY} contains no PEM private key",
            "provide the key in PEM (-----BEGIN PRIVATE KEY-----)",
        )
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        return failed(
            NAME,
            "the key does not match the certificate",
            f"set {_CERTIFICATE} and {_KEY} to a matching pair; after a renewal, replace both files",
        )
    return _check_dates(certificate)


def _check_dates(certificate: x509.Certificate) -> Check:
    now = datetime.now(UTC)
    if now < certificate.not_valid_before_utc:
        return failed(NAME, "the certificate is not valid yet", "check the clock of this machine, or wait")
    if now >= certificate.not_valid_after_utc:
        return failed(NAME, "the certificate has expired", f"renew it and update {_CERTIFICATE} and {_KEY}")
    days = (certificate.not_valid_after_utc - now).days
    advice = f"it expires in {days} days: renew it" if days < EXPIRES_SOON_DAYS else None
    return passed(NAME, f"certificate and key match, valid for {days} more days", advice=advice)
