"""A refused token costs no more than a valid one: counted here, and timed by ``make cost``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import pytest

from monocloud_mw import BackendClient, Presented, TokenError
from monocloud_mw.jose import SigningKey
from monocloud_mw.jose.key_search import MAX_KEYS_TRIED

from .api import NEEDED
from .attack import EC, GOOD, JWKS, STRANGER, Attack, options, token
from .table import each_family
from .work import Work, count_work

MOST: Final = 1.5  # times the steps of accepting a new valid token
SETTLED: Final = {"jwks_cache_duration": 86400, "metadata_cache_duration": 86400, "refresh_cooldown": 3600}


@pytest.fixture(scope="module")
def client() -> Iterator[BackendClient]:
    """Return a client that has its documents and no cache."""
    with BackendClient(options(jwt_cache_size=0, **SETTLED)) as client:
        client.prefetch()
        assert _is_refused(client, token(STRANGER, {"kid": "unknown"}))  # may request new keys
        yield client


def _is_refused(client: BackendClient, text: str, certificate: bytes | None = None) -> bool:
    try:
        client.authenticate(Presented(text, client_certificate=certificate), NEEDED)
    except TokenError:
        return True
    return False


def _work(client: BackendClient, text: str, certificate: bytes | None = None) -> Work:
    _is_refused(client, text, certificate)  # what is done only once is not counted
    return count_work(partial(_is_refused, client, text, certificate))


@each_family
def test_no_attack_makes_more_work_than_a_good_token(family: list[Attack], client: BackendClient) -> None:
    """At most one signature is checked, and hardly more steps are needed than for a valid token of
    ordinary size.
    """
    ordinary = _work(client, GOOD)
    assert ordinary.verifications == 1
    for attack in family:
        work = _work(client, attack.token, attack.certificate)
        assert work.verifications <= 1, attack.name
        assert work.steps <= MOST * ordinary.steps, attack.name


def test_without_kid_the_work_is_bounded() -> None:
    """A token without a key ID is tried with a few keys only, however many there are."""
    keys = [SigningKey.generate("ES256", f"key {number}").public_jwk() for number in range(24)]
    with BackendClient(options(jwks_resolver=lambda: {"keys": keys}, **SETTLED)) as client:
        forged = token(EC, {"kid": ...})
        for _ in range(2):  # the keys are loaded, and once more for a signature that matches none
            assert _is_refused(client, forged)
        for _ in range(5):
            assert count_work(partial(_is_refused, client, forged)).verifications == MAX_KEYS_TRIED


def test_work_is_counted() -> None:
    """A header with many objects, or a second signature, would be noticed."""
    with BackendClient(options(jwt_cache_size=0, jwks_resolver=lambda: JWKS, **SETTLED)) as client:
        client.prefetch()
        once = _work(client, GOOD)
        twice = count_work(lambda: [_is_refused(client, GOOD) for _ in range(2)])
    assert twice.verifications == 2 * once.verifications == 2
    assert once.steps > 50
    assert twice.steps >= 2 * once.steps
