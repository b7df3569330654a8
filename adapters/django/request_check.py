"""Validates the token of a Django request once; later checks only compare requirements with its claims."""

from __future__ import annotations

from django.http import HttpRequest

from monocloud_mw.protect.guard import Check, run_check, run_check_async

from .config import get_protection
from .declarations import Declaration
from .requests import attach_claims, is_preflight, list_authorization, prepare

__all__ = ["check_request", "check_request_async"]


def check_request(request: HttpRequest, declaration: Declaration) -> None:
    """Check a request synchronously and attach the claims of its token.

    Raises:
        Refused: the request is refused.
        ConfigurationError: the settings are invalid.
    """
    check = _begin(request, declaration, is_async=False)
    if check is not None:
        attach_claims(request, run_check(check))


async def check_request_async(request: HttpRequest, declaration: Declaration) -> None:
    """Check a request on an event loop and attach the claims of its token.

    Raises:
        Refused: the request is refused.
        ConfigurationError: the settings are invalid.
    """
    check = _begin(request, declaration, is_async=True)
    if check is not None:
        attach_claims(request, await run_check_async(check))


def _begin(request: HttpRequest, declaration: Declaration, *, is_async: bool) -> Check | None:
    """Return the check of a request, or ``None`` for a CORS preflight that may pass.

    Django's cache then does not store the response: it would send it before the next request is checked.
    """
    known = prepare(request)
    request._cache_update_cache = False  # noqa: SLF001  as UpdateCacheMiddleware reads it
    protection = get_protection()
    if known is None and protection.allow_cors_preflight and is_preflight(request):
        return None
    return protection.guard_for(is_async=is_async, needs_client=known is None).check(
        request,
        list_authorization(request),
        protection.needed_for(declaration.requirements),
        method=request.method or "",
        url=request.path,
        optional=declaration.optional,
        known=known,
    )
