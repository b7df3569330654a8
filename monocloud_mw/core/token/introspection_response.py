"""Parse introspection responses (RFC 7662 section 2.2) and the errors of the introspection endpoint.

``active`` must be the JSON value ``true``: ``false`` means an inactive token, anything else an invalid
response. The body is parsed like the tenant's other documents, which ignores flaws in unused members
(:mod:`monocloud_mw.jose.lenient_json`). A repeated member that is used for a decision makes the response
invalid, because parsers disagree on which value counts. The claims are checked elsewhere, on every use; an
unreadable number or string has the wrong type for all of these checks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ...errors import HttpError, OAuthResponseError
from ...frozen import FrozenDict
from ...http import HttpResponse
from ...options import Options
from ...quoting import quoted
from ..tenant.http_json import parse_body, status_error

__all__ = ["parse_introspection"]

CHECKED: Final = (
    *("active", "aud", "client_id", "cnf", "exp", "iat", "iss", "jti", "nbf", "scope", "sub"),
    *("token_type", "token_use", "typ"),
)
"""Members that are used for decisions, in addition to the configured claims for groups and scopes."""

ADVICE: Final = "correct the introspection_endpoint at the tenant"
"""For a redirect or a 4xx status. It does not quote the redirect's target, which may contain a token."""

INACTIVE: Final = FrozenDict({"active": False})

_ERROR_TEXT: Final = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]{1,200}")  # RFC 6749 section 5.2


def parse_introspection(
    url: str, response: HttpResponse, options: Options, now_unix: float | None = None
) -> FrozenDict:
    """Read an introspection response (RFC 7662 section 2.2, errors by RFC 6749 section 5.2).

    Args:
        url: the introspection endpoint.
        response: the response to the introspection request.
        options: the client and the names of the claims.
        now_unix: when the request was sent, in Unix seconds.

    Returns:
        All members of the response for an active token, and only ``{"active": false}`` for an inactive one.

    Raises:
        OAuthResponseError: the tenant rejected the client or the request (400, 401, 403; any body).
        HttpError: any other status, or a body that is not a JSON object. The error is permanent for a
            redirect and for any other 4xx status.
    """
    if response.status in (400, 401, 403):
        raise _refusal(url, response, options)
    if response.status != 200:
        raise status_error(url, response, now_unix, ADVICE)
    answer = parse_body(url, response, unique=(*CHECKED, *_claim_names(options)))
    active = answer.get("active")
    if not isinstance(active, bool):
        raise HttpError(f"the response of {quoted(url)} has no boolean member active", status=200)
    return answer if active else INACTIVE


def _claim_names(options: Options) -> tuple[str, ...]:
    """Return the names of the members with groups and scopes, and of the objects that contain them."""
    claims = options.groups_claim, options.scopes_claim
    return *claims, *(claim.partition(".")[0] for claim in claims)


def _refusal(url: str, response: HttpResponse, options: Options) -> OAuthResponseError:
    try:
        body: Mapping[str, Any] = parse_body(url, response)
    except HttpError:
        body = {}
    error, description = _error_text(body.get("error")), _error_text(body.get("error_description"))
    return OAuthResponseError(
        f"{quoted(url)} rejected client {quoted(options.client_id)} with {options.client_auth_method}: "
        f"{error or 'no error code'} (status {response.status})",
        error=error,
        error_description=description,
        status=response.status,
    )


def _error_text(value: object) -> str | None:
    """Return an error member unchanged if it follows the grammar of RFC 6749, and escaped otherwise."""
    if not isinstance(value, str):
        return None
    return value if _ERROR_TEXT.fullmatch(value) else quoted(value)
