"""Introspection: the request of each method, all responses, the cache and the circuit breaker."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.core.effects import CacheDelete, CacheGet, CacheSet, Failure, RunOnce
from monocloud_mw.core.tenant.circuit_breaker import MAX_PAUSE_SECONDS, MIN_FAILURES, THRESHOLD
from monocloud_mw.core.tenant.http_json import MAX_BODY_BYTES
from monocloud_mw.core.tenant.tenant import Tenant
from monocloud_mw.core.token.cache_key import token_cache_key
from monocloud_mw.core.token.introspection import Introspection
from monocloud_mw.errors import (
    ConfigurationError,
    HttpError,
    MonoCloudError,
    OAuthResponseError,
    Reason,
    TokenError,
)
from monocloud_mw.frozen import FrozenDict, freeze
from monocloud_mw.http import HttpRequest, HttpResponse
from monocloud_mw.options import Options

from ...test_frozen import JSON
from ..fake_driver import FakeDriver, json_response, result_of, step
from ..keys import FIRST

TENANT: Final = "https://acme.us.monocloud.com"
DISCOVERY: Final = f"{TENANT}/.well-known/openid-configuration"
ENDPOINT: Final = f"{TENANT}/connect/introspect"
ALIAS: Final = "https://mtls.acme.example/introspect"
STORE_ALIAS: Final = "https://store.acme.example/introspect"
METADATA: Final[dict[str, Any]] = {
    "issuer": TENANT,
    "introspection_endpoint": ENDPOINT,
    "mtls_endpoint_aliases": {"introspection_endpoint": ALIAS},
    "mtls_additional_endpoint_aliases": {"store-1": {"introspection_endpoint": STORE_ALIAS}},
}
ACTIVE: Final = {"active": True, "sub": "user-1", "groups": ["admins"]}
TOKEN: Final = "opaque-t0ken"


class Cache:
    """A cache whose effects the driver performs."""

    get = set = delete = print


class Harness(FakeDriver):
    """A tenant with an introspection endpoint, and a client."""

    def __init__(self, answer: Any = None, metadata: Any = None, **settings: Any) -> None:
        answer = json_response(json.dumps(ACTIVE)) if answer is None else answer
        super().__init__(
            {
                DISCOVERY: json_response(json.dumps(METADATA if metadata is None else metadata)),
                **dict.fromkeys((ENDPOINT, ALIAS, STORE_ALIAS), answer),
            }
        )
        client = {"client_id": "client-1", "client_secret": "s3cr3t"}
        self.options = Options(**{"tenant_domain": TENANT, "audience": "api", **client, **settings})
        self.introspection = Introspection(self.options, Tenant(self.options))

    def ask(self, token: str = TOKEN) -> Any:
        """Introspect a token."""
        return self.run(self.introspection.claims(token))

    def error(self, token: str = TOKEN) -> MonoCloudError:
        """Return the error of an introspection."""
        with pytest.raises(MonoCloudError) as caught:
            self.ask(token)
        return caught.value

    @property
    def asked(self) -> list[str]:
        """The tokens that were introspected."""
        return [
            parse_qs((request.body or b"").decode())["token"][0]
            for request in self.requests
            if request.url != DISCOVERY
        ]


# -- The request ------------------------------------------------------------------------------------------

SIGNED: Final = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion="
FORM: Final = f"token={TOKEN}&token_type_hint=access_token"


@pytest.mark.parametrize(
    ("settings", "url", "body", "authorization"),
    [
        (
            {"client_auth_method": "client_secret_basic"},
            ENDPOINT,
            FORM,
            "Basic Y2xpZW50LTE6czNjcjN0",
        ),
        ({}, ENDPOINT, f"{FORM}&client_id=client-1&client_secret=s3cr3t", None),
        (
            {"client_auth_method": "client_secret_jwt"},
            ENDPOINT,
            f"{FORM}&client_id=client-1&client_assertion_type={SIGNED}",
            None,
        ),
        (
            {"client_auth_method": "private_key_jwt", "client_secret": FIRST},
            ENDPOINT,
            f"{FORM}&client_id=client-1&client_assertion_type={SIGNED}",
            None,
        ),
        (
            {"client_auth_method": "spiffe_jwt", "client_secret": "sv.i.d"},
            ENDPOINT,
            f"{FORM}&client_id=client-1&client_assertion_type="
            "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-spiffe&client_assertion=sv.i.d",
            None,
        ),
        *(
            (
                {"client_auth_method": method, "client_secret": None, "fetcher": print, **store},
                url,
                f"{FORM}&client_id=client-1",
                None,
            )
            for method in ("tls_client_auth", "self_signed_tls_client_auth", "spiffe_x509")
            for store, url in (({}, ALIAS), ({"trust_store_id": "store-1"}, STORE_ALIAS))
        ),
    ],
)
def test_the_request_of_each_method(settings: Any, url: str, body: str, authorization: str | None) -> None:
    """A form is sent to the right endpoint, with the method's credentials (RFC 7662 section 2.1)."""
    harness = Harness(**settings, response_timeout=7)
    harness.ask()
    request = harness.requests[-1]
    assert (request.method, request.url, request.timeout_seconds) == ("POST", url, 7.0)
    assert request.max_body_bytes == MAX_BODY_BYTES
    assert request.mutual_tls is (url != ENDPOINT)
    expected = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
    if authorization is not None:
        expected["authorization"] = authorization
    assert dict(request.headers) == expected
    assert request.body is not None
    sent = request.body.decode("ascii")
    if body.endswith("client_assertion="):
        sent, _, assertion = sent.partition("&client_assertion=")
        assert f"{sent}&client_assertion=" == body
        assert assertion.count(".") == 2
    else:
        assert sent == body


@pytest.mark.parametrize("token", ["a+b/c=", "a b&client_id=evil", "\u00fc\u20ac", "a\r\nb", "\ud800"])
def test_any_token_is_one_form_field(token: str) -> None:
    """A token cannot add form fields, and any text can be introspected."""
    harness = Harness()
    harness.ask(token)
    body = harness.requests[-1].body
    assert body is not None
    first, *others = body.decode("ascii").split("&")
    assert first == "token=" + quote_plus(token.encode("utf-8", "surrogatepass"))
    assert others == ["token_type_hint=access_token", "client_id=client-1", "client_secret=s3cr3t"]


@pytest.mark.parametrize(
    "endpoint",
    ["https://other.example/introspect", f"{TENANT}:8443/a//b/../c?x=%2f&y", "HTTPS://Acme.Example/I/"],
)
def test_the_endpoint_is_used_byte_for_byte(endpoint: str) -> None:
    """Unusual but legal URLs are used unchanged."""
    harness = Harness(metadata={**METADATA, "introspection_endpoint": endpoint})
    harness.responses[endpoint] = json_response(json.dumps(ACTIVE))
    harness.ask()
    assert harness.urls == [DISCOVERY, endpoint]


CERTIFICATE: Final = {"client_auth_method": "tls_client_auth", "client_secret": None, "fetcher": print}


@pytest.mark.parametrize(
    ("settings", "metadata", "place"),
    [
        ({}, {"issuer": TENANT}, "the discovery document"),
        (CERTIFICATE, {**METADATA, "mtls_endpoint_aliases": {}}, "mtls_endpoint_aliases"),
        (CERTIFICATE, {**METADATA, "mtls_endpoint_aliases": None}, "mtls_endpoint_aliases"),
        (CERTIFICATE, {**METADATA, "mtls_endpoint_aliases": [ALIAS]}, "mtls_endpoint_aliases"),
        (
            {**CERTIFICATE, "trust_store_id": "other"},
            METADATA,
            "mtls_additional_endpoint_aliases['other']",
        ),
        (
            {**CERTIFICATE, "trust_store_id": "store-1"},
            {**METADATA, "mtls_additional_endpoint_aliases": ["store-1"]},
            "mtls_additional_endpoint_aliases['store-1']",
        ),
        ({}, {**METADATA, "introspection_endpoint": None}, "the discovery document"),
    ],
)
def test_there_is_no_fallback_to_another_endpoint(settings: Any, metadata: Any, place: str) -> None:
    """Another endpoint would refuse the client for unclear reasons, so nothing is sent there."""
    harness = Harness(metadata=metadata, **settings)
    method = settings.get("client_auth_method", "client_secret_post")
    error = harness.error()
    assert isinstance(error, ConfigurationError)
    assert str(error) == (
        f"client_auth_method (MONOCLOUD_BACKEND_CLIENT_AUTH_METHOD): {method} "
        f"needs an introspection_endpoint in {place} of the tenant, which has none "
        "(client 'client-1')"
    )
    assert harness.urls == [DISCOVERY]


@pytest.mark.parametrize("endpoint", [5, {}, "http://acme.example/", "https://u:p@acme.example/"])
def test_an_unsafe_endpoint_gets_no_token(endpoint: Any) -> None:
    """The tenant's metadata cannot name an unsafe endpoint."""
    harness = Harness(metadata={**METADATA, "introspection_endpoint": endpoint})
    error = harness.error()
    assert isinstance(error, HttpError)
    assert not error.temporary
    assert harness.urls == [DISCOVERY]


# -- The response -----------------------------------------------------------------------------------------


def test_an_active_token_has_claims() -> None:
    """Claims are read-only, with groups from the configured claim."""
    claims = Harness(json_response('{"active": true, "roles": ["b"], "cnf": {}}'), groups_claim="roles").ask()
    assert claims == {"active": True, "roles": ["b"], "cnf": {}}
    assert claims.groups == ("b",)
    assert isinstance(claims["cnf"], FrozenDict)


@pytest.mark.parametrize("body", ['{"active": false}', '{"active": false, "sub": "user-1", "aud": "api"}'])
def test_an_inactive_token_is_refused(body: str) -> None:
    """The reason is one for revoked, expired and unknown tokens; other members are ignored."""
    error = Harness(json_response(body)).error()
    assert isinstance(error, TokenError)
    assert (error.reason, error.code) == (Reason.INACTIVE, "inactive_token")


@pytest.mark.parametrize(
    "active", ["absent", None, 0, 1, 1.0, "true", "TRUE", "", [True], {"active": True}], ids=repr
)
def test_active_is_the_json_value_true(active: Any) -> None:
    """Values that are merely truthy are not a valid response."""
    body = {"sub": "user-1"} if active == "absent" else {"active": active, "sub": "user-1"}
    error = Harness(json_response(json.dumps(body))).error()
    assert isinstance(error, HttpError)
    assert str(error) == f"the response of '{ENDPOINT}' has no boolean member active"
    assert error.status == 200


ADVICE: Final = "correct the introspection_endpoint at the tenant"
NO_OBJECT: Final = f"'{ENDPOINT}' did not answer with a JSON object"


@pytest.mark.parametrize(
    ("answer", "message", "status"),
    [
        (HttpResponse(status=204), f"'{ENDPOINT}' answered with status 204", 204),
        (
            HttpResponse(status=302, headers={"location": f"https://acme.example/?token={TOKEN}"}),
            f"'{ENDPOINT}' answered with status 302, a redirect, which is not followed; {ADVICE}",
            302,
        ),
        (HttpResponse(status=404), f"'{ENDPOINT}' answered with status 404; {ADVICE}", 404),
        (HttpResponse(status=429), f"'{ENDPOINT}' answered with status 429", 429),
        (HttpResponse(status=500), f"'{ENDPOINT}' answered with status 500", 500),
        (json_response(json.dumps(ACTIVE), 201), f"'{ENDPOINT}' answered with status 201", 201),
        (HttpResponse(status=200), f"{NO_OBJECT}: it is empty", 200),
        (json_response("<html>"), f"{NO_OBJECT}: it is HTML or XML", 200),
        (json_response("[true]"), f"{NO_OBJECT}: it is an array, not an object", 200),
        (
            json_response('{"active": true, "active": true}'),
            f"{NO_OBJECT}: it repeats active, or a name in it",
            200,
        ),
        (json_response(" " * MAX_BODY_BYTES + "{}"), f"'{ENDPOINT}' sent more than 1048576 bytes", 200),
        (Failure(HttpError("no answer in time")), "no answer in time", None),
    ],
)
def test_invalid_responses(answer: Any, message: str, status: int | None) -> None:
    """An invalid response is an outage."""
    error = Harness(answer).error()
    assert isinstance(error, HttpError)
    assert (str(error), error.status) == (message, status)


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    ("body", "code", "description"),
    [
        ('{"error": "invalid_client"}', "invalid_client", None),
        (
            '{"error": "invalid_client", "error_description": "No such client"}',
            "invalid_client",
            "No such client",
        ),
        ('{"error": "a\\nb", "error_description": "\\u001b[0m"}', "'a\\nb'", "'\\x1b[0m'"),
        ('{"error": "", "error_description": "say \\"x\\""}', "''", "'say \"x\"'"),
        ('{"error": 5, "error_description": ["x"]}', None, None),
        ('{"active": true}', None, None),
        ("", None, None),
        ("<html>", None, None),
        ("[]", None, None),
    ],
)
def test_the_tenant_refuses_our_client(
    status: int, body: str, code: str | None, description: str | None
) -> None:
    """The error names client, method and endpoint, and escapes the tenant's text."""
    error = Harness(json_response(body, status)).error()
    assert isinstance(error, OAuthResponseError)
    assert (error.error, error.error_description, error.status) == (code, description, status)
    assert str(error) == (
        f"'{ENDPOINT}' rejected client 'client-1' with client_secret_post: "
        f"{code or 'no error code'} (status {status})"
    )


def test_a_long_error_text_is_cut() -> None:
    """The tenant's text in the log is cut."""
    error = Harness(json_response(json.dumps({"error": "x" * 201}), 400)).error()
    assert isinstance(error, OAuthResponseError)
    assert error.error == "'" + "x" * 79 + "...'"


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500])
def test_no_error_shows_the_token_or_the_secret(status: int) -> None:
    """Errors do not contain the token or the secret, even if the tenant returns them."""
    error = Harness(json_response(json.dumps({"x": f"{TOKEN} s3cr3t"}), status)).error()
    shown = f"{error!r} {error} {vars(error)}"
    assert TOKEN not in shown
    assert "s3cr3t" not in shown


@given(JSON, st.sampled_from([200, 400, 401, 403, 500]))
def test_no_answer_escapes_the_documented_errors(body: Any, status: int) -> None:
    """Any JSON value gives claims or a documented error, and claims only if ``active`` is ``true``."""
    harness = Harness(json_response(json.dumps(body), status))
    claims = None
    try:
        claims = harness.ask()
    except (TokenError, HttpError, OAuthResponseError):
        return
    assert claims["active"] is True
    assert status == 200


@pytest.mark.parametrize("cache", [None, Cache()], ids=["asked", "cached"])
@pytest.mark.parametrize(
    "member",
    [{"token_type": "refresh_token"}, {"token_type": "DPoP"}, {"token_use": "id"}, {"typ": "Refresh"}],
)
def test_another_kind_of_token(member: dict[str, str], cache: Any) -> None:
    """A refresh token can be active as well; cached responses are checked again."""
    harness = Harness(json_response(json.dumps(ACTIVE | member)), cache=cache)
    for _ in range(2):
        error = harness.error()
        assert isinstance(error, TokenError)
        assert error.reason is Reason.WRONG_TYPE


# -- Shared requests --------------------------------------------------------------------------------------


def test_concurrent_questions_about_one_token_are_one() -> None:
    """Concurrent introspections of a token share a key, which is a digest of the token."""
    harness = Harness()
    shares = [step(harness.introspection.claims(token)) for token in (TOKEN, TOKEN, "other")]
    keys = [share.key for share in shares if isinstance(share, RunOnce)]
    assert keys[0] == keys[1] != keys[2]
    name = token_cache_key("introspection", harness.options)(TOKEN).hex()
    assert keys[0] == ("introspection", name, 0)
    assert all(TOKEN not in repr(share) for share in shares)


def test_without_a_cache_every_question_is_asked() -> None:
    """Without a cache there are no cache effects either."""
    harness = Harness()
    harness.ask()
    harness.ask()
    assert harness.asked == [TOKEN, TOKEN]
    assert not [effect for effect in harness.effects if isinstance(effect, (CacheGet, CacheSet))]


def test_a_cache_duration_of_zero_turns_the_cache_off() -> None:
    """A duration of zero turns the cache off."""
    harness = Harness(cache=Cache(), introspection_cache_duration=0)
    harness.ask()
    harness.ask()
    assert harness.asked == [TOKEN, TOKEN]
    assert harness.cache == {}


def test_metadata_that_cannot_be_loaded() -> None:
    """Without metadata the endpoint is unknown."""
    harness = Harness()
    del harness.responses[DISCOVERY]
    assert str(harness.error()) == "nothing answers there"


# -- The claims cache -------------------------------------------------------------------------------------


def test_an_answer_is_remembered() -> None:
    """A response is stored at once and unchanged, for the configured duration."""
    harness = Harness(cache=Cache(), introspection_cache_duration=120)
    first = harness.ask()
    (key,) = harness.cache
    assert harness.cache == {key: ACTIVE | {"groups": ["admins"]}}
    assert harness.expiries == {key: harness.now.unix + 120}
    assert harness.ask() == first
    assert harness.asked == [TOKEN]


def test_a_response_that_arrives_during_a_request_is_used() -> None:
    """The request found nothing in the cache and no other request to join."""
    harness = Harness(cache=Cache())
    late = harness.introspection.claims(TOKEN)
    assert isinstance(step(late), CacheGet)
    share = step(late)  # the cache was empty
    assert isinstance(share, RunOnce)
    harness.ask()
    assert harness.run(share.start(harness.now)) == harness.ask()
    assert harness.asked == [TOKEN]


def test_an_inactive_answer_is_remembered() -> None:
    """An inactive response is stored without other members; a hit is refused like a new response."""
    harness = Harness(json_response('{"active": false, "sub": "x", "exp": 1}'), cache=Cache())
    for _ in range(2):
        error = harness.error()
        assert isinstance(error, TokenError)
        assert error.reason is Reason.INACTIVE
    (key,) = harness.cache
    assert harness.cache[key] == {"active": False}
    assert harness.asked == [TOKEN]


@pytest.mark.parametrize(("duration", "remembered_for"), [(1, 1), (15, 15), (300, 15), (86_400, 15)])
def test_an_inactive_answer_is_remembered_for_a_short_time(duration: float, remembered_for: float) -> None:
    """An inactive response is stored for seconds, whatever its expiry, so made-up tokens do not fill the
    cache.
    """
    answer = json_response(json.dumps({"active": False, "exp": 9_999_999_999}))
    harness = Harness(answer, cache=Cache(), introspection_cache_duration=duration)
    harness.error()
    assert list(harness.expiries.values()) == [harness.now.unix + remembered_for]


@pytest.mark.parametrize(
    ("expires_in", "remembered_for"),
    [(10, 10), (299.5, 299.5), (300, 300), (301, 300), (10**30, 300), (-5, -5)],
)
def test_no_entry_outlives_the_token(expires_in: float, remembered_for: float) -> None:
    """The entry expires at min(exp, now + duration)."""
    harness = Harness(cache=Cache())
    answer = {**ACTIVE, "exp": int(harness.now.unix) + expires_in}
    harness.responses[ENDPOINT] = json_response(json.dumps(answer))
    harness.ask()
    assert list(harness.expiries.values()) == [harness.now.unix + remembered_for]


@pytest.mark.parametrize("expiry", [None, True, False, "1", [1], {}])
def test_an_expiry_that_is_not_a_number_is_ignored(expiry: Any) -> None:
    """The claim is refused by its check; the cache ignores it."""
    harness = Harness(json_response(json.dumps({**ACTIVE, "exp": expiry})), cache=Cache())
    harness.ask()
    assert list(harness.expiries.values()) == [harness.now.unix + 300]


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(status=500),
        HttpResponse(status=401),
        json_response("{}"),
        Failure(HttpError("no answer in time")),
    ],
    ids=["500", "401", "nonsense", "no answer"],
)
def test_a_failure_is_not_remembered(answer: Any) -> None:
    """Only responses are stored."""
    harness = Harness(answer, cache=Cache())
    harness.error()
    assert harness.cache == {}


@pytest.mark.parametrize(
    "entry",
    [
        None,
        5,
        "text",
        b'{"active": true}',
        [],
        ["active"],
        {},
        {"active": 1},
        {"active": "true"},
        {"active": None},
    ],
    ids=repr,
)
def test_an_invalid_entry_is_a_miss(entry: Any) -> None:
    """The token is introspected and the entry replaced."""
    harness = Harness(cache=Cache())
    harness.ask()
    (key,) = harness.cache
    harness.cache[key] = entry
    assert harness.ask()["sub"] == "user-1"
    assert harness.asked == [TOKEN, TOKEN]
    assert harness.cache[key] == freeze(ACTIVE)


def test_the_object_of_a_cache_is_copied() -> None:
    """Changes of the object that a custom cache returns do not change the claims."""
    harness = Harness(cache=Cache())
    harness.ask()
    (key,) = harness.cache
    entry = {"active": True, "cnf": {"jkt": "x"}}
    harness.cache[key] = entry
    claims = harness.ask()
    assert claims == entry
    assert isinstance(claims["cnf"], FrozenDict)


def test_a_cache_hit_needs_no_tenant() -> None:
    """A cache hit needs neither the endpoint nor the metadata."""
    harness = Harness(cache=Cache())
    harness.ask()
    other = Harness(cache=Cache())
    other.cache = harness.cache
    other.responses.clear()
    assert other.ask()["sub"] == "user-1"
    assert other.requests == []


# -- The circuit breaker ----------------------------------------------------------------------------------

TIMEOUT: Final = Failure(HttpError("no answer in time"))


def test_a_hanging_tenant_opens_the_circuit() -> None:
    """After some failures in a row requests fail at once; after a pause one of them probes."""
    harness = Harness(TIMEOUT)
    for number in range(THRESHOLD):
        assert str(harness.error(f"token {number}")) == "no answer in time"
    assert len(harness.asked) == THRESHOLD
    assert str(harness.error("another")) == "no answer in time"
    assert len(harness.asked) == THRESHOLD
    harness.pass_time(MAX_PAUSE_SECONDS)
    harness.error()
    harness.error()
    assert len(harness.asked) == THRESHOLD + 1
    harness.pass_time(MAX_PAUSE_SECONDS)
    harness.responses[ENDPOINT] = json_response(json.dumps(ACTIVE))
    assert [harness.ask(f"token {number}")["sub"] for number in range(3)] == ["user-1"] * 3


def test_the_pause_begins_when_the_failure_is_known() -> None:
    """The clock is read again after the failure, since a timeout takes long."""
    harness = Harness()

    def hang(_request: object) -> Failure:
        harness.pass_time(60.0)
        return TIMEOUT

    harness.responses[ENDPOINT] = hang
    for _ in range(THRESHOLD):
        harness.error()
    harness.pass_time(MAX_PAUSE_SECONDS - 0.001)
    harness.error()
    assert len(harness.asked) == THRESHOLD
    harness.pass_time(0.001)
    harness.error()
    assert len(harness.asked) == THRESHOLD + 1


def fails_for(poison: str) -> Callable[[HttpRequest], Any]:
    """Return a tenant that always fails for one token."""

    def answer(request: HttpRequest) -> HttpResponse:
        asked = parse_qs((request.body or b"").decode())["token"][0]
        return HttpResponse(status=500) if asked == poison else json_response(json.dumps(ACTIVE))

    return answer


def test_a_token_that_makes_introspection_fail_affects_no_other() -> None:
    """The token is refused at once when repeated; other tokens are introspected."""
    harness = Harness(fails_for("poison"))
    for _ in range(3 * THRESHOLD):
        assert "status 500" in str(harness.error("poison"))
    assert harness.asked == ["poison"] * THRESHOLD
    assert harness.ask("another")["sub"] == "user-1"


def test_a_token_that_makes_introspection_fail_does_not_prolong_an_outage() -> None:
    """It may be presented more often than all others, but does not probe twice in a row."""
    harness = Harness(TIMEOUT)
    for number in range(THRESHOLD):
        harness.error(f"token {number}")
    harness.responses[ENDPOINT] = fails_for("poison")
    harness.pass_time(MAX_PAUSE_SECONDS)
    assert "status 500" in str(harness.error("poison"))
    harness.error("another")
    harness.pass_time(MAX_PAUSE_SECONDS)
    harness.error("poison")
    assert harness.asked[THRESHOLD:] == ["poison"]
    assert harness.ask("another")["sub"] == "user-1"
    assert harness.ask("and another")["sub"] == "user-1"


@pytest.mark.parametrize("status", [429, 500])
def test_made_up_tokens_that_fail_affect_no_others(status: int) -> None:
    """At twice the rate of other tokens, made-up ones stop none of them."""
    harness = Harness(
        lambda request: (
            HttpResponse(status=status) if b"made-up" in request.body else json_response(json.dumps(ACTIVE))
        )
    )
    for number in range(149):
        for name in "ab":
            assert f"status {status}" in str(harness.error(f"made-up-{number}-{name}"))
        assert harness.ask(f"good {number}")["sub"] == "user-1"
        harness.pass_time(0.5)
    assert len(harness.asked) == 3 * 149


def test_a_tenant_that_fails_at_all_tokens_is_an_outage() -> None:
    """If all tokens fail, responses open the circuit too."""
    harness = Harness(HttpResponse(status=500))
    for number in range(3 * MIN_FAILURES):
        assert "status 500" in str(harness.error(f"token {number}"))
    assert len(harness.asked) == MIN_FAILURES


def test_retry_after_is_respected() -> None:
    """``Retry-After`` applies to the token, and to all if nothing succeeds; callers get the remaining
    time.
    """
    harness = Harness(HttpResponse(status=429, headers={"retry-after": "20"}))
    for number in range(2 * THRESHOLD):
        harness.error(f"token {number}")
        harness.error(f"token {number}")
    assert len(harness.asked) == THRESHOLD
    harness.pass_time(12)
    error = harness.error("another")
    assert isinstance(error, HttpError)
    assert (error.retry_after, len(harness.asked)) == (8.0, THRESHOLD)
    harness.pass_time(8)
    harness.responses[ENDPOINT] = json_response(json.dumps(ACTIVE))
    assert harness.ask("another")["sub"] == "user-1"


def test_a_request_that_was_never_sent_says_nothing_about_the_tenant() -> None:
    """With no free connection in this process, the circuit neither opens nor closes."""
    harness = Harness(Failure(HttpError("all connections are in use", local=True)))
    for number in range(3 * THRESHOLD):
        error = harness.error(f"token {number}")
        assert isinstance(error, HttpError)
        assert error.local
    assert len(harness.asked) == 3 * THRESHOLD
    harness.responses[ENDPOINT] = TIMEOUT
    for number in range(THRESHOLD):
        harness.error(f"token {number}")
    assert str(harness.error("another")) == "no answer in time"


def test_the_circuit_knows_tokens_by_their_digest() -> None:
    """The circuit outlives requests, so it stores digests."""
    harness = Harness(TIMEOUT)
    harness.error()
    assert TOKEN not in repr(vars(harness.introspection._circuit))


def test_cached_answers_pass_an_open_circuit() -> None:
    """Cached responses need no request."""
    harness = Harness(cache=Cache())
    harness.ask()
    harness.responses[ENDPOINT] = TIMEOUT
    for number in range(THRESHOLD):
        harness.error(f"token {number}")
    assert harness.ask()["sub"] == "user-1"


@pytest.mark.parametrize(
    ("answer", "opens"),
    [
        (TIMEOUT, THRESHOLD),
        (HttpResponse(status=500), MIN_FAILURES),
        (HttpResponse(status=429), MIN_FAILURES),
        (HttpResponse(status=429, headers={"retry-after": "9"}), THRESHOLD),
        (json_response("<html>"), MIN_FAILURES),
        (HttpResponse(status=404), None),
        (HttpResponse(status=400), None),
        (HttpResponse(status=401), None),
        (json_response('{"active": false}'), None),
    ],
)
def test_which_failures_open_the_circuit(answer: Any, opens: int | None) -> None:
    """A refusal is a response of a working server and does not open the circuit."""
    harness = Harness(answer)
    for number in range(2 * MIN_FAILURES):
        harness.error(f"token {number}")
    assert len(harness.asked) == (opens or 2 * MIN_FAILURES)


@pytest.mark.parametrize(
    "answer", [HttpResponse(status=401), HttpResponse(status=404), json_response('{"active": false}')]
)
def test_a_server_that_answers_again_closes_the_circuit(answer: HttpResponse) -> None:
    """Even a refusal closes the circuit, so that the current error is reported."""
    harness = Harness(TIMEOUT)
    for _ in range(THRESHOLD):
        harness.error()
    harness.pass_time(MAX_PAUSE_SECONDS)
    harness.responses[ENDPOINT] = answer
    for _ in range(3):
        assert "no answer in time" not in str(harness.error())


def test_a_tenant_without_metadata_is_no_reason_to_open_the_circuit() -> None:
    """Failed metadata have a cool-down of their own."""
    harness = Harness()
    document = harness.responses.pop(DISCOVERY)
    for _ in range(THRESHOLD):
        harness.error()
    harness.responses[DISCOVERY] = document
    harness.pass_time(30.0)
    assert harness.ask()["sub"] == "user-1"


# -- Forgetting a token -----------------------------------------------------------------------------------


@pytest.mark.parametrize("duration", [0, 300])
def test_a_forgotten_token_is_asked_about_again(duration: float) -> None:
    """Its entry is removed from the cache, whoever wrote it; entries of other tokens stay."""
    harness = Harness(cache=Cache(), introspection_cache_duration=duration)
    harness.ask()
    harness.ask("other")
    before = dict(harness.cache)
    harness.run(harness.introspection.forget(TOKEN))
    assert [effect for effect in harness.effects if isinstance(effect, CacheDelete)] == [
        CacheDelete(harness.introspection._digest(TOKEN).hex())
    ]
    assert harness.cache == {key: value for key, value in before.items() if key == list(before)[-1]}
    harness.ask()
    assert harness.asked.count(TOKEN) == 2


def test_without_a_cache_there_is_nothing_to_remove() -> None:
    """Without a cache there is no cache effect."""
    harness = Harness()
    harness.run(harness.introspection.forget(TOKEN))
    assert harness.effects == []


def test_a_cache_that_cannot_delete_is_an_error() -> None:
    """Otherwise the developer would take the revoked token for removed."""
    flow = Harness(cache=Cache()).introspection.forget(TOKEN)
    assert isinstance(step(flow), CacheDelete)
    with pytest.raises(MonoCloudError, match="it may still be there"):
        result_of(flow, Failure(MonoCloudError("it may still be there")))


def test_a_response_from_before_is_neither_stored_nor_shared() -> None:
    """A response from before may be older than the revocation, so later requests introspect again."""
    harness = Harness(cache=Cache())
    early = harness.introspection.claims(TOKEN)
    step(early)
    before = step(early)  # the cache was empty
    assert isinstance(before, RunOnce)

    def answer_slowly(_request: Any) -> Any:
        harness.run(harness.introspection.forget(TOKEN))
        return json_response(json.dumps(ACTIVE))

    harness.responses[ENDPOINT] = answer_slowly
    assert harness.run(before.start(harness.now))["active"] is True
    assert harness.cache == {}
    assert not [effect for effect in harness.effects if isinstance(effect, CacheSet)]
    late = harness.introspection.claims(TOKEN)
    step(late)
    after = step(late)
    assert isinstance(after, RunOnce)
    assert after.key != before.key


def test_a_response_stored_during_the_removal_is_removed() -> None:
    """A response that is written during the removal is removed too."""
    harness = Harness(cache=Cache())
    flow = harness.introspection._introspect(TOKEN, "key", harness.now)
    effect, answer = step(flow), None
    while not isinstance(effect, CacheSet):
        answer = harness._perform(effect)
        effect = step(flow, answer)
    harness.run(harness.introspection.forget(TOKEN))
    assert step(flow) == CacheDelete("key")
    assert result_of(flow)["active"] is True
