"""The checks on every request: those that are skipped for plain tokens would have passed."""

from __future__ import annotations

from itertools import product
from typing import Any, Final, Literal

import attrs
import pytest

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.core.effects import Instant
from monocloud_mw.core.token.presented import Presented
from monocloud_mw.core.token.requirements import NO_REQUIREMENTS
from monocloud_mw.core.token.verified import VerifiedToken, check_request, verify_claims
from monocloud_mw.errors import TokenError
from monocloud_mw.options import Options

ABSENT: Final[Any] = object()
SUBJECTS: Final[tuple[Any, ...]] = (ABSENT, "", "alice", None, 1, True, [], ["alice"], {})
CONFIRMATIONS: Final[tuple[Any, ...]] = (
    *(ABSENT, None, "x", 0, False, [], {}),
    *({"jkt": "x"}, {"kid": "x"}, {"x5t#S256": "x"}, {"x5t#S256": None}),
)
CERTIFICATES: Final = (None, "", "x", b"x")


@pytest.mark.parametrize("mode", ["when_present", "required", "dangerously_ignore"])
def test_no_check_of_a_plain_token_would_fail(
    mode: Literal["when_present", "required", "dangerously_ignore"],
) -> None:
    """With every ``sub``, ``cnf`` and certificate, the outcome is that of making every check."""
    options = Options(tenant_domain="https://acme.test", audience="api", validate_certificate_binding=mode)
    for subject, confirmation, certificate in product(SUBJECTS, CONFIRMATIONS, CERTIFICATES):
        claims = {"iss": "https://acme.test", "aud": "api", "sub": subject, "cnf": confirmation}
        present = {name: value for name, value in claims.items() if value is not ABSENT}
        token = verify_claims(AccessTokenClaims(present), "https://acme.test", options)
        presented = Presented("token", "Bearer", certificate)
        expected = _outcome(attrs.evolve(token, is_plain=False), presented, options)
        assert expected == _outcome(token, presented, options)


def _outcome(token: VerifiedToken, presented: Presented, options: Options) -> str:
    try:
        check_request(token, presented, NO_REQUIREMENTS, options, Instant(0.0, 0.0))
    except TokenError as error:
        return str(error)
    return "accepted"
