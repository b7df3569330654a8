"""Sender-constrained tokens: a token bound to a client certificate serves only who holds that certificate.

RFC 8705 section 3: the confirmation claim ``cnf`` (RFC 7800) holds ``x5t#S256``, the base64url SHA-256 of
the DER certificate that the client presented in TLS. A token whose ``cnf`` has ``jkt`` is bound to a DPoP
key (RFC 9449 section 6.1) and is no bearer token: it is refused, whatever the mode.
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

__all__ = ["certificate_to_der", "check_certificate_binding"]

MAX_CERTIFICATE_BYTES: Final = 64 * 1024

_DER_SEQUENCE: Final = b"\x30"  # how every DER certificate begins, and no base64 of one
_PEM: Final = re.compile(
    r"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----", re.ASCII
)


def check_certificate_binding(claims: FrozenDict, certificate: str | bytes | None, mode: str) -> None:
    """Refuse a bound token without its certificate.

    Args:
        claims: of a token whose origin is proven.
        certificate: what the client presented in TLS: PEM, PEM without its delimiters, or DER.
        mode: ``when_present`` checks a token that is bound, ``required`` refuses one that is not,
            ``dangerously_ignore`` checks nothing of the certificate.

    Raises:
        TokenError: [dpop_required], [not_bound], [certificate_missing], [certificate_malformed],
            [certificate_mismatch], or [invalid_claim] where ``cnf`` is no object.
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
        if mode == "required":
            raise TokenError(Reason.NOT_BOUND)
        return
    if not certificate:
        raise TokenError(Reason.CERTIFICATE_MISSING)
    expected = confirmation["x5t#S256"]
    if not isinstance(expected, str):
        raise TokenError(Reason.INVALID_CLAIM, "cnf x5t#S256 is not a string")
    thumbprint = base64url.encode(hashlib.sha256(certificate_to_der(certificate)).digest())
    if not hmac.compare_digest(thumbprint.encode(), expected.encode("utf-8", "surrogatepass")):
        raise TokenError(Reason.CERTIFICATE_MISMATCH)


def certificate_to_der(certificate: str | bytes) -> bytes:
    """Return the DER form of one X.509 certificate; of a PEM chain, its first.

    Args:
        certificate: PEM, base64 of the DER (PEM without its delimiters), or DER itself.

    Raises:
        TokenError: it is none of these [certificate_malformed].
    """
    if not isinstance(certificate, (str, bytes)):
        raise TokenError(Reason.CERTIFICATE_MALFORMED, "it is neither text nor bytes")
    if len(certificate) > MAX_CERTIFICATE_BYTES:
        raise TokenError(Reason.CERTIFICATE_MALFORMED, "it is too large")
    try:
        if isinstance(certificate, bytes) and certificate.startswith(_DER_SEQUENCE):
            der = certificate
        else:
            der = _der_from_text(certificate)
        x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion):
        pass
    else:
        return der
    raise TokenError(Reason.CERTIFICATE_MALFORMED)  # not in the handler: a codec's error holds its input


def _der_from_text(certificate: str | bytes) -> bytes:
    text = certificate.decode("ascii") if isinstance(certificate, bytes) else certificate
    pem = _PEM.match(text)
    return binascii.a2b_base64("".join((pem[1] if pem else text).split()), strict_mode=True)
