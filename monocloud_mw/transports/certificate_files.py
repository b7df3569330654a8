"""The files of TLS: the authorities that verify servers, and our own certificate."""

from __future__ import annotations

import ssl

from ..errors import ConfigurationError, Problem
from ..options import VARIABLE_PREFIX

__all__ = ["check_files"]


def check_files(ca_bundle: str | None, client_certificate: tuple[str, str] | None) -> None:
    """Find unusable files when a client is made; OpenSSL is the judge, as it will be later.

    Raises:
        ConfigurationError: with a problem for each file that is not what it should be.
    """
    problems: list[Problem] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_bundle is not None:
        try:
            context.load_verify_locations(ca_bundle)
        except (OSError, ssl.SSLError):
            problems.append(
                Problem(
                    "ca_bundle",
                    f"{VARIABLE_PREFIX}CA_BUNDLE",
                    "holds no PEM certificates that can be read",
                )
            )
    if client_certificate is not None:
        try:
            context.load_cert_chain(*client_certificate, password=_no_password)
        except (OSError, ssl.SSLError, ValueError):
            problems.append(
                Problem(
                    "mtls_certificate",
                    f"{VARIABLE_PREFIX}MTLS_CERTIFICATE and {VARIABLE_PREFIX}MTLS_CERTIFICATE_KEY",
                    "is no pair of a PEM certificate and its unencrypted key",
                )
            )
    if problems:
        raise ConfigurationError(problems)


def _no_password() -> str:
    """Answer for an encrypted key: without this OpenSSL would ask on the terminal, and wait."""
    raise ValueError("the key is encrypted")
