"""The token types that an introspection response may name."""

from __future__ import annotations

from typing import Any

import pytest

from monocloud_mw.core.token.introspected_type import check_introspected_type
from monocloud_mw.errors import Reason, TokenError
from monocloud_mw.frozen import FrozenDict

BOUND = {"cnf": {"jkt": "thumbprint"}}


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"token_type": None, "token_use": None, "typ": None},
        {"token_type": "Bearer"},
        {"token_type": "bearer"},
        {"token_type": "BEARER"},
        {"token_type": "bEaReR"},
        {"token_type": "N_A"},
        {"token_type": "n_a"},
        {"token_type": "access_token"},
        {"token_type": "urn:ietf:params:oauth:token-type:access_token"},
        {"token_type": "DPoP"} | BOUND,
        {"token_type": "dpop", "typ": "DPoP"} | BOUND,
        {"token_use": "access"},
        {"token_use": "Access"},
        {"token_use": "access_token"},
        {"typ": "Bearer"},
        {"typ": "bearer", "token_type": "Bearer"},
        {"typ": "at+jwt"},
        {"typ": "AT+JWT"},
        {"typ": "application/at+jwt"},
        {"typ": "JWT"},
        {"typ": "access_token"},
        {"type": "refresh_token", "use": "id"},
    ],
    ids=str,
)
def test_an_access_token(claims: dict[str, Any]) -> None:
    """All names that providers use for access tokens are accepted; other members are ignored."""
    check_introspected_type(FrozenDict({"active": True, "sub": "user-1", **claims}))


@pytest.mark.parametrize(
    "claims",
    [
        {name: value}
        for name in ("token_type", "token_use", "typ")
        for value in (
            "refresh_token", "Refresh_Token", "REFRESH_TOKEN", "refresh", "Refresh", "id_token", "ID_TOKEN",
            "id", "ID", "Offline", "Logout", "logout+jwt", "dpop+jwt", "secevent+jwt",
            "token-introspection+jwt", "Serialized-ID", "mac", "pop", "device_code", "authorization_code",
            "urn:ietf:params:oauth:token-type:refresh_token", "urn:ietf:params:oauth:token-type:id_token",
            "", " ", " Bearer", "Bearer ", "Bearer\n", "\tBearer", "Bearer refresh_token",
            "Bearer,refresh_token", "Bearer\0", "access ", "access_to\u212aen", "access\u00a0", "\u0430ccess",
            ["Bearer"], ["access"], ["Bearer", "refresh_token"], [], {}, {"type": "Bearer"}, True, False,
            0, 1, 1.5,
        )
    ]
    + [
        {"token_type": "DPoP"},
        {"token_type": "dpop"},
        {"typ": "DPoP"},
        {"token_type": "DPoP", "cnf": None},
        {"token_type": "DPoP", "cnf": {}},
        {"token_type": "DPoP", "cnf": {"x5t#S256": "x"}},
        {"token_type": "DPoP", "cnf": "jkt"},
        {"token_type": "DPoP", "cnf": ["jkt"]},
        {"token_use": "DPoP"} | BOUND,
        {"token_type": "Bearer", "token_use": "id"},
        {"token_type": "Bearer", "typ": "Refresh"},
        {"token_use": "access", "typ": "ID"},
        {"token_use": "refresh_token", "typ": "Bearer", "token_type": "Bearer"},
        {"token_use": "N_A"},
        {"token_type": "at+jwt"},
    ],
    ids=str,
)  # fmt: skip
def test_another_token(claims: dict[str, Any]) -> None:
    """One member with another type is enough; the message names the member and not its value."""
    with pytest.raises(TokenError) as caught:
        check_introspected_type(FrozenDict({"active": True, "sub": "user-1", **claims}))
    assert caught.value.reason == Reason.WRONG_TYPE
    assert "refresh" not in str(caught.value).lower()
