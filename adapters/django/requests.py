"""State on a Django request: the claims of its token, and whether it needs a CSRF check.

- Applications read ``request.access_token`` or ``request.META["monocloud.claims"]`` (on ASGI also the scope).
  The checks read a private attribute instead, which no client input can set. It also holds the ``META`` that
  was checked: a copy of the request with other headers is checked as a request of its own.
- A request with its token in the ``Authorization`` header is exempt from CSRF checks, because browsers do not
  attach that header by themselves. A request with its token in a cookie is not exempt.
"""

from __future__ import annotations

from typing import Any, Final, cast

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.errors import CredentialsError
from monocloud_mw.protect.adapter_checks import CLAIMS_KEY
from monocloud_mw.protect.authorization import parse_authorization
from monocloud_mw.protect.cors import is_cors_preflight

__all__ = [
    "attach_claims",
    "checked_claims",
    "has_in_header",
    "is_preflight",
    "list_authorization",
    "prepare",
    "reject_forgery",
]

_CHECKED: Final = "_monocloud_checked"
_FROM_ELSEWHERE: Final = "_monocloud_token_from_elsewhere"


def prepare(request: HttpRequest) -> AccessTokenClaims | None:
    """Remove claims that the request arrived with, and return those of an earlier check, or ``None``."""
    checked = getattr(request, _CHECKED, None)
    if checked is not None:
        if checked[0] is request.META:
            return cast("AccessTokenClaims | None", checked[1])
        _separate(request)
    setattr(request, _CHECKED, (request.META, None))
    request.access_token = None
    request.META.pop(CLAIMS_KEY, None)
    scope = getattr(request, "scope", None)
    if scope is not None:
        scope.pop(CLAIMS_KEY, None)
    return None


def _separate(request: Any) -> None:
    """Take from a copied request what it shares with the original or has from its check."""
    for name in ("_dont_enforce_csrf_checks", _FROM_ELSEWHERE):
        request.__dict__.pop(name, None)
    if hasattr(request, "scope"):
        request.scope = dict(request.scope)


def checked_claims(request: HttpRequest) -> AccessTokenClaims | None:
    """Return the claims of a request that has been checked, or ``None``."""
    checked = getattr(request, _CHECKED, None)
    if checked is None or checked[0] is not request.META:
        return None
    return cast("AccessTokenClaims | None", checked[1])


def attach_claims(request: HttpRequest, claims: AccessTokenClaims | None) -> None:
    """Attach the claims of the token; exempt the request from CSRF checks if the token came in the header."""
    if claims is None:
        return
    setattr(request, _CHECKED, (request.META, claims))
    request.access_token = claims
    request.META[CLAIMS_KEY] = claims
    scope = getattr(request, "scope", None)
    if scope is not None:
        scope[CLAIMS_KEY] = claims
    if not hasattr(request, _FROM_ELSEWHERE):
        request._dont_enforce_csrf_checks = True  # noqa: SLF001  as REST framework and the test client do


def list_authorization(request: HttpRequest) -> tuple[str, ...]:
    """Return the ``Authorization`` headers; Django and WSGI servers join repeated ones with commas."""
    value = request.META.get("HTTP_AUTHORIZATION")
    return () if value is None else (value,)


def has_in_header(request: HttpRequest, token: Any) -> bool:
    """Return whether a resolved token is in the ``Authorization`` header; if not, note it on the request."""
    try:
        same = isinstance(token, str) and token.strip() == parse_authorization(list_authorization(request))
    except CredentialsError:
        same = False
    if not same:
        setattr(request, _FROM_ELSEWHERE, True)
    return same


def is_preflight(request: HttpRequest) -> bool:
    """Return whether a request is a CORS preflight."""
    return is_cors_preflight(
        request.method or "",
        request.META.get("HTTP_ORIGIN"),
        request.META.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD"),
    )


def reject_forgery(request: HttpRequest) -> HttpResponse | None:
    """Run Django's CSRF check; return its error response, or ``None`` if the request passes."""
    _csrf.process_request(request)
    return cast("HttpResponse | None", _csrf.process_view(request, None, (), {}))


_csrf: Final = CsrfViewMiddleware(lambda _request: HttpResponse())
