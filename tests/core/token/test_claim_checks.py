"""The checks of claims: exact to the second, and by type."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.core.effects import Instant
from monocloud_mw.core.token.claim_checks import (
    check_audience,
    check_issuer,
    check_lifetime,
    check_subject,
    parse_lifetime,
)
from monocloud_mw.errors import Reason, TokenError
from monocloud_mw.frozen import freeze

from ...test_frozen import JSON

ISSUER = "https://acme.us.monocloud.com"
NOW = 1_700_000_000
NOT_NUMBERS: list[Any] = [
    None,
    True,
    10**400,  # from a cache: JSON text is bounded
    False,
    "1800000000",
    "",
    [1_800_000_000],
    {},
    float("nan"),
    float("inf"),
    float("-inf"),
    int(sys.float_info.max) + 1,  # the first value that is refused, on either side
    -int(sys.float_info.max) - 1,
]


def refusal_of(check: Callable[..., None], *arguments: Any, **settings: Any) -> TokenError:
    """Return the error that a check raises."""
    with pytest.raises(TokenError) as caught:
        check(*arguments, **settings)
    return caught.value


@pytest.mark.parametrize("required", [True, False])
def test_our_issuer_is_accepted(required: bool) -> None:
    """The issuer is compared exactly."""
    check_issuer({"iss": ISSUER}, ISSUER, required=required)


def test_introspection_may_leave_the_issuer_out() -> None:
    """RFC 7662 section 2.2: ``iss`` is optional there."""
    check_issuer({}, ISSUER, required=False)


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize(
    "found",
    [
        f"{ISSUER}/",
        ISSUER.upper(),
        f" {ISSUER}",
        "https://evil.example",
        "",
        None,
        True,
        5,
        1.5,
        [ISSUER],
        {"iss": ISSUER},
    ],
)
def test_another_issuer_is_refused(found: Any, required: bool) -> None:
    """Also one that differs in a slash or in case, or has another type."""
    error = refusal_of(check_issuer, freeze({"iss": found}), ISSUER, required=required)
    assert error.reason is Reason.WRONG_ISSUER
    assert error.detail == f"expected '{ISSUER}'"


def test_a_jwt_must_name_its_issuer() -> None:
    """RFC 9068 section 2.2: ``iss`` is required."""
    assert refusal_of(check_issuer, {}, ISSUER).reason is Reason.WRONG_ISSUER


def test_the_error_names_the_issuer_that_was_found() -> None:
    """The issuer is in the log, escaped."""
    error = refusal_of(check_issuer, {"iss": "https://evil\n.example"}, ISSUER)
    assert error.issuer == "'https://evil\\n.example'"
    assert "evil" not in str(error)


@pytest.mark.parametrize("found", ["api", ["api"], ["other", "api"], ["second"], ["api", 5, None], "second"])
def test_one_of_our_audiences_is_enough(found: Any) -> None:
    """`aud` is a string or an array (RFC 7519 section 4.1.3)."""
    check_audience(freeze({"aud": found}), ("api", "second"))


@pytest.mark.parametrize(
    "claims",
    [
        {},
        *(
            {"aud": found}
            for found in ["", "other", "API", "api ", "api second", [], ["other"], [["api"]], [{"api": 1}]]
        ),
        *({"aud": found} for found in [None, True, 5, 1.5, {"api": True}, [None], [True]]),
    ],
)
def test_another_audience_is_refused(claims: Any) -> None:
    """A missing audience, a part of ours or another spelling is refused."""
    error = refusal_of(check_audience, freeze(claims), ("api", "second"))
    assert error.reason is Reason.WRONG_AUDIENCE
    assert error.detail == "expected 'api', 'second'"


def lifetime(
    claims: Any, *, now: float = NOW, skew: float = 0, tolerance: float = 0, required: bool = True
) -> None:
    """Check a lifetime at a time; the monotonic clock must not matter."""
    check_lifetime(
        parse_lifetime(
            freeze(claims), skew_seconds=skew, tolerance_seconds=tolerance, expiry_required=required
        ),
        Instant(unix=now, monotonic=-1.0),
    )


@pytest.mark.parametrize(
    ("claims", "settings"),
    [
        ({"exp": NOW + 1}, {}),
        ({"exp": NOW + 0.001}, {}),
        ({"exp": NOW - 59}, {"tolerance": 60}),
        ({"exp": NOW + 6}, {"skew": 5}),
        ({"exp": NOW - 54}, {"skew": 5, "tolerance": 60}),
        ({"exp": 10**60}, {}),
        ({"exp": sys.float_info.max}, {"skew": 5, "tolerance": 60}),
        ({"exp": int(sys.float_info.max), "nbf": -sys.float_info.max}, {"skew": 5, "tolerance": 60}),
        ({"exp": NOW + 1, "nbf": NOW}, {}),
        ({"exp": NOW + 1, "nbf": NOW + 60}, {"tolerance": 60}),
        ({"exp": NOW + 9, "nbf": NOW + 5}, {"skew": 5}),
        ({"exp": NOW + 9, "nbf": NOW + 65}, {"skew": 5, "tolerance": 60}),
        ({"exp": NOW + 1, "nbf": -(10**60)}, {}),
        ({"exp": NOW + 1, "nbf": 0.5}, {}),
        ({}, {"required": False}),
        ({"nbf": NOW}, {"required": False}),
    ],
)
def test_a_token_within_its_lifetime_is_accepted(claims: Any, settings: Any) -> None:
    """Valid while now + skew - tolerance < exp and nbf <= now + skew + tolerance."""
    lifetime(claims, **settings)


@pytest.mark.parametrize(
    ("claims", "settings", "reason"),
    [
        ({"exp": NOW}, {}, Reason.EXPIRED),
        ({"exp": NOW - 0.001}, {}, Reason.EXPIRED),
        ({"exp": NOW - 60}, {"tolerance": 60}, Reason.EXPIRED),
        ({"exp": NOW + 5}, {"skew": 5}, Reason.EXPIRED),
        ({"exp": NOW - 55}, {"skew": 5, "tolerance": 60}, Reason.EXPIRED),
        ({"exp": 0}, {}, Reason.EXPIRED),
        ({"exp": -(10**60)}, {}, Reason.EXPIRED),
        ({"exp": NOW}, {"required": False}, Reason.EXPIRED),
        ({"exp": NOW + 9, "nbf": NOW + 1}, {}, Reason.NOT_YET_VALID),
        ({"exp": NOW + 9, "nbf": NOW + 0.001}, {}, Reason.NOT_YET_VALID),
        ({"exp": NOW + 99, "nbf": NOW + 61}, {"tolerance": 60}, Reason.NOT_YET_VALID),
        ({"exp": NOW + 99, "nbf": NOW + 6}, {"skew": 5}, Reason.NOT_YET_VALID),
        ({"exp": NOW + 9, "nbf": 10**60}, {}, Reason.NOT_YET_VALID),
        ({"nbf": NOW + 1}, {"required": False}, Reason.NOT_YET_VALID),
        ({"exp": NOW, "nbf": NOW + 1}, {}, Reason.EXPIRED),
    ],
)
def test_a_token_outside_its_lifetime_is_refused(claims: Any, settings: Any, reason: Reason) -> None:
    """A token is refused from the exact second on, in either direction."""
    error = refusal_of(lifetime, claims, **settings)
    assert (error.reason, error.detail) == (reason, None)


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
@pytest.mark.parametrize("name", ["exp", "nbf"])
def test_a_date_is_a_finite_number(name: str, value: Any, required: bool) -> None:
    """Booleans and text are not dates; null is not the same as a missing claim."""
    error = refusal_of(lifetime, {"exp": NOW + 9, name: value}, required=required)
    assert (error.reason, error.detail) == (Reason.INVALID_CLAIM, f"{name} is not a number")


def test_a_jwt_must_expire() -> None:
    """RFC 9068 section 2.2: ``exp`` is required."""
    error = refusal_of(lifetime, {"nbf": NOW})
    assert (error.reason, error.detail) == (Reason.INVALID_CLAIM, "exp is missing")


@pytest.mark.parametrize("claims", [{}, {"sub": ""}, {"sub": "user-1"}, {"sub": "Zo\u00eb"}])
def test_a_subject_is_text_or_absent(claims: Any) -> None:
    """Tokens of client credentials may have no subject."""
    check_subject(claims)


@pytest.mark.parametrize("value", [None, True, 5, 1.5, ["user"], {"id": "user"}])
def test_another_subject_is_refused(value: Any) -> None:
    """A number would never equal the text that a handler compares it with."""
    error = refusal_of(check_subject, freeze({"sub": value}))
    assert (error.reason, error.detail) == (Reason.INVALID_CLAIM, "sub is not a string")


@given(st.dictionaries(st.sampled_from(["iss", "aud", "exp", "nbf", "sub"]), JSON), st.booleans())
def test_no_claim_escapes_the_documented_errors(claims: Any, required: bool) -> None:
    """A claim of any JSON type is accepted or refused with a documented error."""
    frozen = freeze(claims)
    checks: list[Callable[[], None]] = [
        lambda: check_issuer(frozen, ISSUER, required=required),
        lambda: check_audience(frozen, ("api",)),
        lambda: lifetime(frozen, required=required),
        lambda: check_subject(frozen),
    ]
    for check in checks:
        try:
            check()
        except TokenError as error:
            refused = error.reason
            assert refused in Reason
