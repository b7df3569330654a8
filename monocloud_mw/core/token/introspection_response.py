"""What the tenant says of a token (RFC 7662 section 2.2), and what it says when it refuses to answer.

``active`` must be the JSON value ``true``; anything else is an inactive token or no answer at all, never
claims. The document is read like the tenant's others, where a flaw in a member that decides nothing does no
harm (:mod:`monocloud_mw.jose.lenient_json`). About members that decide, it must not contradict itself: a
name that is repeated there is no answer, since another reader may have seen the other value. The checks of
the claims are made elsewhere, on every use; a flawed number or text has a wrong type for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ...errors import HttpError, OAuthResponseError, quoted
from ...frozen import FrozenDict
from ...http import HttpResponse
from ...options import Options
from ..tenant.http_json import parse_body, status_error

__all__ = ["parse_introspection"]

CHECKED: Final = (
    *("active", "aud", "client_id", "cnf", "exp", "iat", "iss", "jti", "nbf", "scope", "sub"),
    *("token_type", "token_use", "typ"),
)
"""Members that decide about a token, besides those with its groups."""

ADVICE: Final = "correct the introspection_endpoint at the tenant"
"""Where the endpoint redirects, or is not there. The target of a redirect may hold a token."""

INACTIVE: Final = FrozenDict({"active": False})

_ERROR_TEXT: Final = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]{1,200}")  # RFC 6749 section 5.2


def parse_introspection(
    url: str, response: HttpResponse, options: Options, now_unix: float | None = None
) -> FrozenDict:
    """Read an introspection response (RFC 7662 section 2.2, errors by RFC 6749 section 5.2).

    Args:
        url: where the response is from.
        response: as it arrived.
        options: name the client, for errors.
        now_unix: when the request was sent, in Unix seconds.

    Returns:
        The members of an active token's response, or ``{"active": false}``, whatever else was said.

    Raises:
        OAuthResponseError: the tenant refused our client or request (400, 401, 403; the body may be empty).
        HttpError: any other status, or a body that is no JSON object. With a redirect, and with another
            status that says that the request was wrong (4xx), it is permanent.
    """
    if response.status in (400, 401, 403):
        raise _refusal(url, response, options)
    if response.status != 200:
        raise status_error(url, response, now_unix, ADVICE)
    answer = parse_body(url, response, unique=(*CHECKED, *_claim_names(options)))
    active = answer.get("active")
    if not isinstance(active, bool):
        raise HttpError(f"{quoted(url)} did not say whether the token is active", status=200)
    return answer if active else INACTIVE


def _claim_names(options: Options) -> tuple[str, ...]:
    """Return the names of the members that hold groups and scopes, or the object in which they are."""
    claims = options.groups_claim, options.scopes_claim
    return *claims, *(claim.partition(".")[0] for claim in claims)


def _refusal(url: str, response: HttpResponse, options: Options) -> OAuthResponseError:
    try:
        body: Mapping[str, Any] = parse_body(url, response)
    except HttpError:
        body = {}
    error, description = _error_text(body.get("error")), _error_text(body.get("error_description"))
    return OAuthResponseError(
        f"{quoted(url)} refused client {quoted(options.client_id)} with {options.client_auth_method}: "
        f"{error or 'no error code'} (status {response.status})",
        error=error,
        error_description=description,
        status=response.status,
    )


def _error_text(value: Any) -> str | None:
    """Return an error member as it stands where it keeps to its grammar, and escaped where it does not."""
    if not isinstance(value, str):
        return None
    return value if _ERROR_TEXT.fullmatch(value) else quoted(value)
