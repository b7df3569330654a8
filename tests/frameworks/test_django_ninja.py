"""Django Ninja: ``auth=`` on synchronous and asynchronous operations."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest
from django.core.cache import cache
from django.http import HttpRequest, JsonResponse
from django.urls import path
from ninja import NinjaAPI, Router
from ninja.security import APIKeyHeader
from ninja.testing import TestAsyncClient, TestClient
from ninja.throttling import AuthRateThrottle

from monocloud_mw import ConfigurationError
from monocloud_mw.adapters.django.ninja import ANONYMOUS, AccessTokenAuth, AccessTokenError
from monocloud_mw.testing import LocalTenant, as_caller

from .django_project import WITHOUT_OURS, Send, Token, UseProject, project, send

__all__ = ["project", "send"]

ANY: Final[Token] = {}
READ: Final[Token] = {"scopes": "read"}
NEEDS_READ: Final = 'Bearer error="insufficient_scope", scope="read"'


class Key(APIKeyHeader):
    """A second scheme."""

    param_name = "X-Key"

    def authenticate(self, request: Any, key: str | None) -> str | None:
        """Accept one key."""
        return "key holder" if key == "secret" else None


api = NinjaAPI(auth=AccessTokenAuth(), urls_namespace="first")
router = Router(auth=AccessTokenAuth(scopes=["read"]))
handled = NinjaAPI(auth=AccessTokenAuth(), urls_namespace="second")


def _who(request: Any) -> dict[str, Any]:
    if request.auth is ANONYMOUS:
        assert request.access_token is None
        return {"caller": None}
    return {"caller": getattr(request.auth, "subject", request.auth)}


@api.get("/who")
def who(request: Any) -> dict[str, Any]:
    """Return the caller."""
    return _who(request)


@api.get("/who-async")
async def who_async(request: Any) -> dict[str, Any]:
    """Return the caller, in a coroutine."""
    return _who(request)


@api.post("/who-async")
def who_mixed(request: Any) -> dict[str, Any]:
    """Return the caller, in a function between coroutines."""
    return _who(request)


@api.post("/who-coroutine")
async def who_coroutine(request: Any) -> dict[str, Any]:
    """Return the caller, in a coroutine."""
    return _who(request)


@api.get("/optional", auth=AccessTokenAuth(optional=True), openapi_extra={"security": [{}]})
def optional(request: Any) -> dict[str, Any]:
    """Return the caller, or None."""
    return _who(request)


@api.post("/optional", auth=AccessTokenAuth(optional=True))
def optional_post(request: Any) -> dict[str, Any]:
    """Return the caller, or None."""
    return _who(request)


@api.get("/limited", throttle=[AuthRateThrottle("1/d")])
def limited(request: Any) -> dict[str, Any]:
    """Return the caller, once a day."""
    return _who(request)


@api.get("/open", auth=None)
def unprotected(request: Any) -> dict[str, Any]:
    """Answer any request."""
    return {"caller": None}


@api.get("/either", auth=[AccessTokenAuth(any_scopes="read write"), Key()])
def either(request: Any) -> dict[str, Any]:
    """Return the caller."""
    return _who(request)


@api.get("/either-async", auth=[AccessTokenAuth(any_scopes="read write"), Key()])
async def either_async(request: Any) -> dict[str, Any]:
    """Return the caller."""
    return _who(request)


@api.get("/either-last", auth=[Key(), AccessTokenAuth(any_scopes="read write")])
def either_last(request: Any) -> dict[str, Any]:
    """Say who calls."""
    return _who(request)


@api.get("/key", auth=Key())
def key_only(request: Any) -> dict[str, Any]:
    """Say who calls; takes no token."""
    return _who(request)


@router.get("/read")
def read(request: Any) -> dict[str, Any]:
    """Return the caller."""
    return _who(request)


@router.get("/group", auth=AccessTokenAuth(groups="admin"))
async def group(request: Any) -> dict[str, Any]:
    """Return the caller."""
    return _who(request)


api.add_router("/nested", router)


@handled.exception_handler(AccessTokenError)
def handle(request: Any, error: AccessTokenError) -> JsonResponse:
    """Respond in the project's own format."""
    return JsonResponse({"own": str(error.error)}, status=error.response.status_code)


@handled.get("/who")
def handled_who(request: Any) -> dict[str, Any]:
    """Return the caller."""
    return _who(request)


urlpatterns = [path("", api.urls), path("handled/", handled.urls)]

ANSWERS: Final = [
    ("GET /who", None, 401, "Bearer"),
    ("GET /who", ANY, 200, None),
    ("POST /who", ANY, 405, None),
    ("GET /who-async", None, 401, "Bearer"),
    ("GET /who-async", ANY, 200, None),
    ("POST /who-async", None, 401, "Bearer"),
    ("POST /who-async", ANY, 200, None),
    ("GET /optional", None, 200, None),
    ("GET /optional", ANY, 200, None),
    ("POST /optional", None, 200, None),  # no browser attached anything: nothing to forge
    ("GET /open", None, 200, None),
    ("GET /either", None, 401, "Bearer"),
    ("GET /either", ANY, 403, 'Bearer error="insufficient_scope", scope="read write"'),
    ("GET /either", READ, 200, None),
    ("GET /either-async", None, 401, "Bearer"),
    ("GET /either-last", None, 401, "Bearer"),
    ("GET /either-last", READ, 200, None),
    ("GET /key", None, 401, None),
    ("GET /either-async", ANY, 403, 'Bearer error="insufficient_scope", scope="read write"'),
    ("GET /either-async", READ, 200, None),
    ("GET /nested/read", None, 401, "Bearer"),
    ("GET /nested/read", ANY, 403, NEEDS_READ),
    ("GET /nested/read", READ, 200, None),
    ("GET /nested/group", READ, 403, 'Bearer error="insufficient_scope"'),
    ("GET /nested/group", {"groups": ["admin"]}, 200, None),
]


@pytest.mark.parametrize("debug", [False, True])
def test_answers(debug: bool, send: Send, project: UseProject) -> None:
    """A request gets the status and the challenge of the table."""
    project(__name__, WITHOUT_OURS, DEBUG=debug)
    for request_line, token, *expected in ANSWERS:
        response = send(*request_line.split(), token)
        found = [response.status_code, response.headers.get("WWW-Authenticate")]
        assert found == expected, (request_line, token)


def test_a_refused_token(send: Send, project: UseProject) -> None:
    """A token in any place is refused with the body and challenge of the reason."""
    project(__name__, WITHOUT_OURS)
    for where in ("/who", "/who-async", "/optional", "/either"):
        response = send("GET", where, {"lifetime_seconds": -300})
        assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
        assert response.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
        assert response.headers["Cache-Control"] == "no-store"
    assert send("GET", "/who", Authorization="Bearer a b").status_code == 400


def test_a_rate_limit_counts_each_caller(send: Send, project: UseProject) -> None:
    """Ninja's throttle counts requests per caller, whatever the token, and not all callers together."""
    caches = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "limits"}}
    project(__name__, WITHOUT_OURS, CACHES=caches)
    cache.clear()
    tokens = ({"subject": "alice"}, {"subject": "bob"}, {"subject": "alice", "scopes": "read"})
    assert [send("GET", "/limited", token).status_code for token in tokens] == [200, 200, 429]


def test_another_scheme_takes_over(send: Send, project: UseProject) -> None:
    """If ``auth`` is a list, a request without a token is passed to the next entry."""
    project(__name__, WITHOUT_OURS)
    for where in ("/either", "/either-async"):
        assert send("GET", where, X_Key="secret").json() == {"caller": "key holder"}
        assert send("GET", where, X_Key="wrong").status_code == 401


def test_a_handler_of_the_project_comes_first(send: Send, project: UseProject) -> None:
    """An exception handler that the API already has is kept."""
    project(__name__, WITHOUT_OURS)
    assert send("GET", "/handled/who").json() == {"own": "The request has no access token"}
    assert send("GET", "/handled/who", ANY).json() == {"caller": "alice"}


def test_behind_the_middleware(send: Send, project: UseProject) -> None:
    """The middleware needs a token everywhere unless the settings exempt these views."""
    project(__name__)
    assert send("GET", "/open").status_code == 401
    assert send("GET", "/nested/read", ANY).headers["WWW-Authenticate"] == NEEDS_READ
    project(__name__, public_apps=["ninja"])
    assert send("GET", "/open").status_code == 200
    assert send("GET", "/who").headers["WWW-Authenticate"] == "Bearer"


def test_a_token_in_a_cookie_needs_a_csrf_token(send: Send, project: UseProject, tenant: LocalTenant) -> None:
    """Browsers attach cookies to cross-site requests, so such a request needs a CSRF token."""
    project(__name__, WITHOUT_OURS, token_resolver=lambda request: request.COOKIES.get("token"))
    cookies = {"token": tenant.mint(subject="alice"), "csrftoken": "a" * 32}
    assert send("GET", "/who-async", cookies=cookies).status_code == 200
    for where in ("/who-async", "/who-coroutine"):
        assert send("POST", where, cookies=cookies).status_code == 403
        assert send("POST", where, cookies=cookies, X_CSRFToken="a" * 32).status_code == 200


def test_as_caller(send: Send, project: UseProject) -> None:
    """as_caller sets the caller; requirements still apply."""
    project(__name__, WITHOUT_OURS)
    with as_caller("bob", scopes=["read"]):
        assert send("GET", "/nested/read").json() == {"caller": "bob"}
        assert send("GET", "/nested/group").status_code == 403


def test_as_caller_in_a_test_client_of_ninja(project: UseProject) -> None:
    """Ninja's own test clients call operations without URLs; as_caller sets the caller there, too."""
    project(__name__, WITHOUT_OURS)
    assert TestClient(api).get("/who").status_code == 401
    with as_caller("bob"):
        assert TestClient(api).get("/who").json() == {"caller": "bob"}
        assert asyncio.run(TestAsyncClient(api).get("/who-async")).json() == {"caller": "bob"}


def test_the_schema(send: Send, project: UseProject) -> None:
    """The OpenAPI document has the security scheme and the operations that need it."""
    project(__name__, WITHOUT_OURS)
    document = send("GET", "/openapi.json").json()
    scheme = document["components"]["securitySchemes"]["AccessTokenAuth"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["paths"]["/who"]["get"]["security"] == [{"AccessTokenAuth": []}]
    assert "security" not in document["paths"]["/open"]["get"]
    assert document["paths"]["/optional"]["get"]["security"] == [{"AccessTokenAuth": []}, {}]


@pytest.mark.parametrize("argument", [HttpRequest(), ["read"]], ids=["request", "scopes"])
def test_the_class_itself_authenticates_nobody(argument: Any) -> None:
    """``auth=AccessTokenAuth`` is called with each request; the error says what to write."""
    with pytest.raises(ConfigurationError, match=r"write auth=AccessTokenAuth\(\)"):
        AccessTokenAuth(argument)


def test_a_wrong_requirement_is_refused_where_it_is_written() -> None:
    """A wrong requirement is refused at import."""
    wrong: dict[str, Any]
    for wrong in ({"scopes": 5}, {"groups": [""]}, {"any_scopes": {}}):
        with pytest.raises(ConfigurationError):
            AccessTokenAuth(**wrong)
