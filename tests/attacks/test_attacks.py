"""Every attack on both clients and all adapters, each with a control token that is accepted."""

from __future__ import annotations

import logging
import re
from typing import Final

import pytest

from monocloud_mw import AccessTokenClaims, MonoCloudError, TokenError
from monocloud_mw.errors import Reason
from monocloud_mw.protect.responses import error_response

from ..noted import noted
from .api import Api
from .attack import SUBJECT, Attack, options
from .exposure import pieces_of, seen_in, shown_by, shown_in_log
from .signatures import SAME_AGAIN
from .table import ATTACKS, each_family

# The characters that an Authorization header may have after the scheme (RFC 6750 section 2.1).
B64TOKEN: Final = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")

attacks = pytest.mark.parametrize("attack", ATTACKS.values(), ids=[ascii(name) for name in ATTACKS])


def _reasons(outcomes: list[AccessTokenClaims | MonoCloudError]) -> list[Reason | None]:
    return [outcome.reason if isinstance(outcome, TokenError) else None for outcome in outcomes]


@attacks
def test_an_attack_is_refused_for_its_reason(attack: Attack, api: Api) -> None:
    """Both clients refuse it, before and after they have accepted the control token, and their errors expose
    nothing.
    """
    refused = [attack.reason, attack.reason]
    errors = api.outcomes(attack.token, attack.certificate)
    assert _reasons(errors) == refused
    shown = "\n".join(shown_by(error) for error in errors if isinstance(error, MonoCloudError))
    assert seen_in(shown, pieces_of(*attack.token.split("."), SUBJECT)) == []
    for passing in api.outcomes(attack.control, attack.certificate):
        assert isinstance(passing, AccessTokenClaims)
    assert _reasons(api.outcomes(attack.token, attack.certificate)) == refused


@pytest.mark.usefixtures("all_records")
@each_family
def test_an_attack_over_http_is_refused_for_its_reason(
    family: list[Attack], api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """Every adapter returns the generic message and logs the reason, without the token."""
    caplog.set_level(logging.DEBUG, "monocloud_mw")
    for attack in family:
        caplog.clear()
        with noted(attack.name):
            _check_over_http(attack, api, caplog)


def _check_over_http(attack: Attack, api: Api, caplog: pytest.LogCaptureFixture) -> None:
    sent = attack.token.encode("utf-8", "surrogatepass")
    answers = api.answers(b"Bearer " + sent, attack.certificate)
    statuses = [answer.status for answer in answers]
    challenges = [answer.headers.get("www-authenticate") for answer in answers]
    if attack.token.strip(" \t") == attack.control:
        # Surrounding white space belongs to HTTP (RFC 9110 section 5.5) and is not part of the token.
        assert statuses in ([200] * 3, [400] * 3)
    elif B64TOKEN.fullmatch(sent):
        refusal = error_response(TokenError(attack.reason, scopes=["api"]))
        assert statuses == [refusal.status] * 3
        assert challenges == [dict(refusal.headers)["WWW-Authenticate"]] * 3
        assert [answer.body for answer in answers] == [refusal.body] * 3
        assert [f"[{attack.reason}]" in message for message in caplog.messages] == [True] * 3
    else:
        assert statuses == [400] * 3
        assert challenges == ['Bearer error="invalid_request"'] * 3
    shown = shown_in_log(caplog.records) + repr(answers)
    assert seen_in(shown, pieces_of(*attack.token.split("."), SUBJECT)) == []
    passing = api.answers(b"Bearer " + attack.control.encode(), attack.certificate)
    assert [answer.status for answer in passing] == [200] * 3


def test_the_other_signature_of_a_token_says_the_same(api: Api) -> None:
    """ECDSA has two signatures for one message; the second gives the same claims and lifetime."""
    first, second = SAME_AGAIN
    assert first != second
    claims, *others = api.outcomes(first) + api.outcomes(second)
    assert isinstance(claims, AccessTokenClaims)
    assert others == [claims] * 3
    late = Api(options(clock=lambda: claims["exp"] + 60))
    assert _reasons(late.outcomes(first) + late.outcomes(second)) == [Reason.EXPIRED] * 4
    late.close()


def test_every_reason_is_attacked() -> None:
    """The table has every reason that a JWT can be refused for; the others need other settings."""
    others = {Reason.INACTIVE, Reason.NOT_BOUND, Reason.CERTIFICATE_MALFORMED}
    assert {attack.reason for attack in ATTACKS.values()} == set(Reason) - others


def test_no_attack_is_its_own_control() -> None:
    """An attack differs from its control token."""
    assert [name for name, attack in ATTACKS.items() if attack.token == attack.control] == []


def test_controls_are_refused_by_another_api() -> None:
    """An API with another audience refuses each control token for its audience."""
    elsewhere = Api(options(audience="https://other.example.com"))
    found = {reason for attack in ATTACKS.values() for reason in _reasons(elsewhere.outcomes(attack.control))}
    elsewhere.close()
    assert found == {Reason.WRONG_AUDIENCE}
