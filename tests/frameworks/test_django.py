"""Django: middleware and decorators check the view, in threads and on event loops."""

from __future__ import annotations

import asyncio
import copy
import logging
from typing import Any, Final

import pytest
from django.http import HttpResponse, JsonResponse
from django.test import AsyncRequestFactory, RequestFactory
from django.urls import path as django_path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from monocloud_mw import ConfigurationError
from monocloud_mw.adapters.django import AccessTokenRefused, protect, public
from monocloud_mw.testing import LocalTenant, as_caller

from .django_configuration import MIDDLEWARE
from .django_project import WITHOUT_OURS, Send, Token, UseProject, project, send

__all__ = ["project", "send", "urlpatterns"]

URLS: Final = "tests.frameworks.django_views"
ANY: Final[Token] = {}
READ: Final[Token] = {"scopes": "read"}
ADMIN: Final[Token] = {"groups": ["admin"]}


# Request, token, status with the middleware, status without it.
ANSWERS: Final = [
    ("GET /who", None, 401, 500),
    ("GET /who", ANY, 200, 500),
    ("HEAD /who", None, 401, 500),
    ("OPTIONS /who", None, 401, 500),
    ("POST /who", None, 401, 403),
    ("POST /who", ANY, 200, 403),
    ("GET /async", None, 401, 500),
    ("GET /async", ANY, 200, 500),
    ("POST /async", ANY, 200, 403),
    ("GET /any/7", None, 401, 500),
    ("GET /slash/", None, 401, 500),
    ("GET /slash", None, 301, 301),
    ("GET /nowhere", None, 404, 404),
    ("GET /public", None, 200, 500),
    ("GET /public-async", None, 200, 500),
    ("GET /public-class", None, 200, 500),
    ("POST /public-class", None, 403, 403),
    ("GET /public-method-decorator", None, 200, 500),
    ("GET /public-decorated", None, 200, 500),
    ("GET /borrowed", None, 401, 500),
    ("GET /borrowed", ANY, 200, 500),
    ("GET /borrowed-class", None, 401, 500),
    ("GET /borrowed-method-decorator", None, 401, 500),
    ("GET /borrowed-optional", None, 401, 500),
    ("GET /borrowed-optional", ANY, 200, 500),
    ("GET /borrowed-optional-scope", None, 401, 500),
    ("GET /borrowed-optional-scope", ANY, 403, 500),
    ("GET /public-monitored", None, 200, 500),
    ("GET /optional-monitored", None, 200, 200),
    ("POST /optional-monitored", None, 403, 403),
    ("GET /borrowed-monitored", None, 401, 500),
    ("GET /optional-decorated", None, 200, 200),
    ("GET /optional-class", None, 200, 200),
    ("GET /optional-method-decorator", None, 200, 200),
    ("GET /lost-public", None, 401, 500),
    ("GET /lost-scope", None, 401, 403),
    ("GET /lost-scope", ANY, 403, 403),
    ("GET /lost-scope", READ, 200, 200),
    ("GET /optional", None, 200, 200),
    ("GET /optional", ANY, 200, 200),
    ("POST /optional", None, 403, 403),
    ("POST /optional", ANY, 200, 200),
    ("GET /optional-async", None, 200, 200),
    ("POST /optional-async", None, 403, 403),
    ("POST /optional-async", ANY, 200, 200),
    ("GET /optional-scope", None, 200, 200),
    ("GET /optional-scope", ANY, 403, 403),
    ("GET /optional-scope", READ, 200, 200),
    ("GET /read", None, 401, 401),
    ("GET /read", ANY, 403, 403),
    ("GET /read", READ, 200, 200),
    ("HEAD /read", ANY, 403, 403),
    ("OPTIONS /read", None, 401, 401),
    ("POST /read", READ, 200, 200),
    ("POST /read", None, 401, 401),
    ("GET /read-async", None, 401, 401),
    ("GET /read-async", ANY, 403, 403),
    ("POST /read-async", READ, 200, 200),
    ("GET /any-scope", ANY, 403, 403),
    ("GET /any-scope", {"scopes": "write"}, 200, 200),
    ("GET /group", READ, 403, 403),
    ("GET /group", ADMIN, 200, 200),
    ("GET /both", READ, 403, 403),
    ("GET /both", ADMIN, 403, 403),
    ("GET /both", {"scopes": "read", "groups": ["admin"]}, 200, 200),
    ("GET /optional-above", None, 401, 401),
    ("GET /optional-below", None, 401, 401),
    ("GET /numbered/7", READ, 200, 200),
    ("GET /numbered-async/7", READ, 200, 200),
    ("GET /get-only", None, 401, 401),
    ("POST /get-only", READ, 405, 405),
    ("GET /class", None, 401, 401),
    ("GET /class", READ, 200, 200),
    ("POST /class", READ, 403, 403),
    ("POST /class", {"scopes": "read write"}, 200, 200),
    ("PUT /class", None, 401, 401),
    ("PUT /class", READ, 405, 405),
    ("GET /class-as-view", READ, 403, 403),
    ("GET /class-as-view", {"scopes": "read more"}, 200, 200),
    ("GET /methods", None, 401, 401),
    ("HEAD /methods", None, 401, 401),
    ("GET /methods", ANY, 403, 403),
    ("GET /methods", READ, 200, 200),
    ("PUT /methods", READ, 405, 403),
    ("POST /methods", {"scopes": "read write"}, 200, 403),  # the method is checked after the CSRF check
    ("POST /methods", {"scopes": "write"}, 403, 403),
    ("GET /async-methods", None, 401, 401),
    ("GET /async-methods", ANY, 403, 403),
    ("GET /async-methods", READ, 200, 200),
    ("GET /partial", None, 401, 500),
    ("GET /partial", ANY, 200, 500),
    ("GET /partial-public", None, 200, 500),
    ("GET /partial-public-class", None, 200, 500),
    ("GET /partial-borrowed", None, 401, 500),
    ("GET /partial-decorated", None, 200, 500),
    ("GET /partial-named", None, 401, 500),
    ("GET /partial-optional", None, 200, 200),
    ("GET /partial-scope", None, 401, 401),
    ("GET /partial-scope", ANY, 403, 403),
    ("GET /partial-scope", READ, 200, 200),
    ("GET /partial-scope-decorated", None, 401, 401),
    ("GET /partial-scope-decorated", READ, 200, 200),
    ("GET /async-class", None, 401, 401),
    ("GET /async-class", READ, 403, 403),
    ("GET /async-class", ADMIN, 200, 200),
    ("POST /async-class", ADMIN, 200, 200),
    ("GET /fails", None, 401, 500),
    ("GET /fails", ANY, 500, 500),
    ("GET /health/ping", None, 401, 500),
]


def test_answers_with_the_middleware(send: Send, project: UseProject) -> None:
    """A request gets the status of the table."""
    project(URLS)
    for request_line, token, expected, _ in ANSWERS:
        assert send(*request_line.split(), token).status_code == expected, (request_line, token)


def test_answers_with_decorators_alone(send: Send, project: UseProject) -> None:
    """Without the middleware, a request gets the status of the table's last column."""
    project(URLS, WITHOUT_OURS)
    for request_line, token, _, expected in ANSWERS:
        assert send(*request_line.split(), token).status_code == expected, (request_line, token)


@method_decorator(csrf_exempt, name="dispatch")
class ExemptMethods(View):
    """Exempt from CSRF checks as a class; declares a method."""

    @protect(optional=True)
    def post(self, request: Any) -> JsonResponse:
        """Say who calls."""
        return JsonResponse({"anonymous": request.access_token is None})


urlpatterns = [django_path("exempt-methods", ExemptMethods.as_view())]


def test_a_method_of_a_class_without_csrf_checks(send: Send, project: UseProject) -> None:
    """A class that is exempt from CSRF checks exempts the methods that it declares."""
    project(__name__, WITHOUT_OURS)
    assert send("POST", "/exempt-methods", None).json() == {"anonymous": True}


def test_as_caller(send: Send, project: UseProject) -> None:
    """as_caller sets the caller; requirements still apply."""
    project(URLS)
    with as_caller("bob", scopes=["read"]):
        assert send("GET", "/read").json() == {"caller": "bob"}
        assert send("GET", "/group").status_code == 403


def test_a_refusal_is_never_a_result(send: Send, project: UseProject) -> None:
    """A view that calls a protected view gets an exception; the caller gets the exception's response."""
    project(URLS)
    for path, token, status in (
        ("/calls-another", None, 401),
        ("/calls-another", ANY, 403),
        ("/calls-another-async", ANY, 403),
        ("/calls-another-in-public", None, 401),
        ("/calls-another-in-public", ANY, 403),
    ):
        response = send("GET", path, token)
        assert response.status_code == status
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    for path in ("/calls-another", "/calls-another-async", "/calls-its-like", "/calls-classes-like-it"):
        assert send("GET", path, {"scopes": "inner"}).content == b"result: 200"
    project(URLS, WITHOUT_OURS)
    for path in ("/calls-its-like", "/calls-classes-like-it"):
        assert send("GET", path, {"scopes": "inner"}).content == b"result: 200"
    refused = send("GET", "/calls-another")
    assert (refused.status_code, "WWW-Authenticate" in refused.headers) == (403, False)
    assert b"result" not in refused.content


def test_a_view_called_without_urls(project: UseProject) -> None:
    """Called directly, as with ``RequestFactory``, a view returns the error response."""
    project(URLS)
    view = protect(scopes="read")(lambda request: JsonResponse({"caller": request.access_token.subject}))
    assert view(RequestFactory().get("/")).status_code == 401
    with as_caller("bob", scopes="read"):
        assert view(RequestFactory().post("/")).content == b'{"caller": "bob"}'


@pytest.mark.parametrize("token", [None, "bad", "bob"])
def test_a_copied_request_with_another_token_is_checked_again(
    project: UseProject, tenant: LocalTenant, token: str | None
) -> None:
    """A view that calls another one for somebody else, as batch endpoints do, passes on no identity."""
    project(URLS)
    seen: list[Any] = []

    @protect
    def inner(request: Any) -> HttpResponse:
        seen.append(request.access_token["sub"])
        return HttpResponse()

    @protect
    def outer(request: Any) -> HttpResponse:
        assert inner(request).status_code == 200
        other = copy.copy(request)
        other.META = {name: value for name, value in request.META.items() if name != "HTTP_AUTHORIZATION"}
        if token is not None:
            sent = tenant.mint(subject="bob") if token == "bob" else token
            other.META["HTTP_AUTHORIZATION"] = f"Bearer {sent}"
        return inner(other)

    request = RequestFactory().get("/", headers={"Authorization": f"Bearer {tenant.mint(subject='alice')}"})
    assert outer(request).status_code == (200 if token == "bob" else 401)
    assert seen == (["alice", "bob"] if token == "bob" else ["alice"])


def test_a_copied_request_shares_no_state_with_the_original(project: UseProject, tenant: LocalTenant) -> None:
    """On ASGI both have one scope at first; and a token in the header exempts only its own request."""
    project(URLS)

    @protect
    async def view(request: Any) -> HttpResponse:
        return HttpResponse(request.scope["monocloud.claims"].subject)

    request: Any = AsyncRequestFactory().post("/", headers={"Authorization": f"Bearer {tenant.mint()}"})
    asyncio.run(view(request))
    claims = request.scope["monocloud.claims"]
    other = copy.copy(request)
    other.META = {**request.META, "HTTP_AUTHORIZATION": f"Bearer {tenant.mint(subject='bob')}"}
    assert asyncio.run(view(other)).content == b"bob"
    refused = copy.copy(request)
    refused.META = {**request.META, "HTTP_AUTHORIZATION": "Bearer bad"}
    assert asyncio.run(view(refused)).status_code == 401
    assert request.scope["monocloud.claims"] is request.access_token is claims
    exempt = [getattr(each, "_dont_enforce_csrf_checks", False) for each in (request, other, refused)]
    assert exempt == [True, True, False]


def test_streaming(send: Send, project: UseProject) -> None:
    """An asynchronous stream is sent unchanged after the check."""
    project(URLS)
    assert send("GET", "/stream").status_code == 401
    response = send("GET", "/stream", ANY)
    if hasattr(response, "streamed"):  # on the event loop
        assert response.streamed == '{"caller": "alice"}'


def test_claims_from_outside_are_never_seen(send: Send, project: UseProject) -> None:
    """Headers that resemble the claims change nothing."""
    project(URLS)
    for name in ("monocloud.claims", "Monocloud_Claims", "X_Monocloud.Claims", "access_token"):
        assert send("GET", "/public", **{name: '{"sub": "mallory"}'}).json() == {"caller": None}


@pytest.mark.parametrize("middleware", [MIDDLEWARE, WITHOUT_OURS], ids=["middleware", "decorator"])
def test_a_token_in_a_cookie_needs_a_csrf_token(
    middleware: tuple[str, ...], send: Send, project: UseProject, tenant: LocalTenant
) -> None:
    """Browsers attach cookies to cross-site requests, so a token in a cookie needs a CSRF token."""

    def resolver(request: Any) -> Any:
        header = request.headers.get("Authorization", "")
        return header.removeprefix("Bearer ") or request.COOKIES.get("token")

    async def async_resolver(request: Any) -> Any:
        return resolver(request)

    class AsyncResolver:
        async def __call__(self, request: Any) -> Any:
            return resolver(request)

    token = tenant.mint(subject="alice", scopes="read more", groups=["admin"])
    cookies = {"token": token, "csrftoken": "a" * 32}
    functions = ("/read", "/read-async", "/optional", "/both", "/both-async")
    views = (*functions, "/class", "/class-as-view", "/async-class", "/async-decorated")
    for resolve in (resolver, async_resolver, AsyncResolver()):
        project(URLS, middleware, token_resolver=resolve)
        for path in views:
            assert send("GET", path, cookies=cookies).status_code == 200
            assert send("POST", path, cookies=cookies).status_code == 403
        assert send("POST", "/read", cookies=cookies, X_CSRFToken="a" * 32).status_code == 200
        assert send("POST", "/both", cookies=cookies, X_CSRFToken="a" * 32).status_code == 200
        assert send("POST", "/read", READ, cookies=cookies).status_code == 200
        assert send("POST", "/exempt-below", cookies=cookies).status_code == 200
        assert send("POST", "/both-exempt", cookies=cookies).status_code == 200
        assert send("POST", "/exempt-above", cookies=cookies).status_code == 403  # as everything else


def test_without_csrf_middleware_no_request_needs_a_csrf_token(
    send: Send, project: UseProject, tenant: LocalTenant
) -> None:
    """A project that does not use Django's CSRF check gets none from the decorator either."""
    project(URLS, (), token_resolver=lambda request: request.COOKIES.get("token"))
    assert send("POST", "/read", cookies={"token": tenant.mint(scopes="read")}).status_code == 200
    assert send("POST", "/optional").status_code == 200


def test_public_views_and_applications(send: Send, project: UseProject) -> None:
    """Views of other packages need no token if the settings name them or their URLs; decorators take
    precedence.
    """
    for named in (
        {"public_views": ["tests.frameworks.django_views.who"]},
        {"Public_Views": "tests.frameworks.django_views"},
        {"public_views": ["tests"]},
        {"deny_by_default": False},
    ):
        project(URLS, **named)
        assert send("GET", "/who").status_code == 200
        assert send("GET", "/read").status_code == 401
        assert send("GET", "/health/ping").status_code == 200
    project(URLS, public_views=["tests.frameworks.django_view", "who"], public_apps=["health"])
    assert send("GET", "/who").status_code == 401
    assert send("GET", "/health/ping").status_code == 200


def test_a_name_in_public_views_is_not_borrowed(send: Send, project: UseProject) -> None:
    """A view that only copies the name of a listed one needs a token; one that decorates it does not."""
    project(URLS, public_views=["tests.frameworks.django_views.who"])
    assert send("GET", "/borrowed-name").status_code == 401
    assert send("GET", "/decorated-name").status_code == 200


def test_requirements_of_everything(send: Send, project: UseProject) -> None:
    """Requirements of the settings are added to those of a view."""
    project(URLS, scopes="api")
    assert send("GET", "/who", ANY).headers["WWW-Authenticate"].endswith('scope="api"')
    assert send("GET", "/read", READ).headers["WWW-Authenticate"].endswith('scope="api read"')
    assert send("GET", "/read", {"scopes": "api read"}).status_code == 200
    assert send("GET", "/optional").status_code == 200


def test_preflights(send: Send, project: UseProject) -> None:
    """With the option, exactly CORS preflights pass."""
    preflight = {"Origin": "https://app.example.com", "Access_Control_Request_Method": "GET"}
    project(URLS)
    assert send("OPTIONS", "/who", **preflight).status_code == 401
    for middleware in (MIDDLEWARE, WITHOUT_OURS):
        project(URLS, middleware, allow_cors_preflight=True)
        assert send("OPTIONS", "/class", **preflight).status_code == 200
        assert send("OPTIONS", "/class", Origin="https://app.example.com").status_code == 401
        assert send("GET", "/class", **preflight).status_code == 401


def test_cors_headers(send: Send, project: UseProject) -> None:
    """With django-cors-headers outside, preflights are answered there, and scripts can read refusals."""
    middleware = ("corsheaders.middleware.CorsMiddleware", *MIDDLEWARE)
    project(URLS, middleware, CORS_ALLOWED_ORIGINS=["https://app.example.com"])
    preflight = {"Origin": "https://app.example.com", "Access_Control_Request_Method": "GET"}
    assert send("OPTIONS", "/who", **preflight).headers["Access-Control-Allow-Origin"]
    refused = send("GET", "/who", Origin="https://app.example.com")
    assert (refused.status_code, "Access-Control-Allow-Origin" in refused.headers) == (401, True)


def test_a_script_name(send: Send, project: UseProject) -> None:
    """A script name changes nothing, since the view is checked and not the path."""
    project(URLS, FORCE_SCRIPT_NAME="/api")
    assert send("GET", "/who").status_code == 401
    assert send("GET", "/api/who").status_code in (401, 404)
    assert send("GET", "/public").status_code == 200


class Override:
    """Middleware that takes the method from a header."""

    async_capable = False

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(self, request: Any, *_: Any) -> None:
        """Change the method after the check."""
        request.method = request.headers.get("X-HTTP-Method-Override", request.method)


def test_a_method_override(send: Send, project: UseProject) -> None:
    """The method makes no difference, except in a class: there the method that runs is checked."""
    project(URLS, (*MIDDLEWARE, f"{__name__}.Override"), allow_cors_preflight=True)
    override = {"X_HTTP_Method_Override": "POST"}
    assert send("GET", "/class", READ, **override).status_code == 403
    assert send("GET", "/class", {"scopes": "read write"}, **override).status_code == 200
    preflight = {"Origin": "https://app.example.com", "Access_Control_Request_Method": "GET"}
    assert send("OPTIONS", "/read", **preflight, X_HTTP_Method_Override="GET").status_code == 401


class Answering(Override):
    """Middleware that responds itself."""

    def __call__(self, request: Any) -> Any:
        """Respond."""
        return HttpResponse("short")


def test_a_middleware_that_answers_itself(send: Send, project: UseProject) -> None:
    """If middleware responds itself, no view runs and nothing is checked."""
    project(URLS, (f"{__name__}.Answering", *MIDDLEWARE))
    assert send("GET", "/who").content == b"short"
    project(URLS, (*MIDDLEWARE, f"{__name__}.Answering"))
    assert send("GET", "/who").content == b"short"


@pytest.mark.parametrize("kind", ["sync", "async", "async object"])
def test_on_error(kind: str, send: Send, project: UseProject) -> None:
    """on_error renders all refusals and gets the subject of a 403."""
    told: list[Any] = []

    def on_error(error: Any, response: Any, request: Any) -> Any:
        told.append((request.path, getattr(error, "subject", None)))
        if request.path == "/read":
            response["X-Changed"] = "yes"
            return None
        return HttpResponse("replaced", status=418)

    async def async_on_error(*arguments: Any) -> Any:
        return on_error(*arguments)

    class AsyncOnError:
        async def __call__(self, *arguments: Any) -> Any:
            return on_error(*arguments)

    functions = {"sync": on_error, "async": async_on_error, "async object": AsyncOnError()}
    for middleware in (MIDDLEWARE, WITHOUT_OURS):
        project(URLS, middleware, on_error=functions[kind])
        changed = send("GET", "/read", ANY)
        assert (changed.status_code, changed.headers["X-Changed"]) == (403, "yes")
        assert send("GET", "/group", READ).status_code == 418
        assert send("POST", "/class", READ).status_code == 418 if middleware is MIDDLEWARE else 403
    assert ("/read", "alice") in told


def test_a_wrong_on_error(send: Send, project: UseProject) -> None:
    """A faulty on_error is an error of the project; the request is refused."""

    def wrong(*_: Any) -> Any:
        raise ZeroDivisionError

    for on_error in (wrong, lambda *_: "text"):
        project(URLS, on_error=on_error)
        assert send("GET", "/who").status_code == 500


def test_no_token_reaches_a_log(
    send: Send, project: UseProject, tenant: LocalTenant, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither Django nor the adapter logs what was presented."""
    caplog.set_level(logging.DEBUG)
    project(URLS)
    token = tenant.mint(subject="alice-with-a-name")
    for path in ("/read", "/calls-another", "/class"):
        send("GET", path, Authorization=f"Bearer {token}")
    assert "alice-with-a-name" not in caplog.text
    assert [part for part in token.split(".") if part in caplog.text] == []


# Wrong declarations


def _view(request: Any) -> HttpResponse:
    return HttpResponse()


async def _asgi(scope: Any, receive: Any, send: Any) -> None: ...


_PROTECT: Any = protect  # called without its types, which refuse some of these calls

WRONG: Final = {
    "scopes": (
        lambda: _PROTECT(scopes=5)(_view),
        "test_django._view has an invalid requirement: scopes: must be",
    ),
    "any_scopes": (
        lambda: _PROTECT(any_scopes={"a": 1})(_view),
        "_view has an invalid requirement: any_scopes",
    ),
    "groups": (
        lambda: _PROTECT(groups=[""])(_view),
        "_view has an invalid requirement: groups: every entry",
    ),
    "optional": (lambda: _PROTECT(optional="no")(_view), "optional: must be True or False, not str"),
    "both": (lambda: _PROTECT(public(_view)), "test_django._view is both public and protected"),
    "both, the other way": (
        lambda: public(_PROTECT(_view)),
        "test_django._view is both public and protected",
    ),
    "text": (lambda: _PROTECT(scopes="a")("view"), "it is not a Django view"),
    "a scope": (
        lambda: _PROTECT("orders:read"),
        "cannot protect str: it is not a Django view; pass requirements",
    ),
    "a list of scopes": (
        lambda: _PROTECT(["orders:read"]),
        "pass requirements by name, as in @protect(scopes=[...])",
    ),
    "an included URLconf": (lambda: _PROTECT(([], "app", None)), "it is not a Django view"),
    "a class": (lambda: _PROTECT(dict), "a class-based view has a dispatch method"),
    "WSGI": (lambda: _PROTECT(lambda environ, start_response: []), "monocloud_mw.adapters.wsgi"),
    "ASGI": (lambda: public(_asgi), "monocloud_mw.adapters.asgi"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_view_is_refused_by_name(name: str) -> None:
    """A wrong declaration is refused at import; the error names the view and the mistake."""
    make, message = WRONG[name]
    with pytest.raises(ConfigurationError) as raised:
        make()
    assert message in str(raised.value)


def test_a_class_cannot_be_both() -> None:
    """A class that inherits protection cannot be made public."""

    @protect
    class Parent(View):
        pass

    with pytest.raises(ConfigurationError, match="both public and protected"):
        public(type("Child", (Parent,), {}))
    with pytest.raises(ConfigurationError, match="both public and protected"):
        public(Parent.as_view())


def test_a_decorator_changes_no_other_use_of_a_view(send: Send, project: UseProject) -> None:
    """The same view at another URL is not affected."""
    project(URLS)
    assert send("GET", "/public").status_code == 200
    assert send("GET", "/who").status_code == 401


def test_the_exception_of_a_refusal() -> None:
    """The exception has the response and is one that Django handles."""
    from django.core.exceptions import PermissionDenied

    assert issubclass(AccessTokenRefused, PermissionDenied)
