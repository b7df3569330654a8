"""``manage.py check``: wrong settings, order of middleware, names that match nothing; without network."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Final

import pytest

from monocloud_mw import ConfigurationError

from .django_configuration import MIDDLEWARE, configure_django
from .django_project import WITHOUT_OURS, Send, UseProject, project, send

configure_django()

from django.core.checks import run_checks  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils.decorators import method_decorator  # noqa: E402
from django.views import View  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from ninja import NinjaAPI  # noqa: E402
from rest_framework.authentication import SessionAuthentication  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from monocloud_mw.adapters.django import DjangoSettings, protect, public  # noqa: E402
from monocloud_mw.adapters.django.config import Protection  # noqa: E402
from monocloud_mw.adapters.django.ninja import AccessTokenAuth  # noqa: E402
from monocloud_mw.adapters.django.rest_framework import AccessTokenAuthentication  # noqa: E402

__all__ = ["project", "send"]

URLS: Final = "tests.frameworks.django_views"
TENANT: Final = {"tenant_domain": "https://acme.us.monocloud.com", "audience": "https://api.acme.com"}


def _found() -> list[tuple[str | None, str]]:
    return [
        (message.id, message.msg) for message in run_checks() if (message.id or "").startswith("monocloud")
    ]


@pytest.mark.parametrize("name", DjangoSettings.__annotations__)
def test_what_type_checkers_know_is_read(name: str) -> None:
    """Each name of ``DjangoSettings`` is a setting, whose value is checked."""
    with pytest.raises(ConfigurationError) as raised:
        Protection({**TENANT, name: object()})
    assert name in {problem.option for problem in raised.value.problems}


WRONG_SETTINGS: Final[list[tuple[Any, str]]] = [
    ([], "MONOCLOUD_BACKEND: must be a dictionary of options, not list"),
    ({}, "tenant_domain (MONOCLOUD_BACKEND_TENANT_DOMAIN): is required"),
    ({"tenant_domian": "x"}, "tenant_domian: is not an option; did you mean tenant_domain?"),
    ({"DENY_BY_DEFUALT": True}, "deny_by_defualt: is not an option; did you mean deny_by_default?"),
    ({"audience": "a", "AUDIENCE": "b"}, "audience: is set twice, in lower and in upper case"),
    ({"clock_skew": "soon"}, "clock_skew (MONOCLOUD_BACKEND_CLOCK_SKEW): must be"),
    ({"deny_by_default": "no"}, "deny_by_default: must be True or False, not str"),
    ({"allow_cors_preflight": 1}, "allow_cors_preflight: must be True or False, not int"),
    ({"public_views": [5]}, "public_views: must be a list of names"),
    ({"public_views": {"a": 1}}, "public_views: must be a list of names"),
    ({"public_apps": [""]}, "public_apps: must be a list of names"),
    ({"public_apps": [" admin"]}, "public_apps: must be a list of names"),
    ({"scopes": 5}, "scopes: must be a string or a list of strings"),
    ({"any_scopes": ["a b"]}, "any_scopes: a scope must not contain white space"),
    ({"groups": [""]}, "groups: every entry must be a non-empty string"),
    ({"token_resolver": 5}, "token_resolver: must be a callable or its dotted name, not int"),
    ({"token_resolver": "no.such.module"}, "token_resolver: cannot be imported"),
    ({"certificate_resolver": "os.path.nothing"}, "certificate_resolver: cannot be imported"),
    ({"token_resolver": lambda: ""}, "token_resolver: must be callable as token_resolver(request)"),
    ({"on_error": "os.path.basename"}, "on_error: must be callable as on_error(error, response, request)"),
    ({"on_error": "os.sep"}, "on_error: must be a callable or its dotted name, not str"),
]


@pytest.mark.parametrize(("settings", "message"), WRONG_SETTINGS)
def test_wrong_settings(settings: Any, message: str) -> None:
    """Each wrong setting is named by the checks and when the middleware is created."""
    content = {**TENANT, **settings} if settings else settings
    with override_settings(ROOT_URLCONF=URLS, MIDDLEWARE=list(MIDDLEWARE), MONOCLOUD_BACKEND=content):
        found = _found()
        assert {name for name, _ in found} == {"monocloud_mw.E001"}
        assert any(message in text for _, text in found)
        with pytest.raises(ConfigurationError) as raised:
            WSGIHandler()
        assert message in str(raised.value)


def test_all_problems_are_reported_together() -> None:
    """One run reports all problems."""
    content = {"audience": 5, "deny_by_default": 5, "on_error": 5}
    with override_settings(MONOCLOUD_BACKEND=content):
        assert len(_found()) == 4


def test_the_environment_fills_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options that the settings leave out come from the environment; settings take precedence."""
    for name, value in TENANT.items():
        monkeypatch.setenv(f"MONOCLOUD_BACKEND_{name.upper()}", value)
    monkeypatch.setenv("MONOCLOUD_BACKEND_CLOCK_SKEW", "7")
    from monocloud_mw.adapters.django.config import get_protection

    with override_settings(MONOCLOUD_BACKEND={"AUDIENCE": ["https://other.example.com"]}):
        options = get_protection().options
        assert (options.tenant_domain, options.audience) == (
            TENANT["tenant_domain"],
            ("https://other.example.com",),
        )
        assert options.clock_skew == 7
        assert get_protection() is get_protection()


def test_a_good_project_has_no_findings(project: UseProject) -> None:
    """A correct project has no findings, with the middleware or with decorators alone."""
    project(URLS, public_views=["tests.frameworks.django_views.who"], public_apps=["health"])
    assert _found() == []
    project(URLS, WITHOUT_OURS)
    assert _found() == []


def test_the_order_of_middleware(project: UseProject) -> None:
    """After CsrfViewMiddleware, requests with a token and no cookie would be refused."""
    project(URLS, (*WITHOUT_OURS, MIDDLEWARE[0]))
    ((name, text),) = _found()
    assert name == "monocloud_mw.E003"
    assert text.startswith("ProtectApiMiddleware comes after CsrfViewMiddleware")


def test_settings_that_need_the_middleware(project: UseProject) -> None:
    """Without the middleware, these settings have no effect and views would be open."""
    project(URLS, WITHOUT_OURS, deny_by_default=True)
    assert _found() == [
        ("monocloud_mw.E004", "deny_by_default: has no effect because the middleware is not installed")
    ]


def test_names_that_match_nothing(project: UseProject) -> None:
    """A misspelt name would leave a view protected that should be public; the hint says what is expected."""
    project(URLS, public_views=["tests.frameworks.django_view"], public_apps=["admin", "health"])
    hints = [message.hint for message in run_checks() if message.id == "monocloud_mw.W001"]
    assert hints == [
        "Correct or remove it; the URLconfs have 'health'.",
        "Correct or remove it; write a dotted name, such as 'shop.views.ping' or 'shop.views'.",
    ]
    assert _found() == [
        ("monocloud_mw.W001", "public_apps: no URLconf has the app_name 'admin'"),
        (
            "monocloud_mw.W001",
            "public_views: 'tests.frameworks.django_view' matches no view and no module with a view",
        ),
    ]


def _open(_request: Any) -> HttpResponse:
    return HttpResponse()


class _Open(View):
    def get(self, _request: Any) -> HttpResponse:
        return HttpResponse()


class _WithMethod(_Open):
    @protect(scopes=["read"])
    def post(self, _request: Any) -> HttpResponse:
        return HttpResponse()


@method_decorator(protect, name="dispatch")
class _WithDispatch(_Open): ...


class _RestDefault(APIView): ...


class _Subclass(AccessTokenAuthentication): ...


class _RestSubclass(APIView):
    authentication_classes = (SessionAuthentication, _Subclass)


class _RestProperty(APIView):
    @property
    def authentication_classes(self) -> Any:
        return (AccessTokenAuthentication,)


class _RestMethod(APIView):
    def get_authenticators(self) -> Any:
        return [AccessTokenAuthentication()]


class _RestSession(APIView):
    authentication_classes = (SessionAuthentication,)


def _ninja_urls() -> Any:
    api = NinjaAPI(auth=AccessTokenAuth(), urls_namespace="checked")
    api.get("/a")(lambda request: _open(request))
    return path("ninja/", api.urls)


UNPROTECTED: Final = (
    "monocloud_mw.W002",
    "no view requires an access token: the middleware is not installed",
)


@pytest.mark.parametrize(
    ("view", "is_protected"),
    [
        (_open, False),
        (_Open.as_view(), False),
        (public(lambda _: _open(_)), False),
        (_RestSession.as_view(), False),
        (_RestDefault.as_view(), False),
        (protect(lambda _: _open(_)), True),
        (protect(optional=True)(lambda _: _open(_)), True),
        (csrf_exempt(protect(lambda _: _open(_))), True),
        (protect(_Open.as_view()), True),
        (_WithMethod.as_view(), True),
        (_WithDispatch.as_view(), True),
        (_RestSubclass.as_view(), True),
        (_RestProperty.as_view(), True),
        (_RestMethod.as_view(), True),
        (_RestSession.as_view(authentication_classes=(AccessTokenAuthentication,)), True),
        (_RestSubclass.as_view(authentication_classes=()), False),
    ],
)
def test_a_project_that_requires_no_token(
    view: Any, is_protected: bool, project: UseProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the middleware, one view at least requires a token; else the middleware may be forgotten."""
    module: Any = ModuleType("urls_of_check")
    module.urlpatterns = [path("open", _open), path("view", view)]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    project(module.__name__, WITHOUT_OURS)
    assert [(name, text.partition(", and")[0]) for name, text in _found()] == (
        [] if is_protected else [UNPROTECTED]
    )
    project(module.__name__)
    assert _found() == []


def test_a_project_of_ninja_or_without_views(project: UseProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ninja checks tokens itself, and a project without views has nothing to protect."""
    module: Any = ModuleType("urls_of_check")
    module.urlpatterns = [_ninja_urls()]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    project(module.__name__, WITHOUT_OURS)
    assert _found() == []
    project("tests.frameworks.empty_urls", WITHOUT_OURS)
    assert _found() == []


def test_only_an_event_loop(project: UseProject) -> None:
    """Options that only the asynchronous client uses are accepted."""

    async def fetch(_request: Any) -> Any: ...

    project(URLS, fetcher=fetch)
    assert _found() == []


def _answer(request: Any, **_: Any) -> HttpResponse:
    return HttpResponse()


_in_djangos_way: Any = method_decorator


@_in_djangos_way(protect, name="dispatch")
@_in_djangos_way(public, name="dispatch")
class ProtectAbovePublic(View):
    """Declared twice."""

    get = staticmethod(_answer)


@_in_djangos_way([public, protect(scopes=["a"])], name="dispatch")
class Listed(View):
    """Declared twice, in one list."""

    get = staticmethod(_answer)


@public
@_in_djangos_way(csrf_exempt, name="dispatch")
class Open(View):
    """Public, with one method that is not."""

    def get(self, request: Any) -> HttpResponse:
        """Answer."""
        return HttpResponse()

    post = protect(get)


class Method(View):
    """Has a method that is declared to be public."""

    @public
    def get(self, request: Any) -> HttpResponse:
        """Answer."""
        return HttpResponse()


class OptionalMethod(View):
    """Has a method whose token is declared to be optional."""

    @protect(optional=True)
    def get(self, request: Any) -> HttpResponse:
        """Answer."""
        return HttpResponse()


@protect(optional=True)
class OptionalClass(OptionalMethod):
    """Takes an optional token for all methods."""


class _Urls:
    urlpatterns = (
        path("optional-method", OptionalMethod.as_view()),
        path("optional-class", OptionalClass.as_view()),
        path("both", ProtectAbovePublic.as_view()),
        path("both-again", ProtectAbovePublic.as_view()),
        path("listed", Listed.as_view()),
        path("open", Open.as_view()),
        path("method", Method.as_view()),
        path("protected", protect(scopes="a")(_answer)),
    )


def test_views_that_are_public_and_protected(project: UseProject) -> None:
    """Decorators in Django's way do not see each other; the check names the view."""
    project(_Urls)
    assert _found() == [
        ("monocloud_mw.E002", f"{__name__}.Listed is both public and protected; remove one of the two"),
        (
            "monocloud_mw.E002",
            f"{__name__}.Method.get is public, which has no effect on a method; make the class public",
        ),
        (
            "monocloud_mw.E002",
            f"{__name__}.OptionalMethod.get has optional=True, which has no effect on a method of a view "
            "that requires a token; declare it for the class",
        ),
        (
            "monocloud_mw.E002",
            f"{__name__}.ProtectAbovePublic is both public and protected; remove one of the two",
        ),
    ]


@pytest.mark.parametrize("where", ["/both", "/listed", "/method"])
def test_a_view_that_is_public_and_protected_is_closed(where: str, send: Send, project: UseProject) -> None:
    """Nothing passes without a token, whichever decorator comes first."""
    project(_Urls)
    assert send("GET", where).status_code in (401, 500)
