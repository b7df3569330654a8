"""The serialised form of an entry: what is accepted, and what is refused and why."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.errors import ConfigurationError
from monocloud_mw.stores.entry import MAX_ENTRY_BYTES, EntryError, EntryFormat

SECRET = b"0123456789abcdef0123456789abcdef"
PLAIN = EntryFormat()
SEALED = EntryFormat(SECRET)
NEVER = 4_000_000_000.5


def _rendered(entry_format: EntryFormat, key: str = "key", claims: Any = None) -> bytes:
    entry = entry_format.render(key, {"sub": "someone"} if claims is None else claims, NEVER)
    assert entry is not None
    return entry


def _code(payload: bytes, secret: bytes = SECRET) -> bytes:
    return hmac.new(secret, payload, "sha256").hexdigest().encode()


def test_an_entry_is_json() -> None:
    """Without an integrity key the entry is the JSON in the documentation."""
    fields = {"key": "key", "expires_at": NEVER, "claims": {"sub": "someone"}}
    assert json.loads(_rendered(PLAIN)) == fields


def test_an_integrity_key_puts_a_code_before_it() -> None:
    """The code is the HMAC-SHA256 of the JSON after it, computed here independently."""
    entry = _rendered(SEALED)
    assert (entry[:64], entry[64:]) == (_code(_rendered(PLAIN)), _rendered(PLAIN))


@pytest.mark.parametrize("entry_format", [PLAIN, SEALED])
def test_an_entry_is_read_as_written(entry_format: EntryFormat) -> None:
    """Claims and expiry are read as written."""
    entry = entry_format.parse("key", _rendered(entry_format))
    assert (entry.claims, entry.expires_at) == ({"sub": "someone"}, NEVER)


REFUSED = [
    (b"", "not a JSON object"),
    (b"garbage", "not a JSON object"),
    (b"\xff\xfe\x00", "not a JSON object"),
    (b"null", "not a JSON object"),
    (b'[{"key":"key"}]', "not a JSON object"),
    (b'{"key":"key","expires_at":4e9,"claims":{}', "not a JSON object"),
    (b'{"key":"key","expires_at":4e9,"claims":{},"claims":{"sub":"x"}}', "not a JSON object"),
    (b'{"key":"key","expires_at":NaN,"claims":{}}', "not a JSON object"),
    (b"{}", "does not have the members of an entry"),
    (b'{"active":true}', "does not have the members of an entry"),
    (b'{"expires_at":4e9,"claims":{}}', "belongs to another key"),
    (b'{"key":"key","claims":{}}', "does not have the members of an entry"),
    (b'{"key":"key","expires_at":4e9}', "does not have the members of an entry"),
    (b'{"key":null,"expires_at":4e9,"claims":{}}', "belongs to another key"),
    (b'{"key":"key","expires_at":"4e9","claims":{}}', "does not have the members of an entry"),
    (b'{"key":"key","expires_at":null,"claims":{}}', "does not have the members of an entry"),
    (b'{"key":"key","expires_at":true,"claims":{}}', "does not have the members of an entry"),
    (b'{"key":"key","expires_at":4e9,"claims":null}', "does not have the members of an entry"),
    (b'{"key":"key","expires_at":4e9,"claims":[]}', "does not have the members of an entry"),
    (b'{"key":"key","expires_at":4e9,"claims":"{}"}', "does not have the members of an entry"),
    (b'{"key":"other","expires_at":4e9,"claims":{}}', "belongs to another key"),
    (b'{"key":"KEY","expires_at":4e9,"claims":{}}', "belongs to another key"),
    (b" " * (MAX_ENTRY_BYTES + 1), "too long"),
]


@pytest.mark.parametrize(("entry", "why"), REFUSED)
def test_an_invalid_entry_is_refused(entry: bytes, why: str) -> None:
    """Every rule is checked, whatever is stored."""
    with pytest.raises(EntryError, match=why):
        PLAIN.parse("key", entry)


@pytest.mark.parametrize(("entry", "why"), REFUSED)
def test_an_entry_with_a_code_is_validated(entry: bytes, why: str) -> None:
    """An entry with a valid code must meet the other rules too."""
    with pytest.raises(EntryError, match=why):
        SEALED.parse("key", _code(entry) + entry)


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        _rendered(PLAIN),
        _code(_rendered(PLAIN), b"x" * 32) + _rendered(PLAIN),
        _code(_rendered(PLAIN)).upper() + _rendered(PLAIN),
        _code(_rendered(PLAIN)) + _rendered(PLAIN) + b" ",
        _code(_rendered(PLAIN)) + _rendered(PLAIN, claims={"sub": "admin"}),
        _code(_rendered(PLAIN)) + _rendered(PLAIN).replace(b"4000000000.5", b"5000000000.5"),
        _code(_rendered(PLAIN)) + _rendered(PLAIN).replace(b'"key":"key"', b'"key":"kex"'),
    ],
    ids=["empty", "no code", "another secret", "upper case", "longer", "claims", "expiry", "key"],
)
def test_forged_entries_are_refused(entry: bytes) -> None:
    """With an integrity key, only entries written with it are accepted."""
    with pytest.raises(EntryError, match="not written with the configured integrity key"):
        SEALED.parse("key", entry)


def test_an_authentic_entry_belongs_to_one_key() -> None:
    """An entry copied to another cache key is refused."""
    with pytest.raises(EntryError, match="belongs to another key"):
        SEALED.parse("key", _rendered(SEALED, key="other"))


def test_an_entry_with_a_code_is_refused_without_the_key() -> None:
    """A process without the integrity key refuses entries that have a code."""
    with pytest.raises(EntryError, match="not a JSON object"):
        PLAIN.parse("key", _rendered(SEALED))


@given(position=st.integers(0, len(_rendered(SEALED)) * 8 - 1))
def test_a_changed_bit_is_detected(position: int) -> None:
    """Changing any bit of an authentic entry makes it invalid."""
    entry = bytearray(_rendered(SEALED))
    entry[position // 8] ^= 1 << position % 8
    with pytest.raises(EntryError):
        SEALED.parse("key", bytes(entry))


@given(entry=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_input_is_an_entry_or_an_entry_error(entry: bytes) -> None:
    """Any bytes are an entry or raise :class:`EntryError`."""
    for entry_format in (PLAIN, SEALED):
        with pytest.raises(EntryError):
            entry_format.parse("key", entry)


def test_the_bound_is_the_same_for_writing_and_reading() -> None:
    """The longest entry that is written is read, and a longer one is not written."""
    room = MAX_ENTRY_BYTES - len(_rendered(SEALED, claims={"sub": ""}))
    longest = _rendered(SEALED, claims={"sub": "x" * room})
    assert len(longest) == MAX_ENTRY_BYTES
    assert SEALED.parse("key", longest).claims == {"sub": "x" * room}
    assert SEALED.render("key", {"sub": "x" * (room + 1)}, NEVER) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes", {1}])
def test_claims_that_are_not_json_are_the_callers_error(value: Any) -> None:
    """Claims that could not be read again are not written."""
    with pytest.raises((TypeError, ValueError)):
        PLAIN.render("key", {"claim": value}, NEVER)


@pytest.mark.parametrize("secret", [b"", "", b"short", "k" * 31])
def test_a_weak_integrity_key_is_refused(secret: bytes | str) -> None:
    """A short secret can be guessed, and an empty one may be an unset variable."""
    with pytest.raises(ConfigurationError, match="integrity_key: must have at least 32 bytes"):
        EntryFormat(secret)


def test_text_and_bytes_are_the_same_key() -> None:
    """A secret given as text or as bytes gives the same key."""
    assert EntryFormat("ключ" * 4).integrity_key == "ключ".encode() * 4


def test_errors_and_reprs_hold_neither_claims_nor_secret() -> None:
    """Errors and reprs contain no claim and no key material."""
    shown = repr(SEALED) + repr(PLAIN.parse("key", _rendered(PLAIN)))
    assert "someone" not in shown
    assert "0123456789" not in shown
    with pytest.raises(EntryError) as refusal:
        PLAIN.parse("other", _rendered(PLAIN))
    assert str(refusal.value) == "it belongs to another key"
