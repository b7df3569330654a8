"""``@protect`` and ``@public``: what a view needs, said on the view.

::

    @protect(scopes=["orders:read"])
    def list_orders(request):
        return JsonResponse({"caller": request.access_token.subject})

    @public
    def ping(request): ...

- They take functions, sync and async, class-based views (as ``@protect`` on the class, as
  ``method_decorator(protect(...), name="dispatch")``, or around ``as_view()``) and their methods.
- ``@protect`` checks by itself, with or without the middleware. What the middleware has checked is not
  checked again: only the requirements are compared with the claims.
- A refused request gets the response of its status where Django itself has chosen the view. Where other code
  calls the view, :class:`~.refusals.AccessTokenRefused` is raised, which nothing can take for a result.
- CSRF: the view is exempt where the token came in the ``Authorization`` header, and checked as Django does
  it where it did not (a cookie, an anonymous request) and the project has the ``CsrfViewMiddleware``.
- ``@public`` only says something to the middleware.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from functools import partial, wraps
from typing import Any, Final, TypeVar, cast, overload

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from django.utils.decorators import method_decorator
except ImportError as error:
    raise ImportError(
        "monocloud_mw.adapters.django needs Django: pip install 'monocloud-mw[django]'"
    ) from error

from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError
from monocloud_mw.protect.adapter_checks import check_boolean, collect_problems
from monocloud_mw.protect.guard import Refused

from ..declared_by import naming
from .checking import check_request, check_request_async, is_on_event_loop
from .config import get_protection
from .declarations import PUBLIC, Declaration, declaration_of, declare, name_of
from .refusals import AccessTokenRefused, response_of
from .requests import checked_claims, reject_forgery

__all__ = ["protect", "public"]

View = TypeVar("View", bound=Callable[..., Any])

_EXEMPT: Final = "monocloud_csrf_exempt"  # on what @protect returns: whether the view itself was exempt

_OTHER_INTERFACES: Final = {
    ("environ", "start_response"): "monocloud_mw.adapters.wsgi.ProtectApiMiddleware",
    ("scope", "receive", "send"): "monocloud_mw.adapters.asgi.ProtectApiMiddleware",
}


@overload
def protect(view: View, /) -> View: ...
@overload
def protect(
    *,
    scopes: str | Iterable[str] = (),
    any_scopes: str | Iterable[str] = (),
    groups: str | Iterable[str] = (),
    optional: bool = False,
) -> Callable[[View], View]: ...
def protect(
    view: Any = None,
    /,
    *,
    scopes: str | Iterable[str] = (),
    any_scopes: str | Iterable[str] = (),
    groups: str | Iterable[str] = (),
    optional: bool = False,
) -> Any:
    """Let only requests with a valid access token reach a view; without one, return a decorator that does.

    Args:
        view: a function, a class-based view, what its ``as_view()`` returns, or one of its methods.
        scopes: all of them are required; one string may list several, separated by spaces.
        any_scopes: any of them is enough.
        groups: the caller must be in at least one, or in all with the option ``groups_match_all``.
        optional: let requests without a token pass, without claims; a token that is there is checked.

    Raises:
        ConfigurationError: a requirement has a wrong type, or the view cannot be protected, or is public.
    """

    def decorate(view: Any) -> Any:
        _check_view(view)
        is_dummy = getattr(view, "__module__", "") == method_decorator.__module__  # not yet the view
        with naming(None if is_dummy else name_of(view)):
            requirements, _ = collect_problems(
                lambda: Requirements.of(scopes, groups, any_scopes),
                lambda: check_boolean("optional", optional),
            )
        declaration = Declaration(requirements=requirements, optional=optional)
        return _on_class_or_function(view, partial(_protect, declaration))

    return decorate if view is None else decorate(view)


def public(view: View) -> View:
    """Let every request reach a view; no token is looked at.

    Args:
        view: a function, a class-based view, or what its ``as_view()`` returns.

    Raises:
        ConfigurationError: the view is protected as well.
    """
    _check_view(view)
    return _on_class_or_function(view, _make_public)  # type: ignore[no-any-return]


def _on_class_or_function(view: Any, decorate: Callable[[Any], Any]) -> Any:
    """Decorate a function, or the ``dispatch`` of a class."""
    if not inspect.isclass(view):
        return decorate(view)
    view.dispatch = decorate(view.dispatch)  # type: ignore[attr-defined]
    return view


def _make_public(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def unchanged(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    if iscoroutinefunction(view):
        markcoroutinefunction(unchanged)
    declare(unchanged, PUBLIC)  # on a function of its own: the view may have another URL as well
    return unchanged


def _protect(declaration: Declaration, view: Callable[..., Any]) -> Callable[..., Any]:
    protected: Any
    # What another @protect has set does not count: the check that it left to itself is now made here.
    is_exempt = bool(getattr(view, _EXEMPT, getattr(view, "csrf_exempt", False)))

    async def answer(args: Any, kwargs: Any) -> Any:
        """Check on the event loop; the view may return an awaitable without being a coroutine function."""
        refusal = await _refuse_async(_find_request(args, kwargs), declaration, is_exempt)
        if refusal is not None:
            return refusal
        answer = view(*args, **kwargs)
        return await answer if isinstance(answer, Awaitable) else answer

    if iscoroutinefunction(view):

        @wraps(view)
        async def protected(*args: Any, **kwargs: Any) -> Any:
            return await answer(args, kwargs)

    else:

        @wraps(view)
        def protected(*args: Any, **kwargs: Any) -> Any:
            request = _find_request(args, kwargs)
            if _expects_awaitable(request, declaration):
                return answer(args, kwargs)
            refusal = _refuse(request, declaration, is_exempt)
            return view(*args, **kwargs) if refusal is None else refusal

    declaration = declare(protected, declaration)
    setattr(protected, _EXEMPT, is_exempt)
    protected.csrf_exempt = True  # checked here instead, once it is known where the token came from
    return cast("Callable[..., Any]", protected)


def _refuse(given: Any, declaration: Declaration, is_exempt: bool) -> HttpResponseBase | None:
    """Return the response that refuses a request, or raise it; ``None`` lets the request pass."""
    request = _of_django(given)
    try:
        check_request(request, declaration)
    except Refused as refused:
        return _response_or_raise(refused, given, declaration)
    if is_exempt or not _may_be_forged(request, declaration):
        return None
    return reject_forgery(request)


async def _refuse_async(given: Any, declaration: Declaration, is_exempt: bool) -> HttpResponseBase | None:
    request = _of_django(given)
    try:
        await check_request_async(request, declaration)
    except Refused as refused:
        return _response_or_raise(refused, given, declaration)
    if is_exempt or not _may_be_forged(request, declaration):
        return None
    return await sync_to_async(reject_forgery)(request)  # it may read the session


def _response_or_raise(refused: Refused, given: Any, declaration: Declaration) -> HttpResponseBase:
    """Return the response where Django called the view, or a test without URLs; else raise it."""
    if given is not _of_django(given):
        from .api_exceptions import AccessTokenException

        raise AccessTokenException(refused) from refused.error
    match = getattr(given, "resolver_match", None)
    if match is None or declaration_of(match.func) == declaration:
        return response_of(refused)
    raise AccessTokenRefused(refused.error, response_of(refused)) from refused.error


def _may_be_forged(request: HttpRequest, declaration: Declaration) -> bool:
    """Tell whether Django left the check for CSRF to this view, and its token does not make up for it."""
    match = getattr(request, "resolver_match", None)
    return (
        not getattr(request, "_dont_enforce_csrf_checks", False)
        and match is not None
        and declaration_of(match.func) == declaration
        and get_protection().checks_csrf
    )


def _expects_awaitable(given: Any, declaration: Declaration) -> bool:
    """Tell whether a view that is no coroutine function has to return an awaitable, as ``dispatch`` may."""
    request = _of_django(given)
    if checked_claims(request) is not None:
        return False  # nothing will be waited for
    if is_on_event_loop():
        return True
    match = getattr(request, "resolver_match", None)
    return match is not None and iscoroutinefunction(match.func) and declaration_of(match.func) == declaration


def _find_request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the request that a view, or a method of one, was called with."""
    for candidate in (*args[:2], kwargs.get("request")):
        if isinstance(candidate, HttpRequest) or isinstance(
            getattr(candidate, "_request", None), HttpRequest
        ):
            return candidate
    raise ConfigurationError("a view that @protect decorates must be called with a request")


def _of_django(request: Any) -> HttpRequest:
    """Return the request of Django that is in a request of REST framework."""
    return request if isinstance(request, HttpRequest) else request._request  # noqa: SLF001


def _check_view(view: Any) -> None:
    """Refuse what would be wrapped in silence, and never be called by Django."""
    advice = "decorate the view, not what leads to it"
    if inspect.isclass(view):
        if callable(getattr(view, "dispatch", None)):
            return
        advice = "a class-based view has a method dispatch"
    elif callable(view):
        adapter = _OTHER_INTERFACES.get(_parameters_of(view))
        if adapter is None:
            return
        advice = f"a WSGI or ASGI application is wrapped by {adapter}"
    raise ConfigurationError(f"cannot protect {name_of(view)}, which is not a view of Django: {advice}")


def _parameters_of(view: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(view).parameters)
    except (TypeError, ValueError):
        return ()
