"""Introspection responses: which flaws are ignored and which make a response invalid."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.core.token.claim_checks import (
    check_audience,
    check_issuer,
    check_subject,
    parse_lifetime,
)
from monocloud_mw.core.token.introspection_response import CHECKED, parse_introspection
from monocloud_mw.core.token.requirements import Requirements, check_groups, check_scopes
from monocloud_mw.errors import HttpError, Reason, TokenError
from monocloud_mw.options import Options

from ..fake_driver import json_response

ENDPOINT: Final = "https://acme.us.monocloud.com/connect/introspect"
OPTIONS: Final = Options(
    tenant_domain="https://acme.us.monocloud.com",
    audience=("api",),
    client_id="client-1",
    client_secret="s3cr3t",
    groups_claim="realm.roles",
)
NEEDED: Final = Requirements.of(scopes="read", groups=["staff"])
NO_OBJECT: Final = f"'{ENDPOINT}' did not answer with a JSON object"


def check_dates(claims: AccessTokenClaims) -> object:
    """Check the dates of an introspected token."""
    return parse_lifetime(claims, skew_seconds=0, tolerance_seconds=60, expiry_required=False)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('\ufeff{"active": true, "sub": "a"}', {"active": True, "sub": "a"}),
        ('{"active": true, "x": 1, "x": 2}', {"active": True, "x": 2}),
        ('{"active": true, "x": {"active": 1, "active": 2}}', {"active": True, "x": {"active": 2}}),
        ('{"active": true, "x": NaN, "y": [1e999]}', {"active": True, "x": {}, "y": [{}]}),
        ('{"active": true, "x": "\\ud800"}', {"active": True, "x": {}}),
    ],
    ids=["byte order mark", "repeated", "repeated within", "numbers", "half a pair"],
)
def test_flaws_in_members_that_decide_nothing(body: str, expected: dict[str, Any]) -> None:
    """Flaws in members that decide nothing are ignored; the claims are valid strict JSON."""
    answer = parse_introspection(ENDPOINT, json_response(body), OPTIONS)
    assert answer == expected
    assert json.dumps(answer, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize("name", [*CHECKED, "realm.roles", "realm"])
@pytest.mark.parametrize(
    "values",
    [("true", "true"), ("false", "true"), ('{"a": 1, "a": 1}',), ('[{"a": 1, "a": 2}]',)],
    ids=["agreeing", "contradicting", "within", "deep within"],
)
def test_an_answer_does_not_contradict_itself(name: str, values: tuple[str, ...]) -> None:
    """A member that decides, and every name within it, must not be repeated."""
    members = ", ".join(f'"{name}": {value}' for value in values)
    active = "" if name == "active" else '"active": true, '
    with pytest.raises(HttpError) as caught:
        parse_introspection(ENDPOINT, json_response("{" + active + members + "}"), OPTIONS)
    assert str(caught.value) == f"{NO_OBJECT}: it repeats {name}, or a name in it"


@pytest.mark.parametrize("flaw", ["NaN", "1e999", "9" * 70, '"\\ud800"', "[" * 50 + "]" * 50])
def test_a_flaw_in_active_is_an_invalid_response(flaw: str) -> None:
    """`active` must be the JSON value ``true`` or ``false``."""
    with pytest.raises(HttpError, match="has no boolean member active"):
        parse_introspection(ENDPOINT, json_response('{"active": ' + flaw + "}"), OPTIONS)


FLAWS: Final = ("NaN", "1e999", "9" * 70, '"\\ud800"')


@pytest.mark.parametrize("flaw", FLAWS, ids=["NaN", "beyond floats", "long integer", "half a pair"])
@pytest.mark.parametrize(
    ("name", "check", "reason"),
    [
        ("exp", check_dates, Reason.INVALID_CLAIM),
        ("nbf", check_dates, Reason.INVALID_CLAIM),
        ("iss", lambda claims: check_issuer(claims, "i", required=False), Reason.WRONG_ISSUER),
        ("aud", lambda claims: check_audience(claims, ("api",)), Reason.WRONG_AUDIENCE),
        ("sub", check_subject, Reason.INVALID_CLAIM),
        ("scope", lambda claims: check_scopes(claims, NEEDED), Reason.INSUFFICIENT_SCOPE),
        ("groups", lambda claims: check_groups(claims, NEEDED, match_all=False), Reason.INSUFFICIENT_GROUPS),
    ],
)
def test_a_flaw_in_a_claim_that_decides_is_refused(
    flaw: str, name: str, check: Callable[[AccessTokenClaims], object], reason: Reason
) -> None:
    """The claim is present with a wrong type, so its check refuses it."""
    answer = parse_introspection(
        ENDPOINT, json_response('{"active": true, "' + name + '": ' + flaw + "}"), OPTIONS
    )
    with pytest.raises(TokenError) as caught:
        check(AccessTokenClaims(answer))
    assert caught.value.reason is reason
