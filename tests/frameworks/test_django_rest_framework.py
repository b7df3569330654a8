"""REST framework: authentication, permissions and their combinations, challenges, schema."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

import pytest
from django.contrib.auth.models import AnonymousUser
from rest_framework.permissions import IsAdminUser
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from monocloud_mw import AccessTokenClaims, ConfigurationError
from monocloud_mw.adapters.django.rest_framework import (
    AccessTokenAuthentication,
    HasAnyScope,
    HasGroups,
    HasScopes,
    TokenUser,
)
from monocloud_mw.testing import LocalTenant, as_caller, faults

from .django_project import WITHOUT_OURS, Send, Token, UseProject, project, send

__all__ = ["project", "send"]

URLS: Final = "tests.frameworks.django_rest_views"
ANY: Final[Token] = {}
READ: Final[Token] = {"scopes": "read"}
ADMIN: Final[Token] = {"groups": ["admin"]}
BOTH: Final[Token] = {"scopes": "read", "groups": ["admin"]}
SUSPENDED: Final[Token] = {"groups": ["suspended"]}
NEEDS_READ: Final = 'Bearer error="insufficient_scope", scope="read"'
NEEDS_GROUP: Final = 'Bearer error="insufficient_scope"'

# Request, token, status, challenge.
ANSWERS: Final = [
    ("GET /who", None, 401, "Bearer"),
    ("GET /who", ANY, 200, None),
    ("HEAD /who", None, 401, "Bearer"),
    ("OPTIONS /who", None, 401, "Bearer"),
    ("OPTIONS /who", ANY, 200, None),
    ("POST /who", ANY, 200, None),
    ("GET /who.json", None, 401, "Bearer"),
    ("GET /who.json", ANY, 200, None),
    ("GET /read.json", ANY, 403, NEEDS_READ),
    ("GET /who?format=json", None, 401, "Bearer"),
    ("PUT /who", None, 401, "Bearer"),
    ("PUT /who", ANY, 405, None),
    ("GET /read", None, 401, "Bearer"),
    ("GET /read", ANY, 403, NEEDS_READ),
    ("GET /read", READ, 200, None),
    ("GET /both-scopes", READ, 403, 'Bearer error="insufficient_scope", scope="read write"'),
    ("GET /any-scope", ANY, 403, 'Bearer error="insufficient_scope", scope="read write"'),
    ("GET /any-scope", READ, 200, None),
    ("GET /group", READ, 403, NEEDS_GROUP),
    ("GET /group", ADMIN, 200, None),
    ("GET /and", None, 401, "Bearer"),
    ("GET /and", ADMIN, 403, NEEDS_READ),
    ("GET /and", READ, 403, NEEDS_GROUP),
    ("GET /and", BOTH, 200, None),
    ("GET /and-right", None, 401, "Bearer"),
    ("GET /and-right", ANY, 403, NEEDS_READ),
    ("GET /and-right", READ, 200, None),
    ("GET /or", None, 401, "Bearer"),
    ("GET /or", ANY, 403, NEEDS_READ),
    ("GET /or", READ, 200, None),
    ("GET /or", ADMIN, 200, None),
    ("GET /or-right", ANY, 403, NEEDS_READ),
    ("GET /or-right", READ, 200, None),
    ("GET /or-open", None, 200, None),
    ("GET /or-open", ANY, 200, None),
    ("GET /not", None, 401, "Bearer"),
    ("GET /not", SUSPENDED, 403, None),
    ("GET /not", ANY, 200, None),
    ("GET /not-and", None, 401, "Bearer"),
    ("GET /not-and", BOTH, 403, None),
    ("GET /not-and", READ, 200, None),
    ("GET /and-not", None, 401, "Bearer"),
    ("GET /and-not", SUSPENDED, 403, None),
    ("GET /and-not", ANY, 200, None),
    *((f"GET /{path}", None, 401, "Bearer") for path in ("not-and-left", "not-or-left", "not-and-not")),
    *((f"GET /{path}", SUSPENDED, 403, None) for path in ("not-and-left", "not-or-left", "not-and-not")),
    *((f"GET /{path}", ANY, 200, None) for path in ("not-and-left", "not-or-left")),
    ("GET /not-and-not", ANY, 403, None),
    ("GET /not-and-not", ADMIN, 200, None),
    ("GET /not-open", None, 200, None),
    ("GET /never-and", READ, 403, None),
    ("GET /open", None, 200, None),
    ("GET /open", ANY, 200, None),
    ("GET /function", None, 401, "Bearer"),
    ("GET /function", ANY, 403, NEEDS_READ),
    ("POST /function", READ, 200, None),
    ("GET /decorated", None, 401, "Bearer"),
    ("GET /decorated", ANY, 403, NEEDS_READ),
    ("GET /decorated", READ, 200, None),
    ("GET /outside", ANY, 403, NEEDS_READ),
    ("GET /outside", READ, 200, None),
    ("GET /unprotected", None, 200, None),
]


def test_answers(send: Send, project: UseProject) -> None:
    """A request gets the status and challenge of the table, without the middleware."""
    project(URLS, WITHOUT_OURS)
    for request_line, token, *expected in ANSWERS:
        response = send(*request_line.split(), token)
        found = [response.status_code, response.headers.get("WWW-Authenticate")]
        assert found == expected, (request_line, token)


def test_answers_behind_the_middleware(send: Send, project: UseProject) -> None:
    """With the middleware, all other views need a token as well."""
    project(URLS)
    for request_line, token, *expected in ANSWERS:
        response = send(*request_line.split(), token)
        found = [response.status_code, response.headers.get("WWW-Authenticate")]
        assert found == ([401, "Bearer"] if token is None else expected), (request_line, token)


def test_a_refused_token(send: Send, project: UseProject) -> None:
    """Body and challenge name the reason, even if the view is open."""
    project(URLS, WITHOUT_OURS)
    for path in ("/who", "/open"):
        response = send("GET", path, {"lifetime_seconds": -300})
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
        assert response.json() == {
            "error": "invalid_token",
            "error_description": "The access token has expired",
        }
    malformed = send("GET", "/who", Authorization="Bearer a b")
    assert (malformed.status_code, malformed.json()["error"]) == (400, "invalid_request")


def test_an_outage(send: Send, project: UseProject, tenant: LocalTenant) -> None:
    """An unreachable tenant is a 503 with ``Retry-After``."""
    project(URLS, WITHOUT_OURS, jwks_resolver=None, metadata_resolver=None)
    with tenant.failing(faults.status(503)):
        response = send("GET", "/who", ANY)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert response.json()["error"] == "temporarily_unavailable"
    assert "WWW-Authenticate" not in response.headers


def test_another_scheme_takes_over(send: Send, project: UseProject) -> None:
    """A request without a token is passed to the next class; a permission on scopes refuses its users."""
    project(URLS, WITHOUT_OURS)
    password = {"Authorization": "Basic cGF1bDp4"}
    assert send("GET", "/either", **password).json() == {"caller": "paul"}
    assert send("GET", "/either", ANY).json() == {"caller": "alice"}
    assert send("GET", "/either").headers["WWW-Authenticate"] == "Bearer"
    assert send("GET", "/either-scope", **password).status_code == 403
    assert send("GET", "/either", {"lifetime_seconds": -300}).status_code == 401


SESSION: Final = {"session": "of paul"}
WITH_CSRF: Final = {**SESSION, "csrftoken": "a" * 32}
EXPIRED: Final[Token] = {"lifetime_seconds": -300}


@pytest.mark.parametrize(
    ("request_line", "token", "cookies", "status", "caller_or_challenge"),
    [
        ("GET /session-last", ANY, {}, 200, "alice"),
        ("POST /session-last", ANY, {}, 200, "alice"),
        ("GET /session-last", None, SESSION, 200, "paul"),
        ("POST /session-last", None, SESSION, 403, None),
        ("POST /session-last", None, WITH_CSRF, 200, "paul"),
        ("GET /session-last", None, {}, 401, "Bearer"),
        ("GET /session-last", ANY, SESSION, 200, "alice"),
        ("POST /session-last", ANY, SESSION, 200, "alice"),
        ("GET /session-last", EXPIRED, SESSION, 401, "expired"),
        ("GET /session-first", ANY, {}, 200, "alice"),
        ("POST /session-first", ANY, {}, 200, "alice"),
        ("GET /session-first", None, SESSION, 200, "paul"),
        ("POST /session-first", None, SESSION, 403, None),
        ("POST /session-first", None, WITH_CSRF, 200, "paul"),
        ("GET /session-first", None, {}, 403, None),
        ("GET /session-first", ANY, SESSION, 200, "paul"),
        ("POST /session-first", ANY, SESSION, 403, None),
        ("GET /session-first", EXPIRED, {}, 401, "expired"),
    ],
)
def test_sessions_beside_tokens(
    request_line: str,
    token: Token,
    cookies: dict[str, str],
    status: int,
    caller_or_challenge: str | None,
    send: Send,
    project: UseProject,
) -> None:
    """The first class that finds its credentials decides; only sessions need a CSRF token."""
    project(URLS, (f"{URLS}.SessionUser", *WITHOUT_OURS))
    headers = {"X_CSRFToken": cookies["csrftoken"]} if "csrftoken" in cookies else {}
    response = send(*request_line.split(), token, cookies=cookies, **headers)
    challenge = response.headers.get("WWW-Authenticate")
    assert response.status_code == status
    if status == 200:
        assert response.json() == {"caller": caller_or_challenge}
    elif caller_or_challenge == "expired":
        assert challenge.startswith('Bearer error="invalid_token"')
    else:
        assert challenge == caller_or_challenge


@pytest.mark.parametrize("path", ["/who", "/read", "/either", "/session-last"])
@pytest.mark.parametrize("token", [None, {"lifetime_seconds": -300}], ids=["missing", "expired"])
def test_a_401_is_not_cached(path: str, token: Token, send: Send, project: UseProject) -> None:
    """A 401 of REST framework has the headers of one of this package."""
    project(URLS, WITHOUT_OURS)
    response = send("GET", path, token)
    assert (response.status_code, response.headers["Cache-Control"]) == (401, "no-store")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_users(send: Send, project: UseProject) -> None:
    """A subclass maps tokens to the project's users."""
    project(URLS, WITHOUT_OURS)
    assert send("GET", "/mapped", ANY).json() == {"caller": "user of alice"}
    with as_caller(None, claims={"client_id": "worker"}) as claims:
        user = TokenUser(claims)
        assert (user.pk, user.id, str(user), user.get_username()) == ("worker",) * 4
        assert (user.is_authenticated, user.is_staff, user.has_perm("x"), user.has_perms(["x"])) == (
            True,
            False,
            False,
            False,
        )
        assert not user.has_module_perms("x")


@pytest.mark.parametrize(
    ("user", "status"),
    [
        (None, 401),
        (AnonymousUser(), 401),
        (SimpleNamespace(is_authenticated=True, is_active=False), 401),
        (SimpleNamespace(is_authenticated=True, is_active=True), 200),
        (SimpleNamespace(is_authenticated=True), 200),
    ],
    ids=["none", "anonymous", "inactive", "active", "without is_active"],
)
def test_a_token_of_an_unknown_or_inactive_user_is_refused(
    project: UseProject, user: Any, status: int
) -> None:
    """``get_user`` of a subclass decides who may call, as it does in REST framework's own classes."""
    project(URLS, WITHOUT_OURS)

    class OfDatabase(AccessTokenAuthentication):
        def get_user(self, claims: Any) -> Any:
            return user if claims.subject == "alice" else None

    class Scoped(APIView):
        authentication_classes = (OfDatabase,)
        permission_classes = (HasScopes("read"),)

        def get(self, _request: Any) -> Response:
            return Response()

    with as_caller("alice", scopes="read"):
        response = Scoped.as_view()(APIRequestFactory().get("/"))
    assert (response.status_code, response.get("WWW-Authenticate")) == (
        status,
        "Bearer" if status == 401 else None,
    )


def test_tests_need_no_tenant(project: UseProject) -> None:
    """``as_caller`` and ``force_authenticate`` set the caller without a tenant."""
    project(URLS, WITHOUT_OURS)
    with as_caller("bob", scopes="read") as claims:
        assert APIClient(enforce_csrf_checks=True).post("/function").json() == {"caller": "bob"}
        assert APIClient().get("/group").status_code == 403
    client = APIClient()
    client.force_authenticate(TokenUser(claims), claims)
    assert client.get("/read").status_code == 200
    assert client.get("/group").status_code == 403
    from .django_rest_views import Who

    request = APIRequestFactory().get("/who")
    force_authenticate(request, TokenUser(claims), claims)
    assert Who.as_view()(request).data == {"caller": "bob"}


def test_a_token_in_a_cookie_needs_a_csrf_token(send: Send, project: UseProject, tenant: LocalTenant) -> None:
    """Browsers attach cookies to cross-site requests, so such a request needs a CSRF token."""
    project(URLS, WITHOUT_OURS, token_resolver=lambda request: request.COOKIES.get("token"))
    cookies = {"token": tenant.mint(subject="alice"), "csrftoken": "a" * 32}
    assert send("GET", "/who", cookies=cookies).status_code == 200
    assert send("POST", "/who", cookies=cookies).status_code == 403
    assert send("POST", "/who", cookies=cookies, X_CSRFToken="a" * 32).status_code == 200
    assert send("GET", "/who", ANY).status_code == 401


def test_permissions_for_each_action(send: Send, project: UseProject) -> None:
    """``get_permissions`` returns instances; a class there fails with what to write instead."""
    project(URLS, WITHOUT_OURS)
    assert send("GET", "/own-permissions", ANY).status_code == 403
    assert send("GET", "/own-permissions", BOTH).status_code == 200
    from .django_rest_views import WithClasses

    with as_caller("alice", scopes="read", groups="admin"):
        for classes in (HasScopes("read"), HasScopes("read") & HasGroups("admin"), ~HasGroups("suspended")):
            with pytest.raises(ConfigurationError, match=r"add \(\), as in HasScopes\('orders:read'\)\(\)"):
                WithClasses.as_view(permission=classes)(APIRequestFactory().get("/"))


@pytest.mark.parametrize("auth", [None, AccessTokenClaims({"sub": "alice"})], ids=["anonymous", "alice"])
def test_a_negated_permission_needs_a_token_for_objects_too(auth: Any, project: UseProject) -> None:
    """A view may call only ``check_object_permissions``."""
    project(URLS, WITHOUT_OURS)
    permission: Any = (~(IsAdminUser | IsAdminUser | HasGroups("suspended")))()
    request = SimpleNamespace(auth=auth, user=AnonymousUser())
    assert permission.has_object_permission(request, None, None) is (auth is not None)


def test_the_observer_hears_of_a_missing_scope(send: Send, project: UseProject) -> None:
    """A permission that refuses is an event, like every other refusal."""
    events: list[Any] = []
    project(URLS, WITHOUT_OURS, observer=events.append)
    assert send("GET", "/read", ANY).status_code == 403
    assert [type(event).__name__ for event in events[-2:]] == ["TokenAccepted", "RequestRefused"]
    assert (events[-1].reason, events[-1].status, events[-1].path) == ("insufficient_scope", 403, "'/read'")


PAGES: Final = {
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
        }
    ],
    "STATIC_URL": "/static/",
}


def test_the_browsable_api(send: Send, project: UseProject) -> None:
    """A browser gets a page with the caller's name, and a page for a refusal."""
    project(URLS, WITHOUT_OURS, **PAGES)
    page = send("GET", "/who", ANY, Accept="text/html")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "alice" in page.content.decode()
    refused = send("GET", "/read", ANY, Accept="text/html")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (403, NEEDS_READ)


@pytest.mark.parametrize(
    ("method", "path", "token", "status", "refusals"),
    [
        ("GET", "/for-each-method", READ, 200, []),  # the page has no form for POST
        ("OPTIONS", "/for-each-method", READ, 200, []),
        ("GET", "/for-each-method", ANY, 403, [403]),
        ("POST", "/for-each-method", READ, 403, [403]),
        ("GET", "/read", ANY, 403, [403]),
        ("GET", "/and", ANY, 403, [403]),
        ("GET", "/who", {"lifetime_seconds": -300}, 401, [401]),
    ],
)
def test_what_a_page_asks_about_is_no_refusal(
    method: str,
    path: str,
    token: Token,
    status: int,
    refusals: list[int],
    send: Send,
    project: UseProject,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A page asks which methods the caller may use; only the response itself is logged and reported."""
    events: list[Any] = []
    project(URLS, WITHOUT_OURS, observer=events.append, **PAGES)
    with caplog.at_level("INFO", "monocloud_mw"):
        assert send(method, path, token, Accept="text/html").status_code == status
    assert [event.status for event in events if type(event).__name__ == "RequestRefused"] == refusals
    assert sum("answered with" in line for line in caplog.messages) == len(refusals)


def test_the_schema(send: Send, project: UseProject) -> None:
    """The OpenAPI document has the security scheme and the operations that need it."""
    project(URLS, WITHOUT_OURS)
    document: Any = send("GET", "/schema?format=json").json()
    scheme = document["components"]["securitySchemes"]["accessToken"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["paths"]["/read"]["get"]["security"] == [{"accessToken": []}]


@pytest.mark.parametrize("kind", [HasScopes, HasAnyScope, HasGroups])
def test_a_permission_without_a_valid_name_is_refused(kind: Any) -> None:
    """A permission without scopes, or with an invalid name, is refused when it is declared."""
    for wrong in ((), ("",), (5,), ([],), (["read", 5],), (["read"], "write")):
        with pytest.raises(ConfigurationError):
            kind(*wrong)


def test_a_permission_reads_one_argument_as_the_decorators_do() -> None:
    """One string may list several scopes, and a list names several; a string is one group."""
    several: Any = ["read", "write"]
    for kind in (HasScopes, HasAnyScope):
        expected = kind("read", "write").requirements
        assert [kind(given).requirements for given in ("read write", several)] == [expected, expected]
    assert HasGroups("Sales Europe").requirements.groups == (frozenset({"Sales Europe"}),)
