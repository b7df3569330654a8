"""One contract for all claims caches: in memory, and on Redis, sync and async."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monocloud_mw.stores import AsyncClaimsCache, ClaimsCache, MemoryCache
from monocloud_mw.stores.redis import AsyncRedisCache

from .conftest import Connect, FixedClock
from .redis_server import PASSWORD, RedisServer

CLAIMS: Mapping[str, Any] = {
    "active": True,
    "sub": "jürgen \U0001f511",
    "exp": 1_800_000_300.5,
    "aud": ["https://api.example", "other"],
    "cnf": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"},
    "nothing": None,
}

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)


KINDS = ["memory", *(f"{kind}-{way}" for kind in ("sync", "async") for way in ("tcp", "tls", "unix", "mac"))]


@pytest.fixture(params=KINDS)
def cache(request: pytest.FixtureRequest, clock: FixedClock) -> ClaimsCache:
    """Return an empty cache of each kind."""
    return _create(request.param, request, clock)


@pytest.fixture
def caches(request: pytest.FixtureRequest, clock: FixedClock) -> dict[str, ClaimsCache]:
    """Return an empty cache of every kind."""
    return {name: _create(name, request, clock) for name in KINDS}


def _create(name: str, request: pytest.FixtureRequest, clock: FixedClock) -> ClaimsCache:
    if name == "memory":
        return MemoryCache(clock=clock)
    server: RedisServer = request.getfixturevalue("redis_server")
    connectors: dict[str, Connect] = request.getfixturevalue("connectors")
    kind, way = name.split("-")
    connect = connectors[kind]
    match way:
        case "tls":
            return connect(server.tls_url, ca_bundle=server.ca_bundle)
        case "unix":
            return connect(f"unix://{server.socket_path}?password={PASSWORD}")
        case "mac":
            return connect(server.url, integrity_key="a secret of thirty-two characters")
        case _:
            return connect(server.url)


def test_stored_claims_are_returned(cache: ClaimsCache, clock: FixedClock) -> None:
    """Stored claims are equal to their JSON form when read."""
    cache.set("key", CLAIMS, clock.now + 300)
    assert json.loads(json.dumps(cache.get("key"))) == CLAIMS


def test_a_key_that_was_never_set_is_a_miss(cache: ClaimsCache) -> None:
    """An unknown key is a miss."""
    assert cache.get("key") is None


def test_the_last_write_counts(cache: ClaimsCache, clock: FixedClock) -> None:
    """The last value stored for a key is returned."""
    cache.set("key", CLAIMS, clock.now + 300)
    cache.set("key", {"active": False}, clock.now + 300)
    assert cache.get("key") == {"active": False}


@pytest.mark.parametrize("first", [{"active": True}, {"active": False}], ids=str)
def test_an_entry_replaces_one_of_the_other_state(
    cache: ClaimsCache, clock: FixedClock, first: dict[str, bool]
) -> None:
    """An active entry may replace an inactive one and the reverse."""
    second = {"active": not first["active"]}
    cache.set("key", first, clock.now + 300)
    cache.set("key", second, clock.now + 300)
    assert cache.get("key") == second
    cache.delete("key")
    assert cache.get("key") is None


def test_deleted_claims_are_gone(cache: ClaimsCache, clock: FixedClock) -> None:
    """Deleting removes one key; an unknown key can be deleted."""
    cache.set("key", CLAIMS, clock.now + 300)
    cache.set("other", {"active": False}, clock.now + 300)
    cache.delete("key")
    cache.delete("absent")
    assert (cache.get("key"), cache.get("other")) == (None, {"active": False})


@pytest.mark.parametrize(
    ("seconds_later", "served"), [(0, True), (299.999, True), (300, False), (300.001, False), (1e9, False)]
)
def test_claims_are_served_until_they_expire(
    cache: ClaimsCache, clock: FixedClock, seconds_later: float, served: bool
) -> None:
    """An entry is returned while ``now < expires_at``, by the cache's clock."""
    cache.set("key", {"active": True}, clock.now + 300)
    clock.now += seconds_later
    assert (cache.get("key") == {"active": True}) is served


@pytest.mark.parametrize("lifetime", [0, -1, -1e9])
def test_expired_claims_replace_but_are_not_returned(
    cache: ClaimsCache, clock: FixedClock, lifetime: float
) -> None:
    """Storing an expired entry removes the previous one."""
    cache.set("key", {"active": True}, clock.now + 300)
    cache.set("key", {"active": False}, clock.now + lifetime)
    assert cache.get("key") is None


def test_claims_are_copied_when_stored(cache: ClaimsCache, clock: FixedClock) -> None:
    """Changing the stored object afterwards does not change the cache."""
    claims: dict[str, Any] = {"aud": ["api"], "cnf": {"jkt": "x"}}
    cache.set("key", claims, clock.now + 300)
    claims["aud"].append("other")
    claims["cnf"]["jkt"] = "y"
    assert json.loads(json.dumps(cache.get("key"))) == {"aud": ["api"], "cnf": {"jkt": "x"}}


def test_returned_claims_are_read_only(cache: ClaimsCache, clock: FixedClock) -> None:
    """Claims that are returned cannot be changed."""
    cache.set("key", CLAIMS, clock.now + 300)
    claims: Any = cache.get("key")
    with pytest.raises(TypeError, match="read-only"):
        claims["sub"] = "someone else"
    with pytest.raises(TypeError, match="read-only"):
        claims["cnf"]["x5t#S256"] = "another"
    with pytest.raises(TypeError, match="read-only"):
        claims["aud"].append("another")


@pytest.mark.parametrize("key", ["", " ", "ключ", "a\0b", "a\r\nDEL key", "*", "k" * 10_000])
def test_keys_may_have_any_characters(cache: ClaimsCache, clock: FixedClock, key: str) -> None:
    """No character of a key has a special meaning."""
    cache.set(key, {"sub": "one"}, clock.now + 300)
    cache.set(key + "x", {"sub": "two"}, clock.now + 300)
    assert (cache.get(key), cache.get(key + "x")) == ({"sub": "one"}, {"sub": "two"})


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claims=st.dictionaries(TEXT, JSON))
def test_any_json_object_is_returned_unchanged(
    caches: dict[str, ClaimsCache], clock: FixedClock, claims: dict[str, Any]
) -> None:
    """Any JSON object is returned unchanged, whatever its types and depth."""
    for name, cache in caches.items():
        cache.set("key", claims, clock.now + 300)
        assert json.loads(json.dumps(cache.get("key"))) == claims, name


def test_the_protocols_describe_the_caches(clock: FixedClock) -> None:
    """The caches have the methods of the protocols, and an unrelated object does not."""
    assert isinstance(MemoryCache(), ClaimsCache)
    assert isinstance(AsyncRedisCache.from_url("redis://localhost"), AsyncClaimsCache)
    assert not isinstance(clock, ClaimsCache)
