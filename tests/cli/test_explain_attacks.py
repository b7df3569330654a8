"""``explain`` gives the validator's reason for every attack, and exposes nothing of the tokens."""

from __future__ import annotations

import functools
import json

import pytest

from monocloud_mw import HttpRequest, HttpResponse, Presented, TokenError
from monocloud_mw.cli.explain.explain import Explanation, explain_token
from monocloud_mw.cli.explain.report import print_text, to_dict
from monocloud_mw.core.effects import Instant
from monocloud_mw.drivers.threads import SyncDriver

from ..attacks.api import NEEDED
from ..attacks.attack import NOW, SUBJECT, Attack, options
from ..attacks.exposure import pieces_of, seen_in
from ..attacks.table import each_family
from ..noted import noted


def _no_fetch(_request: HttpRequest) -> HttpResponse:
    raise AssertionError("nothing is fetched")


def _now() -> Instant:
    return Instant(NOW, 0.0)


def _explain(token: str, certificate: bytes | None) -> Explanation:
    driver = SyncDriver(_no_fetch, cache=None, clock=_now, wait_timeout=1)
    presented = Presented(token, client_certificate=certificate)
    return explain_token(presented, NEEDED, options(), driver.run, _now)


_explain_once = functools.cache(_explain)


@each_family
def test_attacks_are_explained(family: list[Attack], capsys: pytest.CaptureFixture[str]) -> None:
    """The first step that fails is that of the validator; the output contains nothing of the token. All steps
    pass for the attack's control.
    """
    for attack in family:
        with noted(attack.name):
            _check_explained(attack, capsys)


def _check_explained(attack: Attack, capsys: pytest.CaptureFixture[str]) -> None:
    control = _explain_once(attack.control, attack.certificate)
    assert control.error is None
    assert {step.state for step in control.steps} <= {"passed", "skipped"}

    explanation = _explain(attack.token, attack.certificate)
    reasons = [step.reason for step in explanation.steps if step.state == "failed"]
    assert isinstance(explanation.error, TokenError)
    assert (reasons[0], explanation.error.reason) == (attack.reason, attack.reason)

    print_text(explanation, attack.token)
    shown = capsys.readouterr().out + json.dumps(to_dict(explanation, attack.token))
    assert seen_in(shown, pieces_of(*attack.token.split("."), SUBJECT)) == []
