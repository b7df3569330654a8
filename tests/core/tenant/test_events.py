"""Events about the tenant's documents and its introspection endpoint."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final

import pytest

from monocloud_mw.core.effects import Failure
from monocloud_mw.core.tenant.circuit_breaker import THRESHOLD
from monocloud_mw.core.tenant.tenant import Tenant
from monocloud_mw.core.token.introspection import Introspection
from monocloud_mw.errors import HttpError, MonoCloudError
from monocloud_mw.events import (
    CircuitClosed,
    CircuitOpened,
    Event,
    KeysRefreshed,
    KeysRefused,
    RefreshFailed,
    ServingStale,
    TokenIntrospected,
)
from monocloud_mw.http import HttpResponse
from monocloud_mw.jose import SigningKey
from monocloud_mw.options import Options

from ..fake_driver import FakeDriver, json_response
from ..keys import jwks_of

ISSUER: Final = "https://acme.us.monocloud.com"
DISCOVERY: Final = f"{ISSUER}/.well-known/openid-configuration"
KEYS: Final = f"{ISSUER}/jwks"
ENDPOINT: Final = f"{ISSUER}/introspect"
METADATA: Final = json.dumps({"issuer": ISSUER, "jwks_uri": KEYS, "introspection_endpoint": ENDPOINT})
GOOD: Final = jwks_of(SigningKey.generate("ES256", "a"))
SKIPPED: Final = {"keys": [*GOOD["keys"], {"kty": "XX", "kid": "b"}]}
AWAY: Final = Failure(HttpError("away", status=503))


def _observe(_event: Event) -> None: ...


def _options(**settings: Any) -> Options:
    return Options(tenant_domain=ISSUER, audience="api", client_id="api", client_secret="s", **settings)


class Observed:
    """A tenant whose events are observed."""

    def __init__(self, keys: Any, *, observer: Any = _observe) -> None:
        options = _options(observer=observer)
        self.driver = FakeDriver({DISCOVERY: json_response(METADATA), KEYS: keys})
        self.tenant = Tenant(options)
        self.introspection = Introspection(options, self.tenant)

    def load(self) -> list[Event]:
        """Load the key set if it is due and return the events."""
        before = len(self.driver.events)
        with suppress(MonoCloudError):
            self.driver.run(self.tenant.keys.current(self.driver.now))
        self.driver.run_background()
        return self.driver.events[before:]

    def introspect(self, token: str, answer: Any) -> list[Event]:
        """Introspect a token and return the events."""
        before = len(self.driver.events)
        self.driver.responses[ENDPOINT] = answer
        with suppress(MonoCloudError):
            self.driver.run(self.introspection.claims(token))
        return self.driver.events[before:]


def _body(document: Any) -> HttpResponse:
    return json_response(json.dumps(document))


def test_a_key_set_that_was_loaded() -> None:
    """The event has the number of usable keys."""
    assert Observed(_body(GOOD)).load() == [KeysRefreshed(usable=1, skipped=0, seconds=0.0)]


def test_a_key_that_is_skipped() -> None:
    """A skipped key gives one event per new key set."""
    observed = Observed(_body(SKIPPED))
    refused, refreshed = observed.load()
    assert isinstance(refused, KeysRefused)
    assert refused.problem.startswith("unusable keys: ")
    assert refreshed == KeysRefreshed(usable=1, skipped=1, seconds=0.0)
    observed.driver.pass_time(299)
    assert observed.load() == [refreshed]


@pytest.mark.parametrize("document", [{"keys": []}, {"keys": 5}, {"keys": [{"kty": "XX"}]}])
def test_a_key_set_that_must_not_replace_good_keys(document: Any) -> None:
    """The set is refused and the known keys stay in use."""
    observed = Observed(_body(GOOD))
    observed.load()
    observed.driver.pass_time(299)
    observed.driver.responses[KEYS] = _body(document)
    *skipped, refused, failed, serving = observed.load()
    assert [type(event) for event in skipped] == [KeysRefused] * (document == {"keys": [{"kty": "XX"}]})
    assert isinstance(refused, KeysRefused)
    assert failed == RefreshFailed(document="key set", problem=refused.problem, status=200)
    assert serving == ServingStale(document="key set", age_seconds=299.0)


def test_a_refresh_that_failed() -> None:
    """The event says what is served meanwhile, once per attempt."""
    observed = Observed(_body(GOOD))
    observed.load()
    observed.driver.pass_time(299)
    observed.driver.responses[KEYS] = AWAY
    failed = RefreshFailed(document="key set", problem="away", status=503)
    assert observed.load() == [failed, ServingStale(document="key set", age_seconds=299.0)]
    assert observed.load() == []
    assert Observed(AWAY).load() == [failed]


def test_a_failed_discovery() -> None:
    """A failed discovery has its own event; there is then no key set."""
    observed = Observed(_body(GOOD))
    observed.driver.responses[DISCOVERY] = AWAY
    assert [event.document for event in observed.load() if isinstance(event, RefreshFailed)] == [
        "discovery document",
        "key set",
    ]


def test_a_refresh_that_was_interrupted_has_not_failed() -> None:
    """A refresh that was interrupted, because the process stopped, is not reported as failed."""
    observed = Observed(_body(GOOD))
    observed.load()
    observed.driver.pass_time(299)

    def late(_request: object) -> Failure:
        observed.driver.pass_time(60)
        return AWAY

    observed.driver.responses[KEYS] = late
    told = observed.load()
    assert told == [] or isinstance(told[0], RefreshFailed)  # the second time in a row it counts as a failure


def test_without_an_observer_there_are_no_events() -> None:
    """Without an observer no events are created."""
    observed = Observed(_body(GOOD), observer=None)
    assert observed.load() == []
    observed.driver.pass_time(299)
    observed.driver.responses[KEYS] = AWAY
    assert observed.load() == []
    assert observed.introspect("t", json_response('{"active":true}')) == []
    assert observed.introspect("u", AWAY) == []


def test_introspection_and_its_circuit() -> None:
    """There is an event for each response and when the circuit opens and closes."""
    observed = Observed(_body(GOOD))
    active, inactive = json_response('{"active":true}'), json_response('{"active":false}')
    assert observed.introspect("a", active) == [TokenIntrospected(outcome="active", seconds=0.0)]
    assert observed.introspect("b", inactive) == [TokenIntrospected(outcome="inactive", seconds=0.0)]
    no_answer = Failure(HttpError("no answer"))
    told = [event for number in range(THRESHOLD) for event in observed.introspect(f"c{number}", no_answer)]
    assert told == [
        *[TokenIntrospected(outcome="failed", seconds=0.0)] * THRESHOLD,
        CircuitOpened(problem="no answer"),
    ]
    observed.driver.pass_time(30)
    assert observed.introspect("a", active) == [
        TokenIntrospected(outcome="active", seconds=0.0),
        CircuitClosed(),
    ]
    refused = json_response('{"error":"invalid_client"}', 401)
    assert observed.introspect("d", refused) == [TokenIntrospected(outcome="failed", seconds=0.0)]
