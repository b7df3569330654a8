"""Certificate-bound tokens: the three modes and every form of a certificate."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.core.token.sender_constraint import (
    MAX_CERTIFICATE_BYTES,
    certificate_to_der,
    check_confirmation,
)
from monocloud_mw.errors import Reason, TokenError
from monocloud_mw.frozen import freeze

from ...test_frozen import JSON
from ..certificates import make_certificate, pem_of, thumbprint_of

DER: Final = make_certificate()
OTHER: Final = make_certificate("other")
PEM: Final = pem_of(DER)
BASE64: Final = base64.b64encode(DER).decode()
BOUND: Final = {"cnf": {"x5t#S256": thumbprint_of(DER)}}
MODES: Final = ["when_present", "required", "dangerously_ignore"]

FORMS: Final[dict[str, str | bytes]] = {
    "DER": DER,
    "PEM": PEM,
    "PEM bytes": PEM.encode(),
    "PEM, CRLF": PEM.replace("\n", "\r\n"),
    "PEM in one line": PEM.replace("\n", ""),
    "PEM with spaces for line breaks": PEM.replace("\n", " "),
    "PEM with tabs, indented": "\n\t" + PEM.replace("\n", "\n\t"),
    "PEM without delimiters": BASE64,
    "PEM without delimiters, in lines": "\n".join(PEM.splitlines()[1:-1]),
    "PEM without delimiters, bytes": BASE64.encode(),
    "PEM chain": PEM + pem_of(OTHER),
    "PEM chain, CRLF": (PEM + pem_of(OTHER)).replace("\n", "\r\n"),
    "PEM chain, explained": f"subject=client\n{PEM}\nsubject=other\n{pem_of(OTHER)}",
    "PEM, explained": "subject=CN = client\nissuer=CN = client\n" + PEM,
    "PEM, explained, bytes": b"subject=CN = client\n" + PEM.encode(),
    "PEM, explained, CRLF": "subject=client\r\n" + PEM.replace("\n", "\r\n"),
    "PEM, explained, CR": "subject=client\r" + PEM.replace("\n", "\r"),
    "PEM, explained beyond ASCII": "subject=CN = J\u00f6rg\n" + PEM,
    "PEM, explained beyond ASCII, bytes": "subject=CN = J\u00f6rg\n\u2713\n".encode() + PEM.encode(),
    "PEM, explained in Latin-1, bytes": b"subject=CN = J\xf6rg\n" + PEM.encode(),
    "PEM, explained by a number, bytes": b"0 s:CN = client\n" + PEM.encode(),
    "PEM, explained by a name in a line": "-----BEGIN CERTIFICATE follows\n" + PEM,
    "PEM, after a key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n" + PEM,
    "PEM, and then text": PEM + "subject=client\n",
}


def refusal_of(claims: Any, certificate: Any, mode: str) -> TokenError:
    """Return the error with which a token is refused."""
    with pytest.raises(TokenError) as caught:
        check_confirmation(freeze(claims), certificate, mode)
    return caught.value


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("certificate", FORMS.values(), ids=FORMS.keys())
def test_the_right_certificate_is_accepted(certificate: str | bytes, mode: str) -> None:
    """The certificate is accepted in every form that servers and proxies use."""
    check_confirmation(freeze(BOUND), certificate, mode)
    assert certificate_to_der(certificate) == DER


@pytest.mark.parametrize("certificate", [None, PEM])
def test_an_unbound_token_passes_unless_binding_is_required(certificate: str | None) -> None:
    """An unbound token is accepted unless binding is required; a certificate does not matter then."""
    check_confirmation(freeze({}), certificate, "when_present")
    check_confirmation(freeze({}), certificate, "dangerously_ignore")
    assert refusal_of({}, certificate, "required").reason is Reason.NOT_BOUND


@pytest.mark.parametrize(
    ("confirmation", "detail"),
    [
        ({}, "cnf is empty; only x5t#S256 is supported"),
        ({"jwk": {"kty": "EC"}}, "cnf has 'jwk'; only x5t#S256 is supported"),
        ({"jwe": "a.b.c.d.e"}, "cnf has 'jwe'; only x5t#S256 is supported"),
        ({"kid": "k"}, "cnf has 'kid'; only x5t#S256 is supported"),
        ({"jku": "https://x", "kid": "k"}, "cnf has 'jku, kid'; only x5t#S256 is supported"),
        ({"x5t": "sha-1"}, "cnf has 'x5t'; only x5t#S256 is supported"),
        ({"X5T#S256": thumbprint_of(DER)}, "cnf has 'X5T#S256'; only x5t#S256 is supported"),
        ({"x5t#s256": thumbprint_of(DER)}, "cnf has 'x5t#s256'; only x5t#S256 is supported"),
        ({"x5t#S256 ": thumbprint_of(DER)}, "cnf has 'x5t#S256 '; only x5t#S256 is supported"),
        ({"JKT": "x"}, "cnf has 'JKT'; only x5t#S256 is supported"),
        ({"unknown": None}, "cnf has 'unknown'; only x5t#S256 is supported"),
        ({"": 1}, "cnf has ''; only x5t#S256 is supported"),
        ({"a\nb": 1}, "cnf has 'a\\nb'; only x5t#S256 is supported"),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("certificate", [None, PEM])
def test_a_binding_that_cannot_be_checked_is_refused(
    confirmation: Any, detail: str, certificate: str | None
) -> None:
    """A token with an unknown binding is not a bearer token, unless bindings are ignored."""
    claims = {"cnf": confirmation}
    for mode in ("when_present", "required"):
        error = refusal_of(claims, certificate, mode)
        assert (error.reason, error.detail) == (Reason.UNSUPPORTED_CONFIRMATION, detail)
    check_confirmation(freeze(claims), certificate, "dangerously_ignore")


@pytest.mark.parametrize("mode", MODES)
def test_unknown_members_beside_a_thumbprint_do_not_matter(mode: str) -> None:
    """Unknown members are ignored and the certificate is checked (RFC 7800 section 3.1)."""
    claims = {"cnf": {"kid": "k", **BOUND["cnf"], "unknown": None}}
    check_confirmation(freeze(claims), DER, mode)
    if mode != "dangerously_ignore":
        assert refusal_of(claims, OTHER, mode).reason is Reason.CERTIFICATE_MISMATCH
        assert refusal_of(claims, None, mode).reason is Reason.CERTIFICATE_MISSING


@pytest.mark.parametrize("certificate", [None, "", b""])
def test_a_bound_token_needs_its_certificate(certificate: Any) -> None:
    """Without the certificate the token may be stolen."""
    for mode in ("when_present", "required"):
        assert refusal_of(BOUND, certificate, mode).reason is Reason.CERTIFICATE_MISSING
    check_confirmation(freeze(BOUND), certificate, "dangerously_ignore")


@pytest.mark.parametrize("mode", ["when_present", "required"])
@pytest.mark.parametrize(
    "claims",
    [
        {"cnf": {"x5t#S256": thumbprint_of(OTHER)}},
        {"cnf": {"x5t#S256": thumbprint_of(DER) + "="}},
        {"cnf": {"x5t#S256": thumbprint_of(DER)[:-1]}},
        {"cnf": {"x5t#S256": thumbprint_of(DER).swapcase()}},
        {"cnf": {"x5t#S256": ""}},
        {"cnf": {"x5t#S256": "\ud800\u00e9"}},
    ],
    ids=range(6),
)
def test_another_certificate_is_refused(claims: Any, mode: str) -> None:
    """The whole thumbprint is compared; an empty one matches nothing."""
    assert refusal_of(claims, DER, mode).reason is Reason.CERTIFICATE_MISMATCH


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("proof", ["thumbprint", "", None, True])
def test_a_dpop_bound_token_is_no_bearer_token(proof: Any, mode: str) -> None:
    """It is refused in every mode, even with the right certificate (RFC 9449 section 6.1)."""
    claims = {"cnf": {**BOUND["cnf"], "jkt": proof}}
    assert refusal_of(claims, DER, mode).reason is Reason.DPOP_REQUIRED


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("confirmation", [None, True, 5, "x5t#S256", ["x5t#S256"], [{}]])
def test_a_confirmation_claim_is_an_object(confirmation: Any, mode: str) -> None:
    """A `cnf` that is not an object does not make a token unbound (RFC 7800 section 3.1)."""
    error = refusal_of({"cnf": confirmation}, DER, mode)
    assert (error.reason, error.detail) == (Reason.INVALID_CLAIM, "cnf is not an object")


@pytest.mark.parametrize("mode", ["when_present", "required"])
@pytest.mark.parametrize("value", [None, True, 5, [thumbprint_of(DER)], {}])
def test_a_thumbprint_is_text(value: Any, mode: str) -> None:
    """A thumbprint of a wrong type does not make a token unbound."""
    error = refusal_of({"cnf": {"x5t#S256": value}}, DER, mode)
    assert (error.reason, error.detail) == (Reason.INVALID_CLAIM, "cnf x5t#S256 is not a string")


def version_five(der: bytes) -> bytes:
    """Return a certificate with an X.509 version that does not exist."""
    version_three = b"\xa0\x03\x02\x01\x02"
    assert version_three in der
    return der.replace(version_three, b"\xa0\x03\x02\x01\x05", 1)


@pytest.mark.parametrize(
    "certificate",
    [
        "garbage",
        b"garbage",
        b"\x00\xff",
        "\u00e9",
        "\ud800",
        "0",
        b"0",
        DER[:-1],
        DER + b"\x00",
        DER + OTHER,
        BASE64[:-4],
        BASE64.rstrip("=") + "*",
        "=" + BASE64,
        base64.urlsafe_b64encode(b"\xff" * 90).decode(),
        base64.b64encode(b"not a certificate").decode(),
        PEM.replace("END CERTIFICATE", "END"),
        PEM.replace("CERTIFICATE", "PUBLIC KEY"),
        "-----BEGIN CERTIFICATE----------END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n****\n-----END CERTIFICATE-----",
        "subject=client " + PEM,
        "subject=client\n" + BASE64,
        "subject=client\n",
        "-----BEGIN CERTIFICATE-----\n" + PEM,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + PEM,
        "-----BEGIN CERTIFICATE-----\n" + BASE64,
        DER + PEM.encode(),
        version_five(DER),
        pem_of(DER).replace(BASE64[:8], "MIIBAAAA"),
    ],
    ids=range(28),
)
def test_an_invalid_certificate_is_refused(certificate: str | bytes) -> None:
    """Any invalid certificate gives a documented error."""
    assert refusal_of(BOUND, certificate, "required").reason is Reason.CERTIFICATE_MALFORMED


def test_an_embedded_certificate_is_not_used() -> None:
    """A certificate embedded in the caller's own certificate is not used for the check."""
    own = make_certificate("thief", extension=b"\n" + PEM.encode())
    assert certificate_to_der(own) == own
    assert certificate_to_der(pem_of(own)) == own
    assert refusal_of(BOUND, own, "required").reason is Reason.CERTIFICATE_MISMATCH


@pytest.mark.parametrize(
    ("certificate", "detail"),
    [
        ("A" * (MAX_CERTIFICATE_BYTES + 1), "it is too large"),
        (b"\x30" * (MAX_CERTIFICATE_BYTES + 1), "it is too large"),
        (5, "it is neither text nor bytes"),
        (bytearray(DER), "it is neither text nor bytes"),
        ([PEM], "it is neither text nor bytes"),
    ],
    ids=["text", "bytes", "int", "bytearray", "list"],
)
def test_certificates_of_wrong_size_or_type(certificate: Any, detail: str) -> None:
    """Size and type are checked before the certificate is decoded."""
    error = refusal_of(BOUND, certificate, "required")
    assert (error.reason, error.detail) == (Reason.CERTIFICATE_MALFORMED, detail)


def accepted(check: Callable[[], object]) -> bool:
    """Return whether a check passes; only a documented refusal may be raised."""
    try:
        check()
    except TokenError:
        return False
    return True


@given(st.binary(max_size=200) | st.text(max_size=200) | st.binary().map(lambda tail: DER[:200] + tail))
def test_no_certificate_escapes_the_documented_errors(certificate: str | bytes) -> None:
    """Only the right certificate is accepted with a bound token."""
    assert not accepted(lambda: check_confirmation(freeze(BOUND), certificate, "required"))


@given(JSON | st.fixed_dictionaries({}, optional={"x5t#S256": JSON, "jkt": JSON}))
def test_no_confirmation_claim_escapes_the_documented_errors(confirmation: Any) -> None:
    """Only the right value of ``cnf`` is accepted in the mode ``required``."""
    claims = freeze({"cnf": confirmation})
    assert not accepted(lambda: check_confirmation(claims, DER, "required"))
