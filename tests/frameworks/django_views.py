"""Django views, each used as the URLs of a small API; they return the caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial, wraps
from typing import Any

import wrapt
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from monocloud_mw.adapters.django import protect, public

__all__ = ["urlpatterns"]


def who(request: Any, **_: Any) -> JsonResponse:
    """Return the caller; no decorator."""
    claims = request.access_token
    assert request.META.get("monocloud.claims") is claims
    assert getattr(request, "scope", {}).get("monocloud.claims") is claims or not hasattr(request, "scope")
    return JsonResponse({"caller": claims and claims.subject})


async def who_async(request: Any, **_: Any) -> JsonResponse:
    """Return the caller, in a coroutine."""
    return who(request)


@protect(scopes=["read"])
class ReadOnly(View):
    """Protected as a class; one method needs more."""

    def get(self, request: Any) -> JsonResponse:
        """Return the caller."""
        return who(request)

    @protect(scopes=["write"])
    def post(self, request: Any) -> JsonResponse:
        """Return the caller."""
        return who(request)


class _Async(View):
    """Has asynchronous methods."""

    async def get(self, request: Any) -> JsonResponse:
        """Return the caller."""
        return who(request)

    async def post(self, request: Any) -> JsonResponse:
        """Return the caller."""
        return who(request)


@method_decorator(protect(groups=["admin"]), name="dispatch")
class AsyncAdmin(_Async):
    """Protected with Django's method_decorator."""


def _passing_on(view: Any) -> Any:
    """Return a decorated view, as projects write it."""

    @wraps(view)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return decorated


@method_decorator([protect(groups=["admin"]), _passing_on], name="dispatch")
class AsyncDecorated(_Async):
    """Has another decorator between the protection and the methods."""


class Methods(View):
    """Declares its methods only."""

    @protect(scopes=["read"])
    def get(self, request: Any) -> JsonResponse:
        """Return the caller."""
        return who(request)

    @protect(scopes=["write"])
    def post(self, request: Any) -> JsonResponse:
        """Return the caller, by another method of the view."""
        response: JsonResponse = self.get(request)
        return response


@method_decorator(protect(scopes=["read"]), name="get")
class AsyncMethods(View):
    """Declares an asynchronous method only."""

    async def get(self, request: Any) -> JsonResponse:
        """Return the caller."""
        return who(request)


@public
class Open(View):
    """Public as a class."""

    def get(self, request: Any) -> JsonResponse:
        """Say who calls."""
        return who(request)


def numbered(request: Any, number: int) -> JsonResponse:
    """Return the caller, if the argument from the URL is there."""
    return who(request)


async def numbered_async(request: Any, number: int) -> JsonResponse:
    """Do the same in a coroutine."""
    return who(request)


async def stream(request: Any) -> StreamingHttpResponse:
    """Stream a response."""

    async def parts() -> AsyncIterator[str]:
        yield '{"caller": '
        yield f'"{request.access_token.subject}"}}'

    return StreamingHttpResponse(parts(), content_type="application/json")


def calls_another(request: Any) -> HttpResponse:
    """Call a protected view and return its result."""
    answer = _inner(request)
    return HttpResponse(f"result: {answer.status_code}")


async def calls_another_async(request: Any) -> HttpResponse:
    """Do the same on an event loop, where a sync view returns its response, too."""
    return calls_another(request)


@protect(scopes=["inner"])
async def calls_its_like(request: Any) -> HttpResponse:
    """Do the same in a coroutine that has the declaration of the other view."""
    return calls_another(request)


class _Who(View):
    """Returns the caller; no decorator."""

    def get(self, request: Any) -> JsonResponse:
        """Return the caller."""
        return who(request)


@protect(scopes=["inner"])
class _InnerClass(_Who):
    """Has the declaration of the view that calls it."""


@method_decorator(protect(scopes=["inner"]), name="dispatch")
class _InnerDispatch(_Who):
    """Has the same declaration, by Django's method_decorator."""


@protect(scopes=["inner"])
async def calls_classes_like_it(request: Any) -> HttpResponse:
    """Call class-based views in a coroutine, and return their result."""
    statuses = {str(view.as_view()(request).status_code) for view in (_InnerClass, _InnerDispatch)}
    return HttpResponse(f"result: {' or '.join(statuses)}")


@public
def calls_another_in_public(request: Any) -> HttpResponse:
    """Do the same in a public view."""
    return calls_another(request)


@protect(scopes=["inner"])
def _inner(request: Any) -> JsonResponse:
    return who(request)


def fails(request: Any) -> HttpResponse:
    """Raise an error after the check."""
    raise ValueError("a mistake in a view")


def without_wraps(view: Any) -> Any:
    """Decorate a view without keeping its attributes."""
    return lambda request: view(request)


@wrapt.decorator
def monitored(view: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    """Call a view, as the proxies of monitoring agents do."""
    return view(*args, **kwargs)


def borrowing(view: Any) -> Any:
    """Return a view that takes its name from another, and does not call it."""

    @wraps(view)
    def secret(request: Any) -> JsonResponse:
        return who(request)

    return secret


@method_decorator(public, name="dispatch")
class OpenInDjangosWay(View):
    """Public as a class, in Django's own way."""

    def get(self, request: Any) -> JsonResponse:
        """Say who calls."""
        return who(request)


@protect(optional=True)
class OptionalClass(View):
    """The token is optional, for the class."""

    def get(self, request: Any) -> JsonResponse:
        """Say who calls."""
        return who(request)


@method_decorator(protect(optional=True), name="dispatch")
class OptionalInDjangosWay(View):
    """The token is optional, in Django's own way."""

    def get(self, request: Any) -> JsonResponse:
        """Say who calls."""
        return who(request)


health = [path("ping", who, name="ping")]

urlpatterns = [
    path("who", who),
    path("async", who_async),
    path("slash/", who),
    path("any/<int:number>", who),
    path("public", public(who)),
    path("public-async", public(who_async)),
    path("public-class", Open.as_view()),
    path("public-method-decorator", OpenInDjangosWay.as_view()),
    path("public-decorated", require_GET(csrf_exempt(public(who)))),
    path("borrowed", borrowing(public(who))),
    path("borrowed-class", borrowing(Open.as_view())),
    path("borrowed-method-decorator", borrowing(OpenInDjangosWay.as_view())),
    path("public-monitored", monitored(public(who))),
    path("optional-monitored", monitored(protect(optional=True)(who))),
    path("borrowed-monitored", monitored(borrowing(public(who)))),
    path("borrowed-name", borrowing(who)),
    path("decorated-name", require_GET(csrf_exempt(who))),
    path("borrowed-optional", borrowing(protect(optional=True)(who))),
    path("borrowed-optional-scope", borrowing(protect(optional=True, scopes=["read"])(who))),
    path("optional-decorated", require_GET(protect(optional=True)(who))),
    path("optional-class", OptionalClass.as_view()),
    path("optional-method-decorator", OptionalInDjangosWay.as_view()),
    path("lost-public", without_wraps(public(who))),
    path("lost-scope", without_wraps(protect(scopes=["read"])(who))),
    path("optional", protect(optional=True)(who)),
    path("optional-async", protect(optional=True)(who_async)),
    path("optional-scope", protect(optional=True, scopes=["read"])(who)),
    path("read", protect(scopes=["read"])(who)),
    path("read-async", protect(scopes="read")(who_async)),
    path("any-scope", protect(any_scopes=["read", "write"])(who)),
    path("group", protect(groups="admin")(who)),
    path("both", protect(scopes=["read"])(protect(groups=["admin"])(who))),
    path("both-async", protect(scopes=["read"])(protect(groups=["admin"])(who_async))),
    path("both-exempt", protect(scopes=["read"])(protect(groups=["admin"])(csrf_exempt(who)))),
    path("numbered/<int:number>", protect(scopes=["read"])(numbered)),
    path("numbered-async/<int:number>", protect(scopes=["read"])(numbered_async)),
    path("get-only", require_GET(protect(scopes=["read"])(who))),
    path("exempt-below", protect(optional=True)(csrf_exempt(who))),
    path("exempt-above", csrf_exempt(protect(optional=True)(who))),
    path("optional-above", protect(optional=True)(protect(who))),
    path("optional-below", protect(protect(optional=True)(who))),
    path("class", ReadOnly.as_view()),
    path("class-as-view", protect(scopes=["more"])(ReadOnly.as_view())),
    path("methods", Methods.as_view()),
    path("async-methods", AsyncMethods.as_view()),
    path("partial", partial(who)),
    path("partial-public", partial(public(who))),
    path("partial-public-class", partial(Open.as_view())),
    path("partial-borrowed", partial(borrowing(public(who)))),
    path("partial-decorated", csrf_exempt(partial(public(who)))),
    path("partial-named", borrowing(partial(public(who)))),
    path("partial-optional", partial(protect(optional=True)(who))),
    path("partial-scope", partial(protect(scopes=["read"])(who))),
    path("partial-scope-decorated", require_GET(partial(protect(scopes=["read"])(who)))),
    path("async-class", AsyncAdmin.as_view()),
    path("async-decorated", AsyncDecorated.as_view()),
    path("stream", stream),
    path("calls-another", calls_another),
    path("calls-another-async", calls_another_async),
    path("calls-its-like", calls_its_like),
    path("calls-classes-like-it", calls_classes_like_it),
    path("calls-another-in-public", calls_another_in_public),
    path("fails", fails),
    path("health/", include((health, "health"))),
]
