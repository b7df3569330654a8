"""Which keys are tried for a message, in which order, and how many."""

from __future__ import annotations

from typing import Final

import pytest

from monocloud_mw.jose import Jwk
from monocloud_mw.jose.key_search import MAX_KEYS_TRIED, KeySearch

from .samples import key, key_set

NAMES: Final = "abcdefgh"
KEYS: Final[tuple[Jwk, ...]] = key_set(*(key("ES256", name) for name in NAMES)).keys


def tried(search: KeySearch, signer: str = "") -> str:
    """Return the keys with which a message of one signer is tried."""
    names = ""
    for failures, jwk in enumerate(search.start()):
        names += jwk.key_id or ""
        if jwk.key_id == signer:
            if failures:
                search.found(jwk, failures)
            return names
    search.failed(len(names))
    return names


def test_the_first_message_is_tried_with_every_key() -> None:
    """All keys are tried in the order of the set."""
    assert tried(KeySearch(KEYS)) == NAMES


def test_forged_messages_are_tried_with_a_few_keys_each_in_turn() -> None:
    """A genuine message among forged ones therefore finds its key after a few more requests."""
    search = KeySearch(KEYS)
    tried(search)
    assert [tried(search) for _ in range(5)] == ["abc", "ade", "afg", "ahb", "acd"]


def test_the_key_that_verified_last_is_tried_first() -> None:
    """Forged messages do not change that."""
    search = KeySearch(KEYS)
    assert tried(search, "g") == "abcdefg"
    for _ in range(10):
        assert tried(search).startswith("g")
        assert tried(search, "g") == "g"


def test_genuine_messages_increase_the_allowance() -> None:
    """If most messages are genuine, a new signing key is found at once."""
    search = KeySearch(KEYS)
    tried(search)
    for _ in range(len(KEYS)):
        assert tried(search, "a") == "a"
    assert tried(search, "h") == NAMES


@pytest.mark.parametrize("count", range(1, MAX_KEYS_TRIED + 1))
def test_a_few_keys_are_tried_every_time(count: int) -> None:
    """With few keys the allowance does not matter."""
    search = KeySearch(KEYS[:count])
    assert [tried(search) for _ in range(5)] == [NAMES[:count]] * 5


@pytest.mark.parametrize("signers", ["", "a", "h", "abcdefgh", "hgfedcba"])
def test_the_work_is_bounded_on_average(signers: str) -> None:
    """The bound holds for any sequence of genuine and forged messages."""
    search = KeySearch(KEYS)
    total = sum(len(tried(search, (signers or " ")[number % len(signers or " ")])) for number in range(100))
    assert total <= len(KEYS) + 100 * MAX_KEYS_TRIED


def test_concurrent_messages_keep_the_allowance() -> None:
    """Two concurrent messages do not use more than the allowance."""
    search = KeySearch(KEYS)
    for _ in range(2):
        search.start()
    search.failed(len(KEYS))
    search.found(KEYS[0], len(KEYS) - 1)
    assert len(search.start()) == MAX_KEYS_TRIED
