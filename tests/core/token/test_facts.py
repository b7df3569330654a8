"""What a refusal logs as expected and found; the message has none of it."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.core.effects import Instant
from monocloud_mw.core.token.claim_checks import check_audience, check_issuer, check_lifetime
from monocloud_mw.core.token.jwt import MAX_UNPROVEN_BYTES, MAX_UNPROVEN_VALUES, add_named_issuer, check_type
from monocloud_mw.core.token.requirements import Requirements, check_groups, check_scopes
from monocloud_mw.core.token.sender_constraint import check_confirmation
from monocloud_mw.core.token.validator import add_scheme_hint
from monocloud_mw.errors import Reason, TokenError
from monocloud_mw.frozen import freeze
from monocloud_mw.jose import base64url, parse_header
from monocloud_mw.protect.logs import describe_refusal
from monocloud_mw.quoting import quoted_list

TENANT: Final = "https://acme.us.monocloud.com"
SLASH: Final = "they differ only in a slash at the end or in case; write both in the same way"
NOW: Final = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def _claims(**claims: Any) -> AccessTokenClaims:
    return AccessTokenClaims(freeze(claims))


def _at(begins: float, ends: float) -> None:
    check_lifetime((begins, ends), Instant(NOW, 0.0))


SCOPES: Final = Requirements.of("orders:read orders:write")
ANY_SCOPE: Final = Requirements.of((), (), ["a", "b"])
GROUPS: Final = Requirements.of((), ["staff", "admins"])
HEADER: Final = base64url.encode(b'{"alg":"HS256"}')

FACTS: Final[dict[str, tuple[Any, str, str, str | None]]] = {
    "issuer": (
        lambda: check_issuer({"iss": "https://evil.example"}, TENANT),
        f"'{TENANT}'",
        "'https://evil.example'",
        None,
    ),
    "issuer with a slash": (
        lambda: check_issuer({"iss": f"{TENANT}/"}, TENANT),
        f"'{TENANT}'",
        f"'{TENANT}/'",
        SLASH,
    ),
    "issuer missing": (lambda: check_issuer({}, TENANT), f"'{TENANT}'", "no iss", None),
    "audience": (lambda: check_audience({"aud": "x"}, ("a", "b")), "'a', 'b'", "'x'", None),
    "audience with a slash": (
        lambda: check_audience({"aud": ["x", "https://a/", 5]}, ("https://a",)),
        "'https://a'",
        "'x', 'https://a/'",
        SLASH,
    ),
    "audience missing": (lambda: check_audience({}, ("a",)), "'a'", "no audience", None),
    "audience, an object": (
        lambda: check_audience({"aud": {"a": 1}}, ("a",)),
        "'a'",
        "no audience",
        None,
    ),
    "expired": (
        lambda: _at(0.0, NOW - 90.5),
        "before 2023-11-14T22:11:49Z (exp, with clock_skew and clock_tolerance)",
        "2023-11-14T22:13:20Z, 90.5 seconds later",
        None,
    ),
    "expired before calendars": (
        lambda: _at(-1e300, -1e299),
        "before -1e+299 (exp, with clock_skew and clock_tolerance)",
        "2023-11-14T22:13:20Z, more than 1000000 days later",
        None,
    ),
    "not yet valid": (
        lambda: _at(NOW + 300, NOW + 600),
        "2023-11-14T22:18:20Z or later (nbf, with clock_skew and clock_tolerance)",
        "2023-11-14T22:13:20Z, 5 minutes earlier",
        "the clock of this machine may be slow",
    ),
    "not valid for long": (
        lambda: _at(NOW + 86400, NOW + 86401),
        "2023-11-15T22:13:20Z or later (nbf, with clock_skew and clock_tolerance)",
        "2023-11-14T22:13:20Z, 24 hours earlier",
        None,
    ),
    "scope": (
        lambda: check_scopes(_claims(scope="orders:read x"), SCOPES),
        "all of the scopes 'orders:read', 'orders:write'",
        "the scopes 'orders:read', 'x'",
        None,
    ),
    "no scope": (
        lambda: check_scopes(_claims(), SCOPES),
        "all of the scopes 'orders:read', 'orders:write'",
        "no scopes",
        None,
    ),
    "any scope": (
        lambda: check_scopes(_claims(scope="c"), ANY_SCOPE),
        "any of the scopes 'a', 'b'",
        "the scopes 'c'",
        None,
    ),
    "any group": (
        lambda: check_groups(_claims(groups=["secret"]), GROUPS, match_all=False),
        "any of the groups 'admins', 'staff'",
        "the groups 'secret'",
        None,
    ),
    "all groups": (
        lambda: check_groups(_claims(groups=["staff"]), GROUPS, match_all=True),
        "all of the groups 'admins', 'staff'",
        "the groups 'staff'",
        None,
    ),
    "not bound": (
        lambda: check_confirmation(freeze({}), None, "required"),
        "cnf with x5t#S256",
        "no cnf",
        None,
    ),
    "DPoP": (
        lambda: check_confirmation(freeze({"cnf": {"jkt": "x"}}), None, "when_present"),
        "a bearer token, or one bound to a certificate",
        "a token bound to a DPoP key",
        None,
    ),
    "no certificate": (
        lambda: check_confirmation(freeze({"cnf": {"x5t#S256": "x"}}), None, "when_present"),
        "the client certificate that the token is bound to",
        "no client certificate",
        "behind a proxy that terminates TLS, a certificate_resolver must read it from the request",
    ),
    "algorithm": (
        lambda: parse_header(HEADER, ["ES256", "RS256"]),
        "alg 'ES256', 'RS256'",
        "alg is 'HS256'",
        None,
    ),
    "type": (
        lambda: check_type({"typ": "dpop+jwt"}),
        "typ 'application/at+jwt', 'at+jwt', 'jwt' or none",
        "typ 'dpop+jwt'",
        None,
    ),
}


@pytest.mark.parametrize(("check", "expected", "found", "hint"), FACTS.values(), ids=FACTS)
def test_a_refusal_says_what_was_expected_and_found(
    check: Any, expected: str, found: str, hint: str | None
) -> None:
    """Expected and found are attributes of the error; the message does not repeat them."""
    with pytest.raises(TokenError) as caught:
        check()
    error = caught.value
    assert (error.expected, error.found, error.hint) == (expected, found, hint)
    assert describe_refusal(error).message == error.description
    assert found not in str(error) or "alg" in found or "typ" in found


def test_lists_are_short_and_escaped() -> None:
    """At most ten values are listed, whatever the token has."""
    assert quoted_list(["a\n", "b"]) == "'a\\n', 'b'"
    assert quoted_list(map(str, range(12))).endswith("'9' and 2 more")
    assert quoted_list([]) == ""


def _unknown_key(payload: bytes) -> TokenError:
    error = TokenError(Reason.UNKNOWN_KEY)
    add_named_issuer(error, payload, TENANT)
    assert error.expected == f"a key of '{TENANT}'"
    assert error.issuer is None
    return error


@pytest.mark.parametrize("issuer", [TENANT, f"{TENANT}/"])
def test_an_unknown_key_with_the_tenants_issuer(issuer: str) -> None:
    """The issuer is quoted and marked as unverified."""
    error = _unknown_key(json.dumps({"iss": issuer}).encode())
    assert error.found == f"a token that names the issuer '{issuer}' (not verified)"
    assert error.hint == "the tenant has replaced its key: request a new token; or the token is forged"


def test_an_unknown_key_with_another_issuer() -> None:
    """A key of another tenant is named as the likely cause."""
    error = _unknown_key(b'{"iss":"https://other.eu.monocloud.com","sub":"canary"}')
    assert error.found == "a token that names the issuer 'https://other.eu.monocloud.com' (not verified)"
    assert error.hint == "the token is from another tenant, or tenant_domain names the wrong one"


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b'{"iss":5}',
        b"{",
        b'{"iss":"x","iss":"y"}',
        b'{"iss":"' + b"x" * MAX_UNPROVEN_BYTES + b'"}',
        json.dumps({"iss": "x", "a": [0] * MAX_UNPROVEN_VALUES}).encode(),
    ],
    ids=["no issuer", "a number", "no JSON", "two issuers", "too long", "too many values"],
)
def test_an_unverified_payload_that_is_invalid_is_ignored(payload: bytes) -> None:
    """An unreadable payload adds nothing to the error."""
    error = _unknown_key(payload)
    assert (error.found, error.hint) == (None, None)


@pytest.mark.parametrize(("token", "hinted"), [("Bearer a.b.c", True), ("bEARER x", True), ("bearer", False)])
def test_a_token_with_its_scheme_is_recognised(token: str, hinted: bool) -> None:
    """A token with its scheme, as in the header, is recognised."""
    hint = add_scheme_hint(TokenError(Reason.MALFORMED), token).hint
    assert hint == ('the token begins with "Bearer "; pass it without its scheme' if hinted else None)
