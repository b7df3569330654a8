"""The token type in an introspection response: anything but an access token is refused.

``token_type`` is defined by RFC 7662 section 2.2, with the values of RFC 6749 section 7.1, RFC 9449 section 5
(``DPoP``) and RFC 8693 section 2.2.1 (``N_A``, and the identifier of an access token). Other members for the
type are ``token_use`` (AWS Cognito, Ory Hydra) and ``typ`` (Keycloak; RFC 9068 section 2.1). The comparison
ignores case. A member that is absent or ``null`` is not checked; a value that is not in the table is
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from ...errors import Reason, TokenError

__all__ = ["check_introspected_type"]

_ACCESS_TOKEN: Final = "access_token"  # noqa: S105  not a password

ACCESS_TOKEN_TYPES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "token_type": frozenset(
            {"bearer", "dpop", "n_a", _ACCESS_TOKEN, f"urn:ietf:params:oauth:token-type:{_ACCESS_TOKEN}"}
        ),
        "token_use": frozenset({"access", _ACCESS_TOKEN}),
        "typ": frozenset({"bearer", "dpop", "jwt", "at+jwt", "application/at+jwt", "access", _ACCESS_TOKEN}),
    }
)


def check_introspected_type(claims: Mapping[str, Any]) -> None:
    """Refuse a token that is not an access token.

    Raises:
        TokenError: a member names another token type, or DPoP although ``cnf`` has no ``jkt`` [wrong_type].
    """
    for name, accepted in ACCESS_TOKEN_TYPES.items():
        found = claims.get(name)
        if found is None:
            continue
        kind = found.lower() if isinstance(found, str) and found.isascii() else ""
        if kind not in accepted:
            raise TokenError(Reason.WRONG_TYPE, f"{name} is not one of an access token")
        confirmation = claims.get("cnf")
        if kind == "dpop" and not (isinstance(confirmation, Mapping) and "jkt" in confirmation):
            raise TokenError(Reason.WRONG_TYPE, f"{name} is DPoP, but cnf has no jkt")
