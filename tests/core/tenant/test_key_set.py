"""The key set: where it comes from, and what may replace it."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from monocloud_mw.core.tenant.key_set import key_source
from monocloud_mw.core.tenant.last_known_good import LastKnownGood
from monocloud_mw.core.tenant.metadata import metadata_source
from monocloud_mw.errors import HttpError
from monocloud_mw.http import HttpResponse
from monocloud_mw.jose import KeySet
from monocloud_mw.options import Options

from ..by_hand import World, json_response
from ..keys import FIRST, SECOND, jwks_of

TENANT: Final = "https://acme.us.monocloud.com"
DISCOVERY: Final = f"{TENANT}/.well-known/openid-configuration"
JWKS_URI: Final = "https://keys.example/jwks?v=1"
METADATA: Final = json_response(json.dumps({"issuer": TENANT, "jwks_uri": JWKS_URI}))
OCT: Final = {"kty": "oct", "k": "AAAA"}
NO_USABLE_KEY: Final = "the key set holds no key that can be used"


def source_of(**settings: Any) -> LastKnownGood[KeySet]:
    """Return the tenant's keys."""
    options = Options(**{"tenant_domain": TENANT, "audience": "api", **settings})
    return key_source(options, metadata_source(options))


def world_of(jwks: Any) -> World:
    """Return a world in which the tenant has these keys."""
    answer = jwks if isinstance(jwks, HttpResponse) else json_response(json.dumps(jwks))
    return World({DISCOVERY: METADATA, JWKS_URI: answer})


def key_ids(keys: KeySet) -> list[str | None]:
    """Return the ids of the keys."""
    return [key.key_id for key in keys]


def test_the_keys_are_fetched_from_the_jwks_uri() -> None:
    """Discovery first, then one GET, bounded by the response timeout."""
    world = world_of(jwks_of(FIRST, SECOND))
    keys = world.run(source_of(response_timeout=7).current(world.now))
    assert key_ids(keys) == ["first", "second"]
    assert world.urls == [DISCOVERY, JWKS_URI]
    assert (world.requests[1].method, world.requests[1].timeout_seconds) == ("GET", 7.0)


def test_discovery_is_not_repeated_for_every_refresh() -> None:
    """The metadata has a lifetime of its own."""
    world = world_of(jwks_of(FIRST))
    source = source_of()
    for _ in range(2):
        world.run(source.get(world.now, reload=True))
    assert world.urls == [DISCOVERY, JWKS_URI, JWKS_URI]


def test_keys_that_cannot_be_used_are_skipped() -> None:
    """A set is good as long as one key is."""
    world = world_of({"keys": [OCT, {}, None, {"kty": "new"}, *jwks_of(FIRST)["keys"]]})
    assert key_ids(world.run(source_of().current(world.now))) == ["first"]


@pytest.mark.parametrize(
    ("jwks", "message"),
    [
        ({"keys": []}, NO_USABLE_KEY),
        ({"keys": [OCT]}, NO_USABLE_KEY),
        ({"keys": [None, 5, []]}, NO_USABLE_KEY),
        ({}, "the key set cannot be read: a key set is an object with an array named keys"),
        ({"keys": {}}, "the key set cannot be read: a key set is an object with an array named keys"),
        (
            {"error": "server_error"},
            "the key set cannot be read: a key set is an object with an array named keys",
        ),
        ([], f"'{JWKS_URI}' did not answer with a JSON object: it is an array, not an object"),
        (
            HttpResponse(status=200, body=b"<html>"),
            f"'{JWKS_URI}' did not answer with a JSON object: it is HTML or XML",
        ),
        (HttpResponse(status=302), f"'{JWKS_URI}' answered with status 302"),
        (HttpResponse(status=503), f"'{JWKS_URI}' answered with status 503"),
    ],
)
def test_a_bad_set_never_replaces_good_keys(jwks: Any, message: str) -> None:
    """It is an error like a set that cannot be fetched: known keys serve on, and a reload says why."""
    world = world_of(jwks_of(FIRST))
    source = source_of()
    good = world.run(source.current(world.now))
    world.responses[JWKS_URI] = jwks if isinstance(jwks, HttpResponse) else json_response(json.dumps(jwks))
    with pytest.raises(HttpError) as caught:
        world.run(source.get(world.now, reload=True))
    assert str(caught.value) == message
    world.pass_time(3899.9)
    assert world.run(source.current(world.now)) is good


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": TENANT},
        {"issuer": TENANT, "jwks_uri": "http://acme.example/jwks"},
        {"issuer": "https://evil.example", "jwks_uri": JWKS_URI},
    ],
)
def test_nothing_is_fetched_from_an_unsafe_place(metadata: Any) -> None:
    """The metadata must be the tenant's and name a safe address."""
    world = world_of(jwks_of(FIRST))
    world.responses[DISCOVERY] = json_response(json.dumps(metadata))
    with pytest.raises(HttpError):
        world.run(source_of().current(world.now))
    assert world.urls == [DISCOVERY]


def test_a_resolver_replaces_all_requests() -> None:
    """Discovery is not needed either."""
    world = World()
    source = source_of(jwks_resolver=lambda: jwks_of(FIRST))
    assert key_ids(world.run(source.current(world.now))) == ["first"]
    assert world.requests == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "the jwks_resolver returned NoneType, not a mapping"),
        ([FIRST.public_jwk()], "the jwks_resolver returned list, not a mapping"),
        ('{"keys": []}', "the jwks_resolver returned str, not a mapping"),
        ({}, "the key set cannot be read: a key set is an object with an array named keys"),
        ({"keys": [OCT]}, NO_USABLE_KEY),
    ],
)
def test_a_resolver_returns_a_key_set(document: Any, message: str) -> None:
    """Anything else is as if the tenant were away."""
    world = World()
    with pytest.raises(HttpError) as caught:
        world.run(source_of(jwks_resolver=lambda: document).current(world.now))
    assert str(caught.value) == message


def test_a_resolver_may_fail() -> None:
    """That is as if the tenant were away, too."""

    def fail() -> None:
        raise RuntimeError

    world = World()
    with pytest.raises(HttpError, match=r"^the jwks_resolver failed with RuntimeError$"):
        world.run(source_of(jwks_resolver=fail).current(world.now))


def test_the_durations_come_from_the_options() -> None:
    """Those of the key set, not those of the metadata."""
    world = world_of(jwks_of(FIRST))
    source = source_of(jwks_cache_duration=10, max_stale=5, refresh_cooldown=3, metadata_cache_duration=999)
    keys = world.run(source.current(world.now))
    world.responses.clear()
    world.pass_time(7.999)
    assert source.fresh(world.now) is keys
    world.pass_time(0.001)
    assert source.fresh(world.now) is None
    world.pass_time(2.0)
    assert world.run(source.current(world.now)) is keys
    world.pass_time(2.999)
    assert world.run(source.current(world.now)) is keys
    assert world.background == {}
    world.pass_time(0.001)
    assert world.run(source.current(world.now)) is keys
    assert len(world.background) == 1
    world.pass_time(2.0)
    with pytest.raises(HttpError, match="nothing answers there"):
        world.run(source.current(world.now))
