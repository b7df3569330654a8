"""Parsing the Authorization header: one token, no credentials, or malformed."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monocloud_mw import Presented
from monocloud_mw.errors import CredentialsError
from monocloud_mw.protect.authorization import parse_authorization

from ..noted import noted

B64TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")

# credentials = "Bearer" 1*SP b64token (RFC 6750 section 2.1), the scheme in any case (RFC 9110 section 11.1)
CREDENTIALS = re.compile(rf"[Bb][Ee][Aa][Rr][Ee][Rr] +({B64TOKEN.pattern})")
# Besides the characters that HTTP defines: Unicode white space, digits and letters that Python also
# recognises.
HOSTILE = st.sampled_from(
    '=,?"%:@ \t\n\r\0\x0b\x1c\x7f\x85\xa0\xad\xb2\xe9\u0130\u0660\u2028\u212a\ufeff\uff21\ud800'
)
TOKENS = st.from_regex(B64TOKEN, fullmatch=True)

ACCEPTED = {
    "plain": ("Bearer abc.def.ghi", "abc.def.ghi"),
    "lower case scheme": ("bearer abc", "abc"),
    "mixed case scheme": ("bEaReR abc", "abc"),
    "several spaces": ("Bearer    abc", "abc"),
    "white space around the value": (" \tBearer abc\t ", "abc"),
    "every character of b64token": ("Bearer aZ09-._~+/==", "aZ09-._~+/=="),
    "a token that looks like a scheme": ("Bearer bearer", "bearer"),
}
MISSING = {
    "no header": [],
    "empty": [""],
    "blank": [" "],
    "another scheme": ["Basic dXNlcjpwYXNz"],
    "another scheme with commas": ['Digest username="a", realm="b"'],
    "two headers of another scheme": ["Basic abc", "Basic def"],
    "a scheme that begins the same": ["Bearerer abc"],
    "a scheme with a dash": ["bearer-token abc"],
    "DPoP": ["DPoP abc"],
    "a bare token": ["abc.def.ghi"],
}
MALFORMED = {
    "no token": ["Bearer"],
    "no token but a space": ["Bearer "],
    "two tokens": ["Bearer abc def"],
    "a tab for the space": ["Bearer\tabc"],
    "a comma for the space": ["Bearer,abc"],
    "a colon": ["Bearer:abc"],
    "padding first": ["Bearer =abc"],
    "padding inside": ["Bearer a=b"],
    "a quoted token": ['Bearer "abc"'],
    "a parameter": ["Bearer token=abc, realm=x"],
    "a percent sign": ["Bearer a%62c"],
    "a line break": ["Bearer abc\r\nX: y"],
    "a trailing line break": ["Bearer abc\n"],
    "a NUL": ["Bearer abc\x00"],
    "Latin-1": ["Bearer abc\xe9"],
    "a letter that folds to k": ["Bearer \u212a"],
    "such a letter at the end of the scheme": ["Bearer\u212a abc"],
    "two headers": ["Bearer abc", "Bearer def"],
    "the same header twice": ["Bearer abc", "Bearer abc"],
    "joined by a server": ["Bearer abc,Bearer def"],
    "joined with a space": ["Bearer abc, Bearer def"],
    "after another scheme": ["Basic abc", "Bearer def"],
    "joined after another scheme": ["Basic abc,\tbearer def"],
    "before another scheme": ["Bearer abc", "Basic def"],
    "before an empty header": ["Bearer abc", ""],
    "after an empty header": ["", "Bearer abc"],
    "a trailing comma": ["Bearer abc,"],
}


@pytest.mark.parametrize(("value", "token"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_bearer_token_is_read(value: str, token: str) -> None:
    """One well-formed Bearer header gives its token unchanged."""
    assert parse_authorization([value]) == token


@pytest.mark.parametrize("values", MISSING.values(), ids=MISSING)
def test_a_request_without_bearer_credentials_has_none(values: list[str]) -> None:
    """A request without the header, or with another scheme, has no credentials and is not malformed."""
    with pytest.raises(CredentialsError, match=r"^The request has no access token$") as caught:
        parse_authorization(values)
    assert not caught.value.malformed
    hint = 'the Authorization header does not begin with "Bearer "' if any(map(str.strip, values)) else None
    assert caught.value.hint == hint


@pytest.mark.parametrize("values", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_bearer_header_is_refused(values: list[str]) -> None:
    """A header that mentions Bearer and is not exactly one token is malformed."""
    with pytest.raises(CredentialsError, match=r"^The Authorization header is malformed$") as caught:
        parse_authorization(values)
    assert caught.value.malformed


@given(st.lists(st.text() | st.from_regex(r"(?i)bearer[ ,]+[a-z=.]*[ ,]*[a-z=.]*"), max_size=3))
@example(["Bearer a" + "=" * 100_000 + "!"])
@example(["," + " " * 100_000])
@example(["," * 100_000])
@example(["Bearer " + " " * 100_000])
def test_any_header_gives_a_token_or_the_documented_error(values: list[str]) -> None:
    """Any list of headers gives a token of the b64token grammar or raises a documented error."""
    try:
        token = parse_authorization(values)
    except CredentialsError:
        return
    (value,) = values
    assert B64TOKEN.fullmatch(token)
    assert value.strip(" \t").endswith(f" {token}")


@given(
    st.tuples(
        st.text(" \t", max_size=2) | HOSTILE,
        st.sampled_from(["Bearer", "bearer", "BEARER", "bEaReR", "Beare", "Bearer,", "Bearers", ""]),
        st.text(" ", max_size=3) | HOSTILE | HOSTILE.map(" {}".format),
        TOKENS | st.just("") | st.tuples(TOKENS, HOSTILE, TOKENS | st.just("")).map("".join),
        st.text(" \t", max_size=2) | HOSTILE,
    ).map("".join)
)
def test_one_header_is_read_exactly_where_the_grammar_allows_it(value: str) -> None:
    """A header is accepted if and only if it matches the grammar, and gives exactly the token in it."""
    found = CREDENTIALS.fullmatch(value.strip(" \t"))
    if found is not None:
        assert parse_authorization([value]) == found[1]
        return
    with pytest.raises(CredentialsError):
        parse_authorization([value])


@pytest.mark.parametrize("form", ["{}", "{}b", "a{}b", "a{}"])
def test_characters_of_a_token(form: str) -> None:
    """Each character that a server can pass on is tried alone and as first, middle and last character of a
    token.
    """
    for token in (form.format(chr(code)) for code in range(256)):
        with noted(ascii(token)):
            found = CREDENTIALS.fullmatch(f"Bearer {token}".strip(" \t"))
            if found is not None:
                assert parse_authorization([f"Bearer {token}"]) == found[1]
            else:
                with pytest.raises(CredentialsError) as caught:
                    parse_authorization([f"Bearer {token}"])
                assert caught.value.malformed


def test_the_repr_of_credentials_is_redacted() -> None:
    """The repr of credentials contains neither the token nor the certificate."""
    assert repr(Presented("secret-token", client_certificate="secret-certificate")) == (
        "Presented(scheme='Bearer', method='')"
    )
