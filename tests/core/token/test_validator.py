"""Validating a token: its kind, all checks in order, and every reason."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.core.effects import CacheGet, Instant, ReadClock
from monocloud_mw.core.token.presented import Presented
from monocloud_mw.core.token.requirements import NO_REQUIREMENTS, Requirements
from monocloud_mw.core.token.validator import Validator
from monocloud_mw.errors import ConfigurationError, HttpError, MonoCloudError, Reason, TokenError
from monocloud_mw.jose import MAX_TOKEN_CHARACTERS, SigningKey, sign_compact
from monocloud_mw.options import Options

from ...test_frozen import JSON
from ..certificates import make_certificate, pem_of, thumbprint_of
from ..fake_driver import NOW, FakeDriver, json_response, step
from ..keys import FIRST, SECOND, jwks_of

TENANT: Final = "https://acme.us.monocloud.com"
DISCOVERY: Final = f"{TENANT}/.well-known/openid-configuration"
JWKS_URI: Final = f"{TENANT}/jwks"
ENDPOINT: Final = f"{TENANT}/connect/introspect"
METADATA: Final = {"issuer": TENANT, "jwks_uri": JWKS_URI, "introspection_endpoint": ENDPOINT}

T: Final = int(NOW.unix)
CLAIMS: Final[dict[str, Any]] = {
    "iss": TENANT,
    "aud": "api",
    "sub": "user-1",
    "exp": T + 600,
    "scope": "read write",
    "groups": ["staff"],
}
CLIENT: Final = {"client_id": "client-1", "client_secret": "s3cr3t"}
CERTIFICATE: Final = make_certificate()
BOUND: Final = {"cnf": {"x5t#S256": thumbprint_of(CERTIFICATE)}}
STRANGER: Final = SigningKey.generate("EdDSA", "first")


class Cache:
    """A cache whose effects the driver performs."""

    get = set = delete = print


class Harness(FakeDriver):
    """A tenant and the validator of one API."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            {
                DISCOVERY: json_response(json.dumps(METADATA)),
                JWKS_URI: json_response(json.dumps(jwks_of(FIRST))),
            }
        )
        self.options = Options(**{"tenant_domain": TENANT, "audience": "api", **settings})
        self.validator = Validator(self.options)

    def answer(self, **claims: Any) -> None:
        """Set the tenant's introspection response."""
        self.responses[ENDPOINT] = json_response(json.dumps({"active": True, **claims}))

    def validate(
        self, token: str, certificate: Any = None, requirements: Requirements = NO_REQUIREMENTS
    ) -> AccessTokenClaims:
        """Validate a token."""
        self.effects.clear()
        return self.run(
            self.validator.validate(Presented(token, client_certificate=certificate), requirements, self.now)
        )

    def authenticate(self, token: str) -> AccessTokenClaims:
        """Validate a token presented with a request."""
        self.effects.clear()
        return self.run(self.validator.authenticate(Presented(token), NO_REQUIREMENTS, self.now))

    def error(self, *arguments: Any, **settings: Any) -> TokenError:
        """Return the error with which a token is refused."""
        with pytest.raises(TokenError) as caught:
            self.validate(*arguments, **settings)
        return caught.value


def token_with(**claims: Any) -> str:
    """Return a token of the tenant; ``...`` removes a claim."""
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not ...}
    return sign_compact(merged, FIRST)


GOOD: Final = token_with()


# -- The form of a token ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "detail"),
    [
        (None, "it is not a string"),
        (5, "it is not a string"),
        (GOOD.encode(), "it is not a string"),
        ("", "it is empty"),
        ("x" * (MAX_TOKEN_CHARACTERS + 1), "it has 16385 characters; max_token_size is 16384"),
        ("." * 1_000_000, "it has 1000000 characters; max_token_size is 16384"),
    ],
)
@pytest.mark.parametrize("method", ["authenticate", "validate", "validate_jwt", "introspect"])
def test_text_that_cannot_be_a_token(method: str, token: Any, detail: str) -> None:
    """It is refused before anything is decoded or requested."""
    harness = Harness(**CLIENT)
    with pytest.raises(TokenError) as caught:
        harness.run(getattr(harness.validator, method)(Presented(token), NO_REQUIREMENTS, harness.now))
    assert (caught.value.reason, caught.value.detail) == (Reason.MALFORMED, detail)
    assert harness.effects == []


@pytest.mark.parametrize("method", ["authenticate", "validate", "validate_jwt", "introspect"])
def test_the_size_of_a_token_is_an_option(method: str) -> None:
    """A token of exactly the maximum size is accepted."""
    harness = Harness(**CLIENT, max_token_size=len(GOOD))
    harness.answer(**CLAIMS)
    call = getattr(harness.validator, method)
    assert harness.run(call(Presented(GOOD), NO_REQUIREMENTS, harness.now))["sub"] == "user-1"
    with pytest.raises(TokenError) as caught:
        harness.run(call(Presented(f"{GOOD}A"), NO_REQUIREMENTS, harness.now))
    detail = f"it has {len(GOOD) + 1} characters; max_token_size is {len(GOOD)}"
    assert (caught.value.reason, caught.value.detail) == (Reason.MALFORMED, detail)


@pytest.mark.parametrize("method", ["authenticate", "validate", "introspect"])
@pytest.mark.parametrize(
    "control", ["\0", "\t", "\n", "\x1b", "\x1f", "\x7f", "\x80", "\x85", "\x9f"], ids=ascii
)
def test_control_characters_are_not_part_of_a_token(control: str, method: str) -> None:
    """It is refused before the tenant or a cache is used (RFC 6749 appendix A.12)."""
    harness = Harness(**CLIENT, cache=Cache())
    with pytest.raises(TokenError) as caught:
        harness.run(
            getattr(harness.validator, method)(Presented(f"a{control}b"), NO_REQUIREMENTS, harness.now)
        )
    assert caught.value.reason is Reason.MALFORMED
    assert harness.effects == []


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("method", ["authenticate", "validate", "validate_jwt", "introspect"])
@pytest.mark.parametrize(
    "token", [f" {GOOD}", f"{GOOD}\n", f"\t{GOOD}", f"{GOOD}\u00a0", "\u00a0opaque", " "]
)
def test_white_space_around_a_token_is_not_part_of_it(token: str, method: str, known: bool) -> None:
    """It is refused at once, even if the token itself is cached."""
    harness = Harness(**CLIENT)
    if known:
        harness.validate(GOOD)
        harness.effects.clear()
    with pytest.raises(TokenError) as caught:
        harness.run(getattr(harness.validator, method)(Presented(token), NO_REQUIREMENTS, harness.now))
    assert caught.value.reason is Reason.MALFORMED
    assert harness.effects == []


@pytest.mark.parametrize(
    ("token", "settings", "url"),
    [
        (GOOD, {}, JWKS_URI),
        (GOOD, CLIENT, JWKS_URI),
        (GOOD, {**CLIENT, "introspect_jwt_tokens": True}, ENDPOINT),
        ("opaque", CLIENT, ENDPOINT),
        ("x", CLIENT, ENDPOINT),
        ("one.dot", CLIENT, ENDPOINT),
        ("more.than.two.dots", CLIENT, ENDPOINT),
        ("x" * MAX_TOKEN_CHARACTERS, CLIENT, ENDPOINT),
    ],
)
@pytest.mark.parametrize("method", ["authenticate", "validate"])
def test_the_kind_of_a_token(token: str, settings: Any, url: str, method: str) -> None:
    """Exactly three parts are a JWT, which is validated locally; any other token is introspected."""
    harness = Harness(**settings)
    harness.answer(**CLAIMS)
    assert getattr(harness, method)(token)["sub"] == "user-1"
    assert harness.urls == [DISCOVERY, url]


def test_the_kind_can_be_forced() -> None:
    """A JWT can be introspected; an opaque token cannot be validated locally."""
    harness = Harness(**CLIENT, introspect_jwt_tokens=True)
    harness.answer(**CLAIMS)
    assert (
        harness.run(harness.validator.introspect(Presented(GOOD), NO_REQUIREMENTS, harness.now))["active"]
        is True
    )
    assert "active" not in harness.run(
        harness.validator.validate_jwt(Presented(GOOD), NO_REQUIREMENTS, harness.now)
    )
    with pytest.raises(TokenError) as caught:
        harness.run(harness.validator.validate_jwt(Presented("opaque"), NO_REQUIREMENTS, harness.now))
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("method", ["validate", "introspect"])
def test_an_opaque_token_needs_a_client(method: str) -> None:
    """Without a client, an opaque token is a configuration error for a direct call."""
    harness = Harness()
    with pytest.raises(ConfigurationError) as caught:
        harness.run(getattr(harness.validator, method)(Presented("opaque"), NO_REQUIREMENTS, harness.now))
    assert str(caught.value) == (
        "client_id (MONOCLOUD_BACKEND_CLIENT_ID): is required to introspect access tokens that are not JWTs"
    )
    assert harness.effects == []


def test_an_opaque_token_from_a_request_is_the_callers_fault() -> None:
    """In a request it is a 401: a caller must not be able to cause a 500."""
    harness = Harness()
    with pytest.raises(TokenError) as caught:
        harness.authenticate("opaque")
    error = caught.value
    assert (error.reason, error.detail) == (
        Reason.MALFORMED,
        "it is not a JWT, and introspection is not configured",
    )
    assert harness.effects == []


# -- All checks in order ----------------------------------------------------------------------------------

READ_AND_ADMIN: Final = Requirements.of("read admin")
ADMINS: Final = Requirements.of(groups="admins")

REFUSALS: Final[list[tuple[dict[str, Any], Any, Requirements, Reason]]] = [
    ({"iss": "https://evil.example"}, None, NO_REQUIREMENTS, Reason.WRONG_ISSUER),
    ({"aud": "other"}, None, NO_REQUIREMENTS, Reason.WRONG_AUDIENCE),
    ({"aud": ...}, None, NO_REQUIREMENTS, Reason.WRONG_AUDIENCE),
    ({"sub": 5}, None, NO_REQUIREMENTS, Reason.INVALID_CLAIM),
    ({"exp": T - 60}, None, NO_REQUIREMENTS, Reason.EXPIRED),
    ({"exp": "soon"}, None, NO_REQUIREMENTS, Reason.INVALID_CLAIM),
    ({"nbf": T + 61}, None, NO_REQUIREMENTS, Reason.NOT_YET_VALID),
    ({"cnf": []}, None, NO_REQUIREMENTS, Reason.INVALID_CLAIM),
    ({"cnf": {"jkt": "x"}}, None, NO_REQUIREMENTS, Reason.DPOP_REQUIRED),
    ({"cnf": {}}, None, NO_REQUIREMENTS, Reason.UNSUPPORTED_CONFIRMATION),
    ({"cnf": {"jwk": {}}}, CERTIFICATE, NO_REQUIREMENTS, Reason.UNSUPPORTED_CONFIRMATION),
    (BOUND, None, NO_REQUIREMENTS, Reason.CERTIFICATE_MISSING),
    (BOUND, "garbage", NO_REQUIREMENTS, Reason.CERTIFICATE_MALFORMED),
    (BOUND, pem_of(make_certificate("other")), NO_REQUIREMENTS, Reason.CERTIFICATE_MISMATCH),
    ({}, None, READ_AND_ADMIN, Reason.INSUFFICIENT_SCOPE),
    ({}, None, ADMINS, Reason.INSUFFICIENT_GROUPS),
]


@pytest.mark.parametrize(("claims", "certificate", "requirements", "reason"), REFUSALS)
def test_what_is_refused_of_a_jwt(
    claims: dict[str, Any], certificate: Any, requirements: Requirements, reason: Reason
) -> None:
    """The second time, when it may be cached, the reason is the same; the log has key ID and issuer."""
    harness = Harness()
    for _ in range(2):
        error = harness.error(token_with(**claims), certificate, requirements)
        assert error.reason is reason
        assert (error.key_id, error.issuer) == ("'first'", f"'{claims.get('iss', TENANT)}'")


@pytest.mark.parametrize(("claims", "certificate", "requirements", "reason"), REFUSALS)
@pytest.mark.parametrize("settings", [{}, {"cache": Cache()}], ids=["no cache", "cache"])
def test_what_is_refused_of_an_opaque_token(
    settings: Any, claims: dict[str, Any], certificate: Any, requirements: Requirements, reason: Reason
) -> None:
    """The checks are the same, also for cached responses; the log has the issuer."""
    harness = Harness(**CLIENT, **settings)
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not ...}
    harness.answer(**merged)
    for _ in range(2):
        error = harness.error("opaque", certificate, requirements)
        assert error.reason is reason
        assert (error.key_id, error.issuer) == (None, f"'{merged['iss']}'")


@pytest.mark.parametrize(
    ("token", "settings", "reason"),
    [
        ("a.b.c", {}, Reason.MALFORMED),
        (sign_compact(CLAIMS, FIRST, {"typ": "dpop+jwt"}), {}, Reason.WRONG_TYPE),
        (sign_compact(CLAIMS, FIRST, {"alg": "HS256"}), {}, Reason.UNSUPPORTED_ALGORITHM),
        (sign_compact(CLAIMS, FIRST, {"kid": "other"}), {}, Reason.UNKNOWN_KEY),
        (sign_compact(CLAIMS, STRANGER), {}, Reason.BAD_SIGNATURE),
        (token_with(exp=...), {}, Reason.INVALID_CLAIM),
        (token_with(iss=...), {}, Reason.WRONG_ISSUER),
        (GOOD, {"validate_certificate_binding": "required"}, Reason.NOT_BOUND),
    ],
)
def test_what_is_refused_only_of_a_jwt(token: str, settings: Any, reason: Reason) -> None:
    """Form, signature, and claims that introspection may leave out."""
    assert Harness(**settings).error(token).reason is reason


def test_an_inactive_token() -> None:
    """A token that is revoked at the tenant is refused."""
    harness = Harness(**CLIENT)
    harness.responses[ENDPOINT] = json_response('{"active": false}')
    error = harness.error("opaque")
    assert (error.reason, error.code) == (Reason.INACTIVE, "inactive_token")


def test_an_issuer_that_introspection_leaves_out() -> None:
    """Without an issuer in the response, the error has none."""
    harness = Harness(**CLIENT)
    harness.answer(**{name: value for name, value in CLAIMS.items() if name != "iss"})
    assert harness.error("opaque", None, ADMINS).issuer is None


def test_the_tables_reach_every_reason() -> None:
    """Each reason is given by at least one row of the tables."""
    reached = {reason for *_, reason in REFUSALS}
    reached |= {Reason.MALFORMED, Reason.WRONG_TYPE, Reason.UNSUPPORTED_ALGORITHM, Reason.UNKNOWN_KEY}
    reached |= {Reason.BAD_SIGNATURE, Reason.NOT_BOUND, Reason.INACTIVE}
    assert reached == set(Reason)


WRONG: Final[dict[str, Any]] = {
    "iss": "x",
    "aud": "x",
    "exp": T - 600,
    "nbf": T + 600,
    "sub": 5,
    "cnf": {"jkt": "x"},
}


@pytest.mark.parametrize(
    ("right", "reason"),
    [
        ([], Reason.WRONG_ISSUER),
        (["iss"], Reason.WRONG_AUDIENCE),
        (["iss", "aud"], Reason.EXPIRED),
        (["iss", "aud", "exp"], Reason.NOT_YET_VALID),
        (["iss", "aud", "exp", "nbf"], Reason.INVALID_CLAIM),
        (["iss", "aud", "exp", "nbf", "sub"], Reason.DPOP_REQUIRED),
        (["iss", "aud", "exp", "nbf", "sub", "cnf"], Reason.INSUFFICIENT_SCOPE),
        (["iss", "aud", "exp", "nbf", "sub", "cnf", "scope"], Reason.INSUFFICIENT_GROUPS),
    ],
)
@pytest.mark.parametrize("is_jwt", [True, False], ids=["JWT", "opaque"])
def test_the_order_of_the_checks(is_jwt: bool, right: list[str], reason: Reason) -> None:
    """A token with several faults is refused for the first one."""
    claims = {**CLAIMS, **WRONG} | {name: CLAIMS.get(name, ...) for name in right}
    claims = {name: value for name, value in claims.items() if value is not ...}
    requirements = Requirements.of("read" if "scope" in right else "admin", "admins")
    harness = Harness(**CLIENT)
    harness.answer(**claims)
    token = sign_compact(claims, FIRST) if is_jwt else "opaque"
    assert harness.error(token, None, requirements).reason is reason


# -- What is accepted -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "certificate", "settings", "requirements"),
    [
        ({}, None, {}, NO_REQUIREMENTS),
        ({"sub": ...}, None, {}, NO_REQUIREMENTS),
        ({"aud": ["other", "api"]}, None, {}, NO_REQUIREMENTS),
        ({"aud": "second"}, None, {"audience": ["api", "second"]}, NO_REQUIREMENTS),
        ({"exp": T - 59}, None, {}, NO_REQUIREMENTS),
        ({"exp": T + 0.5}, None, {"clock_tolerance": 0}, NO_REQUIREMENTS),
        ({"exp": T - 9}, None, {"clock_tolerance": 15, "clock_skew": 5}, NO_REQUIREMENTS),
        ({"nbf": T + 60}, None, {}, NO_REQUIREMENTS),
        ({"nbf": T + 5}, None, {"clock_tolerance": 0, "clock_skew": 5}, NO_REQUIREMENTS),
        (BOUND, pem_of(CERTIFICATE), {}, NO_REQUIREMENTS),
        (BOUND, CERTIFICATE, {"validate_certificate_binding": "required"}, NO_REQUIREMENTS),
        (BOUND, None, {"validate_certificate_binding": "dangerously_ignore"}, NO_REQUIREMENTS),
        ({}, None, {}, Requirements.of("write read", ["admins", "staff"])),
        ({"scope": ["read"]}, None, {}, Requirements.of("read")),
        ({"roles": [{"id": "1", "name": "a"}]}, None, {"groups_claim": "roles"}, Requirements.of(groups="1")),
        (
            {"groups": ["a", "b"]},
            None,
            {"groups_match_all": True},
            Requirements.of(groups=["a", "b"]),
        ),
    ],
)
@pytest.mark.parametrize("is_jwt", [True, False], ids=["JWT", "opaque"])
def test_what_is_accepted(
    is_jwt: bool, claims: dict[str, Any], certificate: Any, settings: Any, requirements: Requirements
) -> None:
    """Tokens of either kind are accepted with unchanged claims."""
    harness = Harness(**CLIENT, **settings)
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not ...}
    harness.answer(**merged)
    found = harness.validate(sign_compact(merged, FIRST) if is_jwt else "opaque", certificate, requirements)
    assert json.loads(json.dumps(found)) == (merged if is_jwt else {"active": True, **merged})


@pytest.mark.parametrize("missing", ["iss", "exp", "sub", "client_id"])
def test_what_introspection_may_leave_out(missing: str) -> None:
    """Claims that introspection may leave out are not required."""
    harness = Harness(**CLIENT)
    harness.answer(**{name: value for name, value in CLAIMS.items() if name != missing})
    assert harness.validate("opaque")["aud"] == "api"


@pytest.mark.parametrize("name", ["iss", "exp", "sub", "aud", "cnf"])
def test_null_is_not_the_same_as_absent(name: str) -> None:
    """A null claim has a wrong type and is refused, in introspection too."""
    harness = Harness(**CLIENT)
    harness.answer(**{**CLAIMS, name: None})
    harness.error("opaque")
    harness.error(token_with(**{name: None}))


def test_all_groups_where_that_is_configured() -> None:
    """One of the groups is then not enough."""
    harness = Harness(groups_match_all=True)
    error = harness.error(GOOD, None, Requirements.of(groups=["staff", "admins"]))
    assert error.reason is Reason.INSUFFICIENT_GROUPS


# -- What is checked again on every request ---------------------------------------------------------------


def test_a_cached_token_expires() -> None:
    """A cached token is refused from the second of its expiry, without a request."""
    harness = Harness(jwks_cache_duration=10_000)
    harness.validate(GOOD)
    harness.pass_time(659.999)
    assert harness.validate(GOOD)["sub"] == "user-1"
    harness.pass_time(0.001)
    assert harness.error(GOOD).reason is Reason.EXPIRED
    assert harness.effects == []


@pytest.mark.parametrize(
    ("keys", "reason"),
    [([SECOND], Reason.UNKNOWN_KEY), ([STRANGER], Reason.BAD_SIGNATURE), ([SECOND, FIRST], None)],
    ids=["withdrawn", "another by the same name", "still there"],
)
def test_a_cached_token_is_checked_against_each_new_key_set(
    keys: list[SigningKey], reason: Reason | None
) -> None:
    """It is checked against a new key set by the first request that finds it."""
    harness = Harness(refresh_cooldown=1000)
    claims = harness.validate(GOOD)
    harness.responses[JWKS_URI] = json_response(json.dumps(jwks_of(*keys)))
    harness.error(sign_compact(CLAIMS, STRANGER, {"kid": "unknown"}))  # causes a reload of the key set
    for _ in range(2):
        if reason is None:
            assert harness.validate(GOOD) is claims
        else:
            assert harness.error(GOOD).reason is reason
    assert harness.effects == []


def test_a_cached_token_is_checked_for_each_route() -> None:
    """A cached token must meet each route's requirements."""
    harness = Harness()
    harness.validate(GOOD, None, Requirements.of("read"))
    assert harness.error(GOOD, None, READ_AND_ADMIN).reason is Reason.INSUFFICIENT_SCOPE
    assert harness.error(GOOD, None, ADMINS).reason is Reason.INSUFFICIENT_GROUPS
    assert harness.validate(GOOD, None, Requirements.of("write", "staff"))["sub"] == "user-1"
    assert harness.effects == []


def test_a_cached_token_needs_its_certificate() -> None:
    """A cached token needs the certificate with each request."""
    harness = Harness()
    token = token_with(**BOUND)
    harness.validate(token, CERTIFICATE)
    assert harness.error(token).reason is Reason.CERTIFICATE_MISSING
    assert harness.error(token, make_certificate("thief")).reason is Reason.CERTIFICATE_MISMATCH
    assert harness.validate(token, pem_of(CERTIFICATE))["sub"] == "user-1"
    assert harness.effects == []


def test_a_cached_answer_is_checked_like_a_new_one() -> None:
    """Lifetime and requirements are checked again."""
    harness = Harness(**CLIENT, cache=Cache())
    harness.answer(**CLAIMS)
    harness.validate("opaque")
    assert harness.error("opaque", None, READ_AND_ADMIN).reason is Reason.INSUFFICIENT_SCOPE
    harness.pass_time(660.0)
    assert harness.error("opaque").reason is Reason.EXPIRED
    assert harness.urls.count(ENDPOINT) == 1


def test_a_cached_token_has_the_same_claims() -> None:
    """Claims are immutable and shared."""
    harness = Harness()
    assert harness.validate(GOOD) is harness.validate(GOOD)


# -- What happens while a request waits -------------------------------------------------------------------

SECONDS: Final = 4.0
SLOW: Final[dict[str, Any]] = {
    "discovery": (DISCOVERY, "jwt"),
    "key set": (JWKS_URI, "jwt"),
    "introspection": (ENDPOINT, "opaque"),
    "discovery for an opaque token": (DISCOVERY, "opaque"),
}


def slow_harness(url: str, **settings: Any) -> Harness:
    """Return a tenant that is slow at one URL."""
    harness = Harness(**CLIENT, **settings)
    answer = harness.responses.get(url)

    def late(_request: Any) -> Any:
        harness.pass_time(SECONDS)
        return answer

    harness.responses[url] = late
    return harness


@pytest.mark.parametrize(("url", "kind"), SLOW.values(), ids=SLOW.keys())
@pytest.mark.parametrize(
    ("dates", "reason"),
    [
        ({"exp": T - 60 + SECONDS + 0.5}, None),
        ({"exp": T - 60 + SECONDS}, Reason.EXPIRED),
        ({"exp": T - 60 + SECONDS / 2}, Reason.EXPIRED),
        ({"nbf": T + 60 + SECONDS}, None),
        ({"nbf": T + 60 + SECONDS + 0.5}, Reason.NOT_YET_VALID),
    ],
    ids=["valid", "expired to the second", "expired meanwhile", "valid by now", "not valid yet"],
)
def test_the_lifetime_is_checked_after_the_wait(
    url: str, kind: str, dates: dict[str, Any], reason: Reason | None
) -> None:
    """A token that was valid when the request came may have expired since, and the reverse."""
    answer = json_response(json.dumps({"active": True, **CLAIMS, **dates}))
    harness = slow_harness(url)
    if url == ENDPOINT:
        harness = Harness(**CLIENT)

        def late(_request: Any) -> Any:
            harness.pass_time(SECONDS)
            return answer

        harness.responses[ENDPOINT] = late
    else:
        harness.responses[ENDPOINT] = answer
    token = token_with(**dates) if kind == "jwt" else "opaque"
    if reason is None:
        assert harness.validate(token)["sub"] == "user-1"
    else:
        assert harness.error(token).reason is reason


def test_a_slow_cache_does_not_prolong_a_token() -> None:
    """Reading the claims cache takes time too, so the clock is read afterwards."""
    harness = Harness(**CLIENT, cache=Cache())
    harness.answer(**{**CLAIMS, "exp": T - 60 + SECONDS})
    harness.validate("opaque")
    flow = harness.validator.validate(Presented("opaque"), NO_REQUIREMENTS, harness.now)
    assert isinstance(step(flow), CacheGet)
    (entry,) = harness.cache.values()
    later = Instant(NOW.unix + SECONDS, NOW.monotonic + SECONDS)
    assert isinstance(step(flow, entry), ReadClock)
    assert isinstance(step(flow, later), ReadClock)
    with pytest.raises(TokenError) as caught:
        step(flow, later)
    assert caught.value.reason is Reason.EXPIRED


def test_a_cached_token_expires_while_its_key_is_checked_again() -> None:
    """The clock is read after the key set has been fetched."""
    harness = Harness()
    token = token_with(exp=T + 400)
    harness.validate(token)
    keys = harness.responses[JWKS_URI]

    def late(_request: Any) -> Any:
        harness.pass_time(SECONDS)
        return keys

    harness.responses[JWKS_URI] = late
    harness.pass_time(458.0)
    assert harness.error(token).reason is Reason.EXPIRED


# -- Outages of the tenant --------------------------------------------------------------------------------


def test_known_keys_are_used_in_an_outage() -> None:
    """JWTs are accepted while the last known keys may be used; afterwards it is an outage."""
    harness = Harness()
    harness.validate(GOOD)
    harness.responses.clear()
    token = token_with(exp=T + 10_000)
    harness.pass_time(3899.0)
    assert harness.validate(token)["sub"] == "user-1"
    harness.pass_time(1.0)
    with pytest.raises(HttpError, match="nothing answers there"):
        harness.validate(token)


def test_keys_of_a_resolver_need_no_tenant() -> None:
    """With a ``jwks_resolver`` alone nothing is fetched for a JWT, and the issuer is the tenant domain."""
    harness = Harness(jwks_resolver=lambda: jwks_of(FIRST))
    assert harness.validate(GOOD)["iss"] == TENANT
    assert harness.error(token_with(iss=f"{TENANT}/")).reason is Reason.WRONG_ISSUER
    assert harness.requests == []


def test_an_outage_is_not_the_callers_fault() -> None:
    """An outage is not the caller's fault, for either kind of token."""
    harness = Harness(**CLIENT)
    harness.responses.clear()
    for token in (GOOD, "opaque"):
        with pytest.raises(HttpError, match="nothing answers there"):
            harness.validate(token)


# -- Random tokens ----------------------------------------------------------------------------------------

NAMES: Final = [*CLAIMS, "nbf", "cnf", "client_id"]


@given(st.dictionaries(st.sampled_from(NAMES), JSON), st.booleans())
def test_no_claim_escapes_the_documented_errors(claims: dict[str, Any], is_jwt: bool) -> None:
    """A claim of any JSON type is accepted or refused with a reason."""
    harness = Harness(**CLIENT)
    merged = {**CLAIMS, **claims}
    harness.answer(**merged)
    token = sign_compact(json.dumps(merged).encode(), FIRST) if is_jwt else "opaque"
    found: Any = None
    try:
        found = harness.validate(token, CERTIFICATE, Requirements.of("read", "staff"))
    except MonoCloudError as error:
        found = error
    assert isinstance(found, (AccessTokenClaims, TokenError, HttpError))
    assert not isinstance(found, HttpError) or not is_jwt


@given(st.text(), st.booleans())
def test_no_token_escapes_the_documented_errors(token: str, of_request: bool) -> None:
    """Any text is refused with a documented error, with and without introspection."""
    for settings in ({}, CLIENT):
        harness = Harness(**settings)
        harness.responses[ENDPOINT] = json_response('{"active": false}')
        with pytest.raises((TokenError, ConfigurationError)):
            (harness.authenticate if of_request else harness.validate)(token)


# -- Forgetting a token -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "token",
    [None, b"token", "", "x" * (MAX_TOKEN_CHARACTERS + 1), " token", "token\n", "Bearer token", "a b"],
    ids=["None", "bytes", "empty", "too long", "space before", "line after", "with scheme", "two"],
)
def test_text_that_is_not_a_token_cannot_be_forgotten(token: Any) -> None:
    """A value that cannot be a token is an error, since nothing would be removed."""
    harness = Harness(**CLIENT)
    with pytest.raises(TokenError) as caught:
        harness.run(harness.validator.forget(token))
    assert caught.value.reason is Reason.MALFORMED


def test_a_forgotten_jwt_is_verified_again() -> None:
    """It is removed from the cache and accepted again, since its signature is valid."""
    harness = Harness()
    other = token_with(sub="other")
    claims = {token: harness.validate(token) for token in (GOOD, other)}
    harness.run(harness.validator.forget(GOOD))
    assert harness.validate(GOOD) is not claims[GOOD]
    assert harness.validate(other) is claims[other]


@pytest.mark.parametrize("introspect_jwt_tokens", [False, True])
def test_a_forgotten_token_is_removed_from_both_caches(introspect_jwt_tokens: bool) -> None:
    """A token of either kind is removed from both caches."""
    harness = Harness(**CLIENT, cache=Cache(), introspect_jwt_tokens=introspect_jwt_tokens)
    harness.answer(aud="api")
    for token in (GOOD, "opaque"):
        harness.validate(token)
        harness.run(harness.validator.forget(token))
    assert harness.cache == {}
    assert len(harness.validator._jwt._verified) == 0
