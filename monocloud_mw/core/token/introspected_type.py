"""What an introspection response says of the kind of token: anything but an access token is refused.

``token_type`` is defined by RFC 7662 section 2.2, with the values of RFC 6749 section 7.1, RFC 9449 section 5
(``DPoP``) and RFC 8693 section 2.2.1 (``N_A``, ``access_token`` by its name). Providers also say it in
``token_use`` (AWS Cognito, Ory Hydra) and in ``typ`` (Keycloak; RFC 9068 section 2.1). Letter case does not
count. What is absent or ``null`` says nothing; a value that is not in the table is that of another token.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from ...errors import Reason, TokenError

__all__ = ["check_introspected_type"]

_ACCESS_TOKEN: Final = "access_token"  # noqa: S105  it is no password

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
    """Refuse a token of another kind.

    Raises:
        TokenError: a member says that it is another kind of token, or that it is bound to a DPoP key while
            ``cnf`` names none [wrong_type].
    """
    for name, accepted in ACCESS_TOKEN_TYPES.items():
        found = claims.get(name)
        if found is None:
            continue
        kind = found.lower() if isinstance(found, str) and found.isascii() else ""
        if kind not in accepted:
            raise TokenError(Reason.WRONG_TYPE, f"{name} is not that of an access token")
        confirmation = claims.get("cnf")
        if kind == "dpop" and not (isinstance(confirmation, Mapping) and "jkt" in confirmation):
            raise TokenError(Reason.WRONG_TYPE, f"{name} is DPoP, and cnf has no jkt")
