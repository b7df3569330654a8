"""Introspection: the request for each method, every answer a tenant may give, the cache and the circuit."""

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
from ..by_hand import World, json_response, result_of, step
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
    """Says that there is a cache; the world performs its effects."""

    get = set = delete = print


class Scene(World):
    """A tenant with an introspection endpoint, and our client."""

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
        """Ask about a token."""
        return self.run(self.introspection.claims(token))

    def error(self, token: str = TOKEN) -> MonoCloudError:
        """Return the error that asking ends in."""
        with pytest.raises(MonoCloudError) as caught:
            self.ask(token)
        return caught.value

    @property
    def asked(self) -> list[str]:
        """The tokens that the tenant was asked about."""
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
    """RFC 7662 section 2.1: a form, at the right endpoint, with what the method adds."""
    scene = Scene(**settings, response_timeout=7)
    scene.ask()
    request = scene.requests[-1]
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
    """A token cannot add fields of its own, and none is too odd to ask about."""
    scene = Scene()
    scene.ask(token)
    body = scene.requests[-1].body
    assert body is not None
    first, *others = body.decode("ascii").split("&")
    assert first == "token=" + quote_plus(token.encode("utf-8", "surrogatepass"))
    assert others == ["token_type_hint=access_token", "client_id=client-1", "client_secret=s3cr3t"]


@pytest.mark.parametrize(
    "endpoint",
    ["https://other.example/introspect", f"{TENANT}:8443/a//b/../c?x=%2f&y", "HTTPS://Acme.Example/I/"],
)
def test_the_endpoint_is_used_byte_for_byte(endpoint: str) -> None:
    """Odd but legal forms are the tenant's business."""
    scene = Scene(metadata={**METADATA, "introspection_endpoint": endpoint})
    scene.responses[endpoint] = json_response(json.dumps(ACTIVE))
    scene.ask()
    assert scene.urls == [DISCOVERY, endpoint]


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
    """It would refuse us for a reason that nobody could guess; nothing is sent there."""
    scene = Scene(metadata=metadata, **settings)
    method = settings.get("client_auth_method", "client_secret_post")
    error = scene.error()
    assert isinstance(error, ConfigurationError)
    assert str(error) == (
        f"client_auth_method (MONOCLOUD_BACKEND_CLIENT_AUTH_METHOD): {method} "
        f"needs an introspection_endpoint in {place} of the tenant, which has none "
        "(client 'client-1')"
    )
    assert scene.urls == [DISCOVERY]


@pytest.mark.parametrize("endpoint", [5, {}, "http://acme.example/", "https://u:p@acme.example/"])
def test_an_unsafe_endpoint_gets_no_token(endpoint: Any) -> None:
    """Whatever the tenant says."""
    scene = Scene(metadata={**METADATA, "introspection_endpoint": endpoint})
    error = scene.error()
    assert isinstance(error, HttpError)
    assert not error.temporary
    assert scene.urls == [DISCOVERY]


# -- The answer -------------------------------------------------------------------------------------------


def test_an_active_token_has_claims() -> None:
    """Read-only, with the groups where the options say they are."""
    claims = Scene(json_response('{"active": true, "roles": ["b"], "cnf": {}}'), groups_claim="roles").ask()
    assert claims == {"active": True, "roles": ["b"], "cnf": {}}
    assert claims.groups == ("b",)
    assert isinstance(claims["cnf"], FrozenDict)


@pytest.mark.parametrize("body", ['{"active": false}', '{"active": false, "sub": "user-1", "aud": "api"}'])
def test_an_inactive_token_is_refused(body: str) -> None:
    """Revoked, expired or never issued: the tenant does not say, and whatever else it says is nothing."""
    error = Scene(json_response(body)).error()
    assert isinstance(error, TokenError)
    assert (error.reason, error.code) == (Reason.INACTIVE, "inactive_token")


@pytest.mark.parametrize(
    "active", ["absent", None, 0, 1, 1.0, "true", "TRUE", "", [True], {"active": True}], ids=repr
)
def test_active_is_the_json_value_true(active: Any) -> None:
    """What merely looks true is no answer."""
    body = {"sub": "user-1"} if active == "absent" else {"active": active, "sub": "user-1"}
    error = Scene(json_response(json.dumps(body))).error()
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
        ("no response", "the fetcher returned str, not an HttpResponse", None),
    ],
)
def test_what_is_no_answer(answer: Any, message: str, status: int | None) -> None:
    """A tenant that talks nonsense is as good as away."""
    error = Scene(answer).error()
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
    """The error says which client, method and endpoint, and escapes the tenant's text."""
    error = Scene(json_response(body, status)).error()
    assert isinstance(error, OAuthResponseError)
    assert (error.error, error.error_description, error.status) == (code, description, status)
    assert str(error) == (
        f"'{ENDPOINT}' rejected client 'client-1' with client_secret_post: "
        f"{code or 'no error code'} (status {status})"
    )


def test_a_long_error_text_is_cut() -> None:
    """The tenant does not fill our log."""
    error = Scene(json_response(json.dumps({"error": "x" * 201}), 400)).error()
    assert isinstance(error, OAuthResponseError)
    assert error.error == "'" + "x" * 79 + "...'"


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500])
def test_no_error_shows_the_token_or_the_secret(status: int) -> None:
    """Not even where the tenant sends them back in places that are no error text."""
    error = Scene(json_response(json.dumps({"x": f"{TOKEN} s3cr3t"}), status)).error()
    shown = f"{error!r} {error} {vars(error)}"
    assert TOKEN not in shown
    assert "s3cr3t" not in shown


@given(JSON, st.sampled_from([200, 400, 401, 403, 500]))
def test_no_answer_escapes_the_documented_errors(body: Any, status: int) -> None:
    """Any JSON value is an answer or a documented error, and claims only where ``active`` is ``true``."""
    scene = Scene(json_response(json.dumps(body), status))
    claims = None
    try:
        claims = scene.ask()
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
    """A refresh token is active as well. What the cache holds is checked again."""
    scene = Scene(json_response(json.dumps(ACTIVE | member)), cache=cache)
    for _ in range(2):
        error = scene.error()
        assert isinstance(error, TokenError)
        assert error.reason is Reason.WRONG_TYPE


# -- One request for all who ask --------------------------------------------------------------------------


def test_concurrent_questions_about_one_token_are_one() -> None:
    """They share a key, which is a digest and not the token."""
    scene = Scene()
    shares = [step(scene.introspection.claims(token)) for token in (TOKEN, TOKEN, "other")]
    keys = [share.key for share in shares if isinstance(share, RunOnce)]
    assert keys[0] == keys[1] != keys[2]
    name = token_cache_key("introspection", scene.options)(TOKEN).hex()
    assert keys[0] == ("introspection", name, 0)
    assert all(TOKEN not in repr(share) for share in shares)


def test_without_a_cache_every_question_is_asked() -> None:
    """No effect of a cache is asked for, either."""
    scene = Scene()
    scene.ask()
    scene.ask()
    assert scene.asked == [TOKEN, TOKEN]
    assert not [effect for effect in scene.effects if isinstance(effect, (CacheGet, CacheSet))]


def test_a_cache_duration_of_zero_turns_the_cache_off() -> None:
    """As if there were none."""
    scene = Scene(cache=Cache(), introspection_cache_duration=0)
    scene.ask()
    scene.ask()
    assert scene.asked == [TOKEN, TOKEN]
    assert scene.cache == {}


def test_metadata_that_cannot_be_had() -> None:
    """Without it nobody knows where to ask."""
    scene = Scene()
    del scene.responses[DISCOVERY]
    assert str(scene.error()) == "nothing answers there"


# -- The claims cache -------------------------------------------------------------------------------------


def test_an_answer_is_remembered() -> None:
    """As soon as it arrives, as it arrived, for the duration."""
    scene = Scene(cache=Cache(), introspection_cache_duration=120)
    first = scene.ask()
    (key,) = scene.cache
    assert scene.cache == {key: ACTIVE | {"groups": ["admins"]}}
    assert scene.expiries == {key: scene.now.unix + 120}
    assert scene.ask() == first
    assert scene.asked == [TOKEN]


def test_an_answer_that_comes_while_a_request_is_on_its_way_is_not_asked_for_again() -> None:
    """It found nothing in the cache, and then nobody whose question it could have joined."""
    scene = Scene(cache=Cache())
    late = scene.introspection.claims(TOKEN)
    assert isinstance(step(late), CacheGet)
    share = step(late)  # the cache had nothing
    assert isinstance(share, RunOnce)
    scene.ask()
    assert scene.run(share.start(scene.now)) == scene.ask()
    assert scene.asked == [TOKEN]


def test_an_inactive_answer_is_remembered() -> None:
    """Without what else was said; a hit is refused like a fresh answer."""
    scene = Scene(json_response('{"active": false, "sub": "x", "exp": 1}'), cache=Cache())
    for _ in range(2):
        error = scene.error()
        assert isinstance(error, TokenError)
        assert error.reason is Reason.INACTIVE
    (key,) = scene.cache
    assert scene.cache[key] == {"active": False}
    assert scene.asked == [TOKEN]


@pytest.mark.parametrize(("duration", "remembered_for"), [(1, 1), (15, 15), (300, 15), (86_400, 15)])
def test_an_inactive_answer_is_remembered_for_a_short_time(duration: float, remembered_for: float) -> None:
    """Whatever expiry the tenant tells: a cache holds the made-up tokens of the last seconds only."""
    answer = json_response(json.dumps({"active": False, "exp": 9_999_999_999}))
    scene = Scene(answer, cache=Cache(), introspection_cache_duration=duration)
    scene.error()
    assert list(scene.expiries.values()) == [scene.now.unix + remembered_for]


@pytest.mark.parametrize(
    ("expires_in", "remembered_for"),
    [(10, 10), (299.5, 299.5), (300, 300), (301, 300), (10**30, 300), (-5, -5)],
)
def test_nothing_is_remembered_longer_than_the_token_lives(expires_in: float, remembered_for: float) -> None:
    """Until min(exp, now + duration)."""
    scene = Scene(cache=Cache())
    answer = {**ACTIVE, "exp": int(scene.now.unix) + expires_in}
    scene.responses[ENDPOINT] = json_response(json.dumps(answer))
    scene.ask()
    assert list(scene.expiries.values()) == [scene.now.unix + remembered_for]


@pytest.mark.parametrize("expiry", [None, True, False, "1", [1], {}])
def test_an_expiry_that_is_no_number_does_not_count(expiry: Any) -> None:
    """It will be refused by the checks; here it must not break anything."""
    scene = Scene(json_response(json.dumps({**ACTIVE, "exp": expiry})), cache=Cache())
    scene.ask()
    assert list(scene.expiries.values()) == [scene.now.unix + 300]


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
    """Only answers are."""
    scene = Scene(answer, cache=Cache())
    scene.error()
    assert scene.cache == {}


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
def test_garbage_in_an_entry_is_a_miss(entry: Any) -> None:
    """The tenant is asked, and the entry replaced."""
    scene = Scene(cache=Cache())
    scene.ask()
    (key,) = scene.cache
    scene.cache[key] = entry
    assert scene.ask()["sub"] == "user-1"
    assert scene.asked == [TOKEN, TOKEN]
    assert scene.cache[key] == freeze(ACTIVE)


def test_what_a_cache_returns_cannot_be_written_through() -> None:
    """A cache of the application's own may hand out what it holds."""
    scene = Scene(cache=Cache())
    scene.ask()
    (key,) = scene.cache
    entry = {"active": True, "cnf": {"jkt": "x"}}
    scene.cache[key] = entry
    claims = scene.ask()
    assert claims == entry
    assert isinstance(claims["cnf"], FrozenDict)


def test_a_cache_hit_needs_no_tenant() -> None:
    """Neither its endpoint nor its metadata."""
    scene = Scene(cache=Cache())
    scene.ask()
    other = Scene(cache=Cache())
    other.cache = scene.cache
    other.responses.clear()
    assert other.ask()["sub"] == "user-1"
    assert other.requests == []


# -- The circuit ------------------------------------------------------------------------------------------

TIMEOUT: Final = Failure(HttpError("no answer in time"))


def test_a_tenant_that_hangs_is_not_waited_for_again_and_again() -> None:
    """After some failures in a row requests fail at once; after a pause one of them probes."""
    scene = Scene(TIMEOUT)
    for number in range(THRESHOLD):
        assert str(scene.error(f"token {number}")) == "no answer in time"
    assert len(scene.asked) == THRESHOLD
    assert str(scene.error("another")) == "no answer in time"
    assert len(scene.asked) == THRESHOLD
    scene.pass_time(MAX_PAUSE_SECONDS)
    scene.error()
    scene.error()
    assert len(scene.asked) == THRESHOLD + 1
    scene.pass_time(MAX_PAUSE_SECONDS)
    scene.responses[ENDPOINT] = json_response(json.dumps(ACTIVE))
    assert [scene.ask(f"token {number}")["sub"] for number in range(3)] == ["user-1"] * 3


def test_the_pause_begins_when_the_failure_is_known() -> None:
    """The clock is read again, since a timeout is long."""
    scene = Scene()

    def hang(_request: object) -> Failure:
        scene.pass_time(60.0)
        return TIMEOUT

    scene.responses[ENDPOINT] = hang
    for _ in range(THRESHOLD):
        scene.error()
    scene.pass_time(MAX_PAUSE_SECONDS - 0.001)
    scene.error()
    assert len(scene.asked) == THRESHOLD
    scene.pass_time(0.001)
    scene.error()
    assert len(scene.asked) == THRESHOLD + 1


def chokes_on(poison: str) -> Callable[[HttpRequest], Any]:
    """Return a tenant that fails at one token, always."""

    def answer(request: HttpRequest) -> HttpResponse:
        asked = parse_qs((request.body or b"").decode())["token"][0]
        return HttpResponse(status=500) if asked == poison else json_response(json.dumps(ACTIVE))

    return answer


def test_a_token_that_the_tenant_chokes_on_stops_nobody_else() -> None:
    """Whoever presents it again and again is refused at once; all other tokens are asked about."""
    scene = Scene(chokes_on("poison"))
    for _ in range(3 * THRESHOLD):
        assert "status 500" in str(scene.error("poison"))
    assert scene.asked == ["poison"] * THRESHOLD
    assert scene.ask("another")["sub"] == "user-1"


def test_a_token_that_the_tenant_chokes_on_does_not_prolong_an_outage() -> None:
    """It may be faster than all others whenever the circuit lets one through, yet not twice in a row."""
    scene = Scene(TIMEOUT)
    for number in range(THRESHOLD):
        scene.error(f"token {number}")
    scene.responses[ENDPOINT] = chokes_on("poison")
    scene.pass_time(MAX_PAUSE_SECONDS)
    assert "status 500" in str(scene.error("poison"))
    scene.error("another")
    scene.pass_time(MAX_PAUSE_SECONDS)
    scene.error("poison")
    assert scene.asked[THRESHOLD:] == ["poison"]
    assert scene.ask("another")["sub"] == "user-1"
    assert scene.ask("and another")["sub"] == "user-1"


@pytest.mark.parametrize("status", [429, 500])
def test_made_up_tokens_that_the_tenant_chokes_on_stop_no_others(status: int) -> None:
    """At twice the speed of all others: not one of their tokens is refused."""
    scene = Scene(
        lambda request: (
            HttpResponse(status=status) if b"made-up" in request.body else json_response(json.dumps(ACTIVE))
        )
    )
    for number in range(149):
        for name in "ab":
            assert f"status {status}" in str(scene.error(f"made-up-{number}-{name}"))
        assert scene.ask(f"good {number}")["sub"] == "user-1"
        scene.pass_time(0.5)
    assert len(scene.asked) == 3 * 149


def test_a_tenant_that_fails_at_all_tokens_is_an_outage() -> None:
    """Then failures that are answered open the circuit, too."""
    scene = Scene(HttpResponse(status=500))
    for number in range(3 * MIN_FAILURES):
        assert "status 500" in str(scene.error(f"token {number}"))
    assert len(scene.asked) == MIN_FAILURES


def test_the_tenant_is_not_asked_before_it_wants_to_be() -> None:
    """``Retry-After``: for the token at once, for all where nothing succeeds; callers get the rest of it."""
    scene = Scene(HttpResponse(status=429, headers={"retry-after": "20"}))
    for number in range(2 * THRESHOLD):
        scene.error(f"token {number}")
        scene.error(f"token {number}")
    assert len(scene.asked) == THRESHOLD
    scene.pass_time(12)
    error = scene.error("another")
    assert isinstance(error, HttpError)
    assert (error.retry_after, len(scene.asked)) == (8.0, THRESHOLD)
    scene.pass_time(8)
    scene.responses[ENDPOINT] = json_response(json.dumps(ACTIVE))
    assert scene.ask("another")["sub"] == "user-1"


def test_a_request_that_was_never_sent_says_nothing_about_the_tenant() -> None:
    """All connections of this process were in use; the circuit neither opens nor closes."""
    scene = Scene(Failure(HttpError("all connections are in use", local=True)))
    for number in range(3 * THRESHOLD):
        error = scene.error(f"token {number}")
        assert isinstance(error, HttpError)
        assert error.local
    assert len(scene.asked) == 3 * THRESHOLD
    scene.responses[ENDPOINT] = TIMEOUT
    for number in range(THRESHOLD):
        scene.error(f"token {number}")
    assert str(scene.error("another")) == "no answer in time"


def test_the_circuit_knows_tokens_by_their_digest() -> None:
    """It outlives requests, and tokens should not."""
    scene = Scene(TIMEOUT)
    scene.error()
    assert TOKEN not in repr(vars(scene.introspection._circuit))


def test_cached_answers_pass_an_open_circuit() -> None:
    """What is known is not asked."""
    scene = Scene(cache=Cache())
    scene.ask()
    scene.responses[ENDPOINT] = TIMEOUT
    for number in range(THRESHOLD):
        scene.error(f"token {number}")
    assert scene.ask()["sub"] == "user-1"


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
    """A server that refuses us is there; that is no reason to stop asking."""
    scene = Scene(answer)
    for number in range(2 * MIN_FAILURES):
        scene.error(f"token {number}")
    assert len(scene.asked) == (opens or 2 * MIN_FAILURES)


@pytest.mark.parametrize(
    "answer", [HttpResponse(status=401), HttpResponse(status=404), json_response('{"active": false}')]
)
def test_a_server_that_answers_again_closes_the_circuit(answer: HttpResponse) -> None:
    """Even if it refuses us or the token: the error from before must not hide the one of today."""
    scene = Scene(TIMEOUT)
    for _ in range(THRESHOLD):
        scene.error()
    scene.pass_time(MAX_PAUSE_SECONDS)
    scene.responses[ENDPOINT] = answer
    for _ in range(3):
        assert "no answer in time" not in str(scene.error())


def test_a_tenant_without_metadata_is_no_reason_to_open_the_circuit() -> None:
    """That has a cool-down of its own."""
    scene = Scene()
    document = scene.responses.pop(DISCOVERY)
    for _ in range(THRESHOLD):
        scene.error()
    scene.responses[DISCOVERY] = document
    scene.pass_time(30.0)
    assert scene.ask()["sub"] == "user-1"


# -- Forgetting a token -----------------------------------------------------------------------------------


@pytest.mark.parametrize("duration", [0, 300])
def test_a_forgotten_token_is_asked_about_again(duration: float) -> None:
    """Its entry is removed from the cache, also where others wrote it; the entries of other tokens stay."""
    scene = Scene(cache=Cache(), introspection_cache_duration=duration)
    scene.ask()
    scene.ask("other")
    before = dict(scene.cache)
    scene.run(scene.introspection.forget(TOKEN))
    assert [effect for effect in scene.effects if isinstance(effect, CacheDelete)] == [
        CacheDelete(scene.introspection._digest(TOKEN).hex())
    ]
    assert scene.cache == {key: value for key, value in before.items() if key == list(before)[-1]}
    scene.ask()
    assert scene.asked.count(TOKEN) == 2


def test_without_a_cache_there_is_nothing_to_remove() -> None:
    """And no effect of a cache is asked for."""
    scene = Scene()
    scene.run(scene.introspection.forget(TOKEN))
    assert scene.effects == []


def test_a_cache_that_cannot_forget_is_an_error() -> None:
    """The developer must not believe that a revoked token is gone."""
    flow = Scene(cache=Cache()).introspection.forget(TOKEN)
    assert isinstance(step(flow), CacheDelete)
    with pytest.raises(MonoCloudError, match="it may still be there"):
        result_of(flow, Failure(MonoCloudError("it may still be there")))


def test_an_answer_from_before_is_neither_kept_nor_shared() -> None:
    """It may be older than the revocation: later requests ask for themselves."""
    scene = Scene(cache=Cache())
    early = scene.introspection.claims(TOKEN)
    step(early)
    before = step(early)  # the cache had nothing
    assert isinstance(before, RunOnce)

    def answer_slowly(_request: Any) -> Any:
        scene.run(scene.introspection.forget(TOKEN))
        return json_response(json.dumps(ACTIVE))

    scene.responses[ENDPOINT] = answer_slowly
    assert scene.run(before.start(scene.now))["active"] is True
    assert scene.cache == {}
    assert not [effect for effect in scene.effects if isinstance(effect, CacheSet)]
    late = scene.introspection.claims(TOKEN)
    step(late)
    after = step(late)
    assert isinstance(after, RunOnce)
    assert after.key != before.key


def test_an_answer_that_is_kept_while_a_token_is_forgotten_is_removed_again() -> None:
    """Writing into the cache may take a while; the removal may have come before it was written."""
    scene = Scene(cache=Cache())
    flow = scene.introspection._introspect(TOKEN, "key", scene.now)
    effect, answer = step(flow), None
    while not isinstance(effect, CacheSet):
        answer = scene._perform(effect)
        effect = step(flow, answer)
    scene.run(scene.introspection.forget(TOKEN))
    assert step(flow) == CacheDelete("key")
    assert result_of(flow)["active"] is True
