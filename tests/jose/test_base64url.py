"""Strict base64url: exactly the encodings that it produces are accepted."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.errors import Reason, TokenError
from monocloud_mw.jose import base64url

from .samples import reason_of


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"f", "Zg"),
        (b"fo", "Zm8"),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg"),
        (b"fooba", "Zm9vYmE"),
        (b"foobar", "Zm9vYmFy"),
        (b"\xfb\xff\xfe", "-__-"),
        (b"\x03\xec\xff\xe0\xc1", "A-z_4ME"),
    ],
)
def test_known_values(data: bytes, text: str) -> None:
    """RFC 4648 section 10 and RFC 7515 appendix C, in both directions."""
    assert text == base64url.encode(data)
    assert data == base64url.decode(text)


@pytest.mark.parametrize(
    "text",
    [
        *("Zg==", "Zm8=", "Zg=", "=", "====", "Zm9v=", "Zm9v===="),  # padding
        *("-_+/", "+//+", "Zm9/"),  # the other alphabet
        *(" Zm9v", "Zm9v ", "Zm 9v", "Zm9v\n", "\tZm9v", "Zm9v\r\n", "Zm9v\0"),  # white space, NUL
        *("A", "AAAAA", "Zm9vY"),  # lengths that no value has
        *("Zh", "Zv", "Z-", "Zm9", "Zm-", "Zm9vYh"),  # stray bits in the last character
        *("Zm9v.", "Zm9v,", "Zm9\u00e9", "Zm9\ud800", "\u017dm9v", "Zm9v\x80"),  # foreign characters
    ],
)
def test_refused(text: str) -> None:
    """Any other encoding of a value is malformed."""
    assert reason_of(base64url.decode, text) is Reason.MALFORMED


@given(st.binary())
def test_every_value_survives(data: bytes) -> None:
    """What is encoded decodes to itself, and is what the standard library makes of it, less the padding."""
    text = base64url.encode(data)
    assert base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text
    assert data == base64url.decode(text)


@given(st.text() | st.text("ABCDwxyz0189-_=+/ \n"))
def test_one_text_per_value(text: str) -> None:
    """A text that decodes is the only encoding of its value."""
    assert reason_of(base64url.decode, text) in (None, Reason.MALFORMED)
    with contextlib.suppress(TokenError):
        assert text == base64url.encode(base64url.decode(text))
