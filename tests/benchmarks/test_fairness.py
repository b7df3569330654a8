"""A contender that omits a check is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monocloud_mw import AccessTokenClaims, BackendClient, TokenError

from .fairness import check_fairness
from .tokens import AUDIENCE, ISSUER, SCOPE, Workload


@pytest.fixture(scope="module")
def workload() -> Workload:
    """Return tokens of a key that is generated quickly."""
    return Workload.create("ES256", tokens=1)


@pytest.fixture
def validate(workload: Workload) -> Callable[[str], AccessTokenClaims]:
    """Return a contender that makes every check."""
    client = BackendClient(tenant_domain=ISSUER, audience=AUDIENCE, jwks_resolver=lambda: workload.jwks)
    return lambda token: client.validate_access_token(token, scopes=[SCOPE])


def test_whoever_makes_every_check_takes_part(
    workload: Workload, validate: Callable[[str], AccessTokenClaims]
) -> None:
    """A contender that accepts the valid token and rejects the invalid ones passes."""
    check_fairness("somebody", validate, workload)


@pytest.mark.parametrize(
    "fault",
    [
        "signed by a stranger",
        "one bit changed",
        "expired",
        "without exp",
        "not valid yet",
        "another issuer",
        "another audience",
        "scope missing",
    ],
)
def test_whoever_leaves_a_check_out_stops_the_run(
    workload: Workload, validate: Callable[[str], AccessTokenClaims], fault: str
) -> None:
    """The error names a contender that accepts an invalid token, and what is wrong with the token."""
    bad = workload.bad_tokens()

    def careless(token: str) -> Any:
        return {} if token == bad[fault] else validate(token)

    class Once(Workload):
        def bad_tokens(self) -> dict[str, str]:
            return dict(bad)

    same_tokens = Once(workload.algorithm, workload.key, workload.tokens)
    with pytest.raises(SystemExit, match=rf"^somebody accepts a token that is bad \({fault}\)"):
        check_fairness("somebody", careless, same_tokens)


def test_whoever_refuses_a_good_token_stops_the_run(workload: Workload) -> None:
    """A contender that rejects every token is refused as well."""

    def refuse(token: str) -> Any:
        raise TokenError("malformed")  # type: ignore[arg-type]

    with pytest.raises(TokenError):
        check_fairness("somebody", refuse, workload)
