"""The key set: where it is loaded from, and what may replace it."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Final

import pytest

from monocloud_mw.core.effects import Failure
from monocloud_mw.core.tenant.key_set import key_source
from monocloud_mw.core.tenant.last_known_good import LastKnownGood
from monocloud_mw.core.tenant.metadata import metadata_source
from monocloud_mw.errors import HttpError
from monocloud_mw.http import HttpResponse
from monocloud_mw.jose import KeySet
from monocloud_mw.options import Options

from ..fake_driver import FakeDriver, json_response
from ..keys import FIRST, SECOND, jwks_of

TENANT: Final = "https://acme.us.monocloud.com"
DISCOVERY: Final = f"{TENANT}/.well-known/openid-configuration"
JWKS_URI: Final = "https://keys.example/jwks?v=1"
METADATA: Final = json_response(json.dumps({"issuer": TENANT, "jwks_uri": JWKS_URI}))
OCT: Final = {"kty": "oct", "k": "AAAA"}
NO_USABLE_KEY: Final = "the tenant's key set contains no usable key"
WHY_NOT_OCT: Final = "key 0: its kty 'oct' does not verify signatures"
ADVICE: Final = "correct the jwks_uri at the tenant, or set jwks_resolver"


def source_of(**settings: Any) -> LastKnownGood[KeySet]:
    """Return a key set source for the tenant."""
    options = Options(**{"tenant_domain": TENANT, "audience": "api", **settings})
    return key_source(options, metadata_source(options))


def driver_of(jwks: Any) -> FakeDriver:
    """Return a driver in which the tenant publishes these keys."""
    answer = jwks if isinstance(jwks, HttpResponse) else json_response(json.dumps(jwks))
    return FakeDriver({DISCOVERY: METADATA, JWKS_URI: answer})


def key_ids(keys: KeySet) -> list[str | None]:
    """Return the ids of the keys."""
    return [key.key_id for key in keys]


def test_the_keys_are_fetched_from_the_jwks_uri() -> None:
    """Discovery is loaded first, then the key set with one GET and the response timeout."""
    driver = driver_of(jwks_of(FIRST, SECOND))
    keys = driver.run(source_of(response_timeout=7).current(driver.now))
    assert key_ids(keys) == ["first", "second"]
    assert driver.urls == [DISCOVERY, JWKS_URI]
    assert (driver.requests[1].method, driver.requests[1].timeout_seconds) == ("GET", 7.0)


def test_discovery_is_not_repeated_for_every_refresh() -> None:
    """The metadata have a lifetime of their own."""
    driver = driver_of(jwks_of(FIRST))
    source = source_of()
    for _ in range(2):
        driver.run(source.get(driver.now, reload=True))
    assert driver.urls == [DISCOVERY, JWKS_URI, JWKS_URI]


def test_keys_that_cannot_be_used_are_skipped() -> None:
    """A set with at least one usable key is valid."""
    driver = driver_of({"keys": [OCT, {}, None, {"kty": "new"}, *jwks_of(FIRST)["keys"]]})
    assert key_ids(driver.run(source_of().current(driver.now))) == ["first"]


@pytest.mark.parametrize(
    ("jwks", "message"),
    [
        ({"keys": []}, f"{NO_USABLE_KEY}: it is empty"),
        ({"keys": [OCT]}, f"{NO_USABLE_KEY}: {WHY_NOT_OCT}"),
        (
            {"keys": [None, {"kid": "a", "kty": "x"}]},
            f"{NO_USABLE_KEY}: key 0: it is not an object; "
            "key 1 (kid 'a'): its kty 'x' does not verify signatures",
        ),
        ({}, "the tenant's key set is not a JWK Set: it must be an object with an array named keys"),
        (
            {"keys": {}},
            "the tenant's key set is not a JWK Set: it must be an object with an array named keys",
        ),
        (
            {"error": "server_error"},
            "the tenant's key set is not a JWK Set: it must be an object with an array named keys",
        ),
        ([], f"'{JWKS_URI}' did not answer with a JSON object: it is an array, not an object"),
        (
            HttpResponse(status=200, body=b"<html>"),
            f"'{JWKS_URI}' did not answer with a JSON object: it is HTML or XML",
        ),
        (
            HttpResponse(status=302),
            f"'{JWKS_URI}' answered with status 302, a redirect, which is not followed",
        ),
        (HttpResponse(status=404), f"'{JWKS_URI}' answered with status 404"),
        (HttpResponse(status=503), f"'{JWKS_URI}' answered with status 503"),
    ],
)
def test_a_bad_set_never_replaces_good_keys(jwks: Any, message: str) -> None:
    """It is an error, as when the set cannot be fetched: known keys stay in use, and reload raises the
    reason.
    """
    driver = driver_of(jwks_of(FIRST))
    source = source_of()
    good = driver.run(source.current(driver.now))
    driver.responses[JWKS_URI] = jwks if isinstance(jwks, HttpResponse) else json_response(json.dumps(jwks))
    with pytest.raises(HttpError) as caught:
        driver.run(source.get(driver.now, reload=True))
    assert str(caught.value) == message
    driver.pass_time(3899.9)
    assert driver.run(source.current(driver.now)) is good


BROKEN: Final = {
    "repeated member": '{"kty":"RSA","kid":"a","kid":"b"}',
    "number out of range": '{"kty":"RSA","x":1e999}',
    "NaN": '{"kty":NaN}',
    "long integer": '{"kty":"RSA","x":' + "9" * 5000 + "}",
    "half a surrogate pair": '{"kty":"RSA","kid":"\\ud800"}',
    "deep nesting": '{"kty":"RSA","x":' + "[" * 100_000 + "]" * 100_000 + "}",
    "no object": "[[[[]]]]",
    "no value": "null",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_one_broken_key_does_not_affect_the_others(broken: str) -> None:
    """Each key is parsed on its own, in any position."""
    first, second = (json.dumps(key.public_jwk()) for key in (FIRST, SECOND))
    driver = driver_of(json_response(f'{{"keys":[{broken},{first},{broken},{second},{broken}]}}'))
    keys = driver.run(source_of().current(driver.now))
    assert key_ids(keys) == ["first", "second"]
    assert [reason.split()[1].rstrip(":") for reason in keys.skipped] == ["0", "2", "4"]


def test_flaws_outside_the_keys_are_ignored() -> None:
    """Unknown members, a byte order mark and duplicate keys are accepted; the last duplicate counts."""
    keys = json.dumps(jwks_of(FIRST)["keys"])
    driver = driver_of(json_response(f'\ufeff{{"keys":[],"x":NaN,"x":"\\ud800","keys":{keys}}}'))
    assert key_ids(driver.run(source_of().current(driver.now))) == ["first"]


@pytest.mark.parametrize("status", [404, 302])
def test_a_wrong_address_is_a_configuration_error_before_the_first_success(status: int) -> None:
    """Before the first success the error says what to change; afterwards it is an outage."""
    driver, source = driver_of(HttpResponse(status=status)), source_of()
    with pytest.raises(HttpError) as caught:
        driver.run(source.current(driver.now))
    assert (caught.value.advice, caught.value.temporary) == (ADVICE, False)
    driver.responses[JWKS_URI] = json_response(json.dumps(jwks_of(FIRST)))
    driver.run(source.get(driver.now, reload=True))
    driver.responses[JWKS_URI] = HttpResponse(status=status)
    with pytest.raises(HttpError) as caught:
        driver.run(source.get(driver.now, reload=True))
    assert (caught.value.advice, caught.value.temporary) == (None, True)


def test_skipped_keys_are_logged_once_for_each_new_set(caplog: pytest.LogCaptureFixture) -> None:
    """Position, key ID and reason are logged once per new set that has skipped keys."""

    def reload(*keys: Any) -> list[str]:
        caplog.clear()
        driver.responses[JWKS_URI] = json_response(json.dumps({"keys": keys}))
        with contextlib.suppress(HttpError):
            driver.run(source.get(driver.now, reload=True))
        assert {record.levelname for record in caplog.records} <= {"WARNING"}
        return caplog.messages

    driver, source = driver_of({}), source_of()
    first, second = FIRST.public_jwk(), SECOND.public_jwk()
    unused = {**second, "use": "enc", "kid": "e\n"}
    record = (
        "the tenant's key set contains unusable keys: "
        "key 1 (kid 'e\\n'): its use is 'enc', not 'sig'; key 2: it is not an object"
    )
    assert reload(first, unused, None) == [record]
    assert reload(first, unused, None) == []
    assert reload(second, unused, None) == [record]
    assert reload(first) == []
    assert reload(OCT) == [f"the tenant's key set contains unusable keys: {WHY_NOT_OCT}"]
    (many,) = reload(first, *[OCT] * 12)
    assert many.endswith("key 10: its kty 'oct' does not verify signatures; and 2 more")


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": TENANT},
        {"issuer": TENANT, "jwks_uri": "http://acme.example/jwks"},
        {"issuer": "https://evil.example", "jwks_uri": JWKS_URI},
    ],
)
def test_nothing_is_fetched_from_an_unsafe_url(metadata: Any) -> None:
    """The metadata must be the tenant's and have a safe URL."""
    driver = driver_of(jwks_of(FIRST))
    driver.responses[DISCOVERY] = json_response(json.dumps(metadata))
    with pytest.raises(HttpError):
        driver.run(source_of().current(driver.now))
    assert driver.urls == [DISCOVERY]


def test_a_resolver_replaces_all_requests() -> None:
    """With a resolver nothing is fetched, not even metadata."""
    driver = FakeDriver()
    source = source_of(jwks_resolver=lambda: jwks_of(FIRST))
    assert key_ids(driver.run(source.current(driver.now))) == ["first"]
    assert driver.requests == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "the jwks_resolver returned NoneType, not a mapping"),
        ([FIRST.public_jwk()], "the jwks_resolver returned list, not a mapping"),
        ('{"keys": []}', "the jwks_resolver returned str, not a mapping"),
        ({}, "the tenant's key set is not a JWK Set: it must be an object with an array named keys"),
        ({"keys": [OCT]}, f"{NO_USABLE_KEY}: {WHY_NOT_OCT}"),
    ],
)
def test_a_resolver_returns_a_key_set(document: Any, message: str) -> None:
    """Any other result is an outage."""
    driver = FakeDriver()
    with pytest.raises(HttpError) as caught:
        driver.run(source_of(jwks_resolver=lambda: document).current(driver.now))
    assert str(caught.value) == message


def test_a_resolver_may_fail() -> None:
    """An error of the resolver is an outage."""

    def fail() -> None:
        raise RuntimeError

    driver = FakeDriver()
    with pytest.raises(HttpError, match=r"^the jwks_resolver failed with RuntimeError$"):
        driver.run(source_of(jwks_resolver=fail).current(driver.now))


def test_the_durations_come_from_the_options() -> None:
    """The lifetimes are those of the key set, not of the metadata."""
    driver = driver_of(jwks_of(FIRST))
    source = source_of(jwks_cache_duration=10, max_stale=5, refresh_cooldown=3, metadata_cache_duration=999)
    keys = driver.run(source.current(driver.now))
    driver.responses.clear()
    driver.pass_time(7.999)
    assert source.fresh(driver.now) is keys
    driver.pass_time(0.001)
    assert source.fresh(driver.now) is None
    driver.pass_time(2.0)
    assert driver.run(source.current(driver.now)) is keys
    driver.pass_time(2.999)
    assert driver.run(source.current(driver.now)) is keys
    assert driver.background == {}
    driver.pass_time(0.001)
    assert driver.run(source.current(driver.now)) is keys
    assert len(driver.background) == 1
    driver.pass_time(2.0)
    with pytest.raises(HttpError, match="nothing answers there"):
        driver.run(source.current(driver.now))


MOVED: Final = "https://new.example/jwks"


def driver_after_move(old: Any) -> tuple[FakeDriver, LastKnownGood[KeySet], KeySet]:
    """Return a driver whose key set has moved since it was loaded; the old URL gives this response."""
    driver, source = driver_of(jwks_of(FIRST)), source_of()
    keys = driver.run(source.current(driver.now))
    driver.pass_time(1.0)
    driver.requests.clear()
    driver.responses[JWKS_URI] = old
    driver.responses[DISCOVERY] = json_response(json.dumps({"issuer": TENANT, "jwks_uri": MOVED}))
    driver.responses[MOVED] = json_response(json.dumps(jwks_of(SECOND)))
    return driver, source, keys


@pytest.mark.parametrize(
    "old",
    [
        json_response(json.dumps(jwks_of(FIRST))),
        HttpResponse(status=404),
        HttpResponse(status=503),
        Failure(HttpError("connection refused")),
        json_response(json.dumps({"keys": []})),
    ],
    ids=["the same keys", "404", "503", "refused", "no keys"],
)
def test_a_moved_key_set_is_found_for_an_unknown_key(old: Any) -> None:
    """If the old URL fails or has no newer keys, the discovery document is read again."""
    driver, source, keys = driver_after_move(old)
    assert key_ids(driver.run(source.newer_than(keys, driver.now))) == ["second"]
    assert driver.urls == [JWKS_URI, DISCOVERY, MOVED]


def test_new_keys_at_the_old_address_are_used() -> None:
    """If the old URL has newer keys, the discovery document is not read."""
    driver, source, keys = driver_after_move(json_response(json.dumps(jwks_of(FIRST, SECOND))))
    assert key_ids(driver.run(source.newer_than(keys, driver.now))) == ["first", "second"]
    assert driver.urls == [JWKS_URI]


@pytest.mark.parametrize(
    "discovery",
    [METADATA, Failure(HttpError("refused")), json_response(json.dumps({"issuer": "https://evil.example"}))],
    ids=["not moved", "refused", "of another issuer"],
)
@pytest.mark.parametrize("old", ["the same keys", "refused"])
def test_a_discovery_document_that_does_not_help_changes_nothing(discovery: Any, old: str) -> None:
    """The known keys stay in use, or the error is that of the key set."""
    same = json_response(json.dumps(jwks_of(FIRST)))
    driver, source, keys = driver_after_move(
        same if old == "the same keys" else Failure(HttpError("refused first"))
    )
    driver.responses[DISCOVERY] = discovery
    if old == "the same keys":
        assert key_ids(driver.run(source.newer_than(keys, driver.now))) == ["first"]
    else:
        with pytest.raises(HttpError, match="refreshing it failed: refused first"):
            driver.run(source.newer_than(keys, driver.now))
    assert driver.urls == [JWKS_URI, DISCOVERY]


def test_the_discovery_document_is_read_again_once_per_cooldown() -> None:
    """Forged key IDs cause at most one request for it per cool-down."""
    driver, source, keys = driver_after_move(json_response(json.dumps(jwks_of(FIRST))))
    driver.responses[DISCOVERY] = METADATA
    for _ in range(3):
        keys = driver.run(source.newer_than(keys, driver.now))
        driver.pass_time(20.0)
    assert driver.urls == [JWKS_URI, DISCOVERY, JWKS_URI, DISCOVERY]


def test_a_regular_refresh_does_not_read_it_again() -> None:
    """The discovery document is refreshed on its own schedule."""
    driver, source, _ = driver_after_move(HttpResponse(status=503))
    with pytest.raises(HttpError):
        driver.run(source.get(driver.now, reload=True))
    assert driver.urls == [JWKS_URI]
