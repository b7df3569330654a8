"""Sender-constrained tokens: what ``cnf`` (RFC 7800) asks of the caller, beyond having the token.

- ``x5t#S256``: the base64url SHA-256 of the DER certificate that the caller presents in TLS (RFC 8705
  section 3.1). Members beside it that are unknown do not matter (RFC 7800 section 3.1).
- ``jkt``: a DPoP key (RFC 9449 section 6.1). Such a token is no bearer token: refused, whatever the mode.
- Anything else, and nothing at all: bound to something that cannot be checked here, which is no bearer token
  either.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from typing import Final

from cryptography import x509

from ...errors import Reason, TokenError, quoted
from ...frozen import FrozenDict
from ...jose import base64url

__all__ = ["certificate_to_der", "check_confirmation"]

MAX_CERTIFICATE_BYTES: Final = 64 * 1024

_DER_SEQUENCE: Final = b"\x30"  # how every DER certificate begins, and no base64 of one
_PEM_BEGIN: Final = re.compile(r"(?:^|(?<=\r))[ \t]*-----BEGIN CERTIFICATE-----", re.ASCII | re.MULTILINE)
_PEM_BODY: Final = re.compile(r"([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----", re.ASCII)


def check_confirmation(claims: FrozenDict, certificate: str | bytes | None, mode: str) -> None:
    """Refuse a bound token without what it is bound to.

    Args:
        claims: of a token whose origin is proven.
        certificate: what the caller presented in TLS: PEM, PEM without its delimiters, or DER.
        mode: ``when_present`` checks a token that is bound, ``required`` also refuses one that is not,
            ``dangerously_ignore`` checks only that no DPoP key is needed.

    Raises:
        TokenError: [not_bound], [dpop_required], [unsupported_confirmation], [certificate_missing],
            [certificate_malformed], [certificate_mismatch], or [invalid_claim] where ``cnf`` is no object.
    """
    if "cnf" not in claims:  # the case of nearly every token
        if mode == "required":
            raise TokenError(Reason.NOT_BOUND)
        return
    confirmation = claims["cnf"]
    if not isinstance(confirmation, FrozenDict):
        raise TokenError(Reason.INVALID_CLAIM, "cnf is not an object")
    if "jkt" in confirmation:
        raise TokenError(Reason.DPOP_REQUIRED)
    if mode == "dangerously_ignore":
        return
    if "x5t#S256" not in confirmation:
        found = f"has {quoted(', '.join(confirmation))}" if confirmation else "is empty"
        raise TokenError(Reason.UNSUPPORTED_CONFIRMATION, f"cnf {found}; only x5t#S256 is supported")
    _check_certificate(confirmation["x5t#S256"], certificate)


def _check_certificate(expected: object, certificate: str | bytes | None) -> None:
    """Compare the caller's certificate with the thumbprint of the token (RFC 8705 section 3)."""
    if not certificate:
        raise TokenError(Reason.CERTIFICATE_MISSING)
    if not isinstance(expected, str):
        raise TokenError(Reason.INVALID_CLAIM, "cnf x5t#S256 is not a string")
    thumbprint = base64url.encode(hashlib.sha256(certificate_to_der(certificate)).digest())
    if not hmac.compare_digest(thumbprint.encode(), expected.encode("utf-8", "surrogatepass")):
        raise TokenError(Reason.CERTIFICATE_MISMATCH)


def certificate_to_der(certificate: str | bytes) -> bytes:
    """Return the DER form of one X.509 certificate; of a PEM chain, its first, which is the caller's own.

    Args:
        certificate: PEM, also with text before it (RFC 7468 section 2), base64 of the DER (PEM without its
            delimiters), or DER itself.

    Raises:
        TokenError: it is none of these [certificate_malformed].
    """
    if not isinstance(certificate, (str, bytes)):
        raise TokenError(Reason.CERTIFICATE_MALFORMED, "it is neither text nor bytes")
    if len(certificate) > MAX_CERTIFICATE_BYTES:
        raise TokenError(Reason.CERTIFICATE_MALFORMED, "it is too large")
    # DER first: a caller's certificate may hold another one as PEM, in an extension of its own.
    if isinstance(certificate, bytes):
        if certificate.startswith(_DER_SEQUENCE) and _is_certificate(certificate):
            return certificate
        certificate = certificate.decode("latin-1")
    der = _der_from_text(certificate)
    if der is None or not _is_certificate(der):
        raise TokenError(Reason.CERTIFICATE_MALFORMED)  # not in a handler: a codec's error holds its input
    return der


def _is_certificate(der: bytes) -> bool:
    try:
        x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion):
        return False
    return True


def _der_from_text(text: str) -> bytes | None:
    """Decode the first certificate of a PEM text, which decides, or a text that is base64 from end to end."""
    begin = _PEM_BEGIN.search(text)
    if begin is not None:
        body = _PEM_BODY.match(text, begin.end())
        if body is None:
            return None
        text = body[1]
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        return None
