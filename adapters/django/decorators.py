"""``@protect`` and ``@public``: declare the access requirements of a view.

::

    @protect(scopes=["orders:read"])
    def list_orders(request):
        return JsonResponse({"caller": request.access_token.subject})

    @public
    def ping(request): ...

- They accept sync and async functions, class-based views (``@protect`` on the class,
  ``method_decorator(protect(...), name="dispatch")``, or around ``as_view()``) and their methods.
- ``@protect`` works with and without the middleware. A token that the middleware has validated is not
  validated again; only the requirements are compared with its claims.
- If Django called the view or its method, a refused request gets the error response. If other code called it,
  :class:`~.refusals.AccessTokenRefused` is raised, so that a refusal cannot be mistaken for a result.
- CSRF: a request with its token in the ``Authorization`` header is exempt. Any other request (token in a
  cookie, no token) gets Django's CSRF check if the project uses ``CsrfViewMiddleware``. ``@protect`` makes
  the check; for Django, the view is ``csrf_exempt``. ``functools.wraps(view)`` copies that attribute, as it
  copies the one of Django's own decorator: a function that does not call the view needs ``csrf_protect``.
- ``@public`` has an effect only with the middleware.
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

from monocloud_mw.errors import ConfigurationError
from monocloud_mw.lifecycle.event_loops import running_loop
from monocloud_mw.protect.guard import Refused
from monocloud_mw.protect.wrappers import layers

from ..not_a_view import advice_for
from ..view_names import read_declared
from .config import get_protection
from .declarations import PUBLIC, Declaration, class_of, declaration_of, declare, name_of
from .refusals import AccessTokenRefused, response_of
from .request_check import check_request, check_request_async
from .requests import checked_claims, reject_forgery

__all__ = ["protect", "public"]

View = TypeVar("View", bound=Callable[..., Any])

_EXEMPT: Final = "monocloud_csrf_exempt"  # on the wrapper: whether the wrapped view was csrf_exempt


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
    """Require a valid access token for a view; called without a view, return a decorator.

    Args:
        view: a function, a class-based view, the result of its ``as_view()``, or one of its methods.
        scopes: all of them are required; one string may list several, separated by spaces.
        any_scopes: the token must have at least one.
        groups: the caller must be in at least one, or in all with the option ``groups_match_all``.
        optional: let requests without a token pass, without claims; a token that is sent is still checked.

    Raises:
        ConfigurationError: a requirement has a wrong type, the view cannot be protected, or it is public.
    """

    def decorate(view: Any) -> Any:
        _check_view(view)
        is_dummy = getattr(view, "__module__", "") == method_decorator.__module__  # not yet the view
        name = None if is_dummy else name_of(view)
        requirements = read_declared(scopes, any_scopes, groups, optional, name)
        declaration = Declaration(requirements=requirements, optional=optional)
        return _on_class_or_function(view, partial(_protect, declaration))

    return decorate if view is None else decorate(view)


def public(view: View) -> View:
    """Let every request reach a view; tokens are ignored.

    Args:
        view: a function, a class-based view, or the result of its ``as_view()``.

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
    declare(unchanged, PUBLIC)  # on a wrapper: the view may be served at another URL that is not public
    return unchanged


def _protect(declaration: Declaration, view: Callable[..., Any]) -> Callable[..., Any]:
    protected: Any
    # Ignore the csrf_exempt that another @protect has set: its CSRF check is now made here.
    is_exempt = bool(getattr(view, _EXEMPT, getattr(view, "csrf_exempt", False)))

    async def answer(args: Any, kwargs: Any) -> Any:
        """Check on the event loop, then call the view, which may be sync, async or return an awaitable."""
        refusal = await _refuse_async(_find_request(view, args, kwargs), declaration, is_exempt)
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
            request = _find_request(view, args, kwargs)
            if _expects_awaitable(view, args, request):
                return answer(args, kwargs)
            refusal = _refuse(request, declaration, is_exempt)
            return view(*args, **kwargs) if refusal is None else refusal

    declaration = declare(protected, declaration)
    setattr(protected, _EXEMPT, is_exempt)
    protected.csrf_exempt = True  # CSRF is checked here, once the source of the token is known
    return cast("Callable[..., Any]", protected)


def _refuse(given: Any, declaration: Declaration, is_exempt: bool) -> HttpResponseBase | None:
    """Return or raise the refusal of a request; return ``None`` if it passes."""
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
    return await sync_to_async(reject_forgery)(request)  # may read the session


def _response_or_raise(refused: Refused, given: Any, declaration: Declaration) -> HttpResponseBase:
    """Return the response if Django, or a test without URLs, called the view; otherwise raise it."""
    if given is not _of_django(given):
        from .api_exceptions import AccessTokenException

        raise AccessTokenException(refused, given) from refused.error
    match = getattr(given, "resolver_match", None)
    if match is None or declaration_of(match.func) == declaration or _serves(match.func, given, declaration):
        return response_of(refused)
    raise AccessTokenRefused(refused.error, response_of(refused)) from refused.error


def _serves(view: Any, request: HttpRequest, declaration: Declaration) -> bool:
    """Return whether the method of a class-based view that ``dispatch`` calls has the declaration."""
    owner, method = class_of(view), str(request.method).lower()
    if method not in getattr(owner, "http_method_names", ()):
        return False
    handler = getattr(owner, method, None) or (method == "head" and getattr(owner, "get", None))
    return declaration_of(handler) == declaration


def _may_be_forged(request: HttpRequest, declaration: Declaration) -> bool:
    """Return whether this view has to check for CSRF: Django has not, and no token exempts the request."""
    match = getattr(request, "resolver_match", None)
    return (
        not getattr(request, "_dont_enforce_csrf_checks", False)
        and match is not None
        and declaration_of(match.func) == declaration
        and get_protection().checks_csrf
    )


def _expects_awaitable(view: Any, args: tuple[Any, ...], given: Any) -> bool:
    """Return whether a sync function has to return an awaitable, as ``dispatch`` of an async view does."""
    owner = args[0] if args else None
    for layer in layers(view):
        method = getattr(layer, "func", None)  # method_decorator passes a partial of the bound method
        owner = getattr(method, "__self__", owner)
    if getattr(owner, "view_is_async", False):
        return True
    return running_loop() is not None and checked_claims(_of_django(given)) is None


def _find_request(view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the request among the arguments of a view or of its method."""
    for candidate in (*args[:2], kwargs.get("request")):
        if isinstance(candidate, HttpRequest) or isinstance(
            getattr(candidate, "_request", None), HttpRequest
        ):
            return candidate
    raise ConfigurationError(
        f"{name_of(view)} has @protect of the Django adapter, but its first argument is not a request of "
        "Django; for another framework, use its adapter in monocloud_mw.adapters"
    )


def _of_django(request: Any) -> HttpRequest:
    """Return the Django request; REST framework wraps it."""
    return request if isinstance(request, HttpRequest) else request._request  # noqa: SLF001


def _check_view(view: Any) -> None:
    """Raise ``ConfigurationError`` for objects that Django would never call as a view."""
    advice = advice_for(view)
    if inspect.isclass(view):
        if callable(getattr(view, "dispatch", None)):
            return
        advice = "a class-based view has a dispatch method"
    elif callable(view) and advice is None:
        return
    advice = advice or "decorate the view itself"
    raise ConfigurationError(f"cannot protect {name_of(view).lstrip('.')}: it is not a Django view; {advice}")
