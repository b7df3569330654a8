"""Sender-constrained tokens: check the ``cnf`` claim (RFC 7800) against the caller's certificate.

- ``x5t#S256``: the base64url SHA-256 of the DER certificate that the caller presents in TLS (RFC 8705
  section 3.1). Additional unknown members are ignored (RFC 7800 section 3.1).
- ``jkt``: a DPoP key (RFC 9449 section 6.1). Such a token is not a bearer token and is always refused.
- Any other ``cnf``, also an empty one: a kind of binding that is not supported, so the token is refused.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from typing import Final

from cryptography import x509

from ...errors import Reason, TokenError
from ...frozen import FrozenDict
from ...jose import base64url
from ...quoting import quoted

__all__ = ["certificate_to_der", "check_confirmation"]

MAX_CERTIFICATE_BYTES: Final = 64 * 1024

_DER_SEQUENCE: Final = b"\x30"  # the first byte of every DER certificate, and never that of base64 text
_PEM_BEGIN: Final = re.compile(r"(?:^|(?<=\r))[ \t]*-----BEGIN CERTIFICATE-----", re.ASCII | re.MULTILINE)
_PEM_BODY: Final = re.compile(r"([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----", re.ASCII)


def check_confirmation(claims: FrozenDict, certificate: str | bytes | None, mode: str) -> None:
    """Refuse a bound token if the caller did not present the certificate that it is bound to.

    Args:
        claims: the claims of a verified or introspected token.
        certificate: the caller's TLS certificate: PEM, PEM without its delimiters, or DER.
        mode: ``when_present`` checks bound tokens, ``required`` also refuses unbound tokens, and
            ``dangerously_ignore`` refuses only tokens that are bound to a DPoP key.

    Raises:
        TokenError: [not_bound], [dpop_required], [unsupported_confirmation], [certificate_missing],
            [certificate_malformed], [certificate_mismatch], or [invalid_claim] if ``cnf`` is not an object.
    """
    if "cnf" not in claims:  # as in nearly every token
        if mode == "required":
            raise TokenError(Reason.NOT_BOUND, expected="cnf with x5t#S256", found="no cnf")
        return
    confirmation = claims["cnf"]
    if not isinstance(confirmation, FrozenDict):
        raise TokenError(Reason.INVALID_CLAIM, "cnf is not an object")
    if "jkt" in confirmation:
        raise TokenError(
            Reason.DPOP_REQUIRED,
            expected="a bearer token, or one bound to a certificate",
            found="a token bound to a DPoP key",
        )
    if mode == "dangerously_ignore":
        return
    if "x5t#S256" not in confirmation:
        found = f"has {quoted(', '.join(confirmation))}" if confirmation else "is empty"
        raise TokenError(Reason.UNSUPPORTED_CONFIRMATION, f"cnf {found}; only x5t#S256 is supported")
    _check_certificate(confirmation["x5t#S256"], certificate)


def _check_certificate(expected: object, certificate: str | bytes | None) -> None:
    """Compare the caller's certificate with the thumbprint in the token (RFC 8705 section 3)."""
    if not certificate:
        raise TokenError(
            Reason.CERTIFICATE_MISSING,
            expected="the client certificate that the token is bound to",
            found="no client certificate",
            hint="behind a proxy that terminates TLS, a certificate_resolver must read it from the request",
        )
    if not isinstance(expected, str):
        raise TokenError(Reason.INVALID_CLAIM, "cnf x5t#S256 is not a string")
    thumbprint = base64url.encode(hashlib.sha256(certificate_to_der(certificate)).digest())
    if not hmac.compare_digest(thumbprint.encode(), expected.encode("utf-8", "surrogatepass")):
        raise TokenError(Reason.CERTIFICATE_MISMATCH)


def certificate_to_der(certificate: str | bytes) -> bytes:
    """Return an X.509 certificate in DER; of a PEM chain the first certificate, which is the caller's own.

    Args:
        certificate: PEM, also with text before it (RFC 7468 section 2), base64 of the DER (PEM without its
            delimiters), or DER.

    Raises:
        TokenError: it is not a certificate in one of these formats [certificate_malformed].
    """
    if not isinstance(certificate, (str, bytes)):
        raise TokenError(Reason.CERTIFICATE_MALFORMED, "it is neither text nor bytes")
    if len(certificate) > MAX_CERTIFICATE_BYTES:
        raise TokenError(Reason.CERTIFICATE_MALFORMED, "it is too large")
    # DER first: a caller's certificate may contain another one as PEM, in an extension.
    if isinstance(certificate, bytes):
        if certificate.startswith(_DER_SEQUENCE) and _is_certificate(certificate):
            return certificate
        certificate = certificate.decode("latin-1")
    der = _der_from_text(certificate)
    if der is None or not _is_certificate(der):
        raise TokenError(Reason.CERTIFICATE_MALFORMED)  # outside handlers: a codec's error contains its input
    return der


def _is_certificate(der: bytes) -> bool:
    try:
        x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion):
        return False
    return True


def _der_from_text(text: str) -> bytes | None:
    """Decode the first certificate of a PEM text, or a text that is only base64; ``None`` if invalid."""
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
