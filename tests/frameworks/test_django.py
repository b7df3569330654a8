"""Django: the middleware and the decorators decide on the view, on threads and on event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final, TypeAlias

import pytest

from monocloud_mw.testing import LocalTenant, as_caller

from .django_configuration import MIDDLEWARE, configure_django

configure_django()

from django.test import AsyncClient, Client, override_settings  # noqa: E402

Token: TypeAlias = dict[str, Any] | None
Send: TypeAlias = Callable[..., Any]

ANY: Final[Token] = {}
READ: Final[Token] = {"scopes": "read"}
ADMIN: Final[Token] = {"groups": ["admin"]}
WITHOUT_OURS: Final = MIDDLEWARE[1:]


@pytest.fixture(scope="module")
def tenant() -> Iterator[LocalTenant]:
    """Return a tenant that stays up."""
    with LocalTenant(algorithms=["ES256"]) as tenant:
        yield tenant


@pytest.fixture(params=["threads", "event loop"])
def send(request: pytest.FixtureRequest, tenant: LocalTenant) -> Send:
    """Return a function that sends a request in process, with CSRF checks as in production."""

    def send(method: str, path: str, token: Token = None, /, **headers: str) -> Any:
        if token is not None:
            headers["Authorization"] = f"Bearer {tenant.mint(subject='alice', **token)}"
        if request.param == "threads":
            client = Client(enforce_csrf_checks=True, raise_request_exception=False)
            return client.generic(method, path, headers=headers)

        async def run() -> Any:
            client = AsyncClient(enforce_csrf_checks=True, raise_request_exception=False)
            response = await client.generic(method, path, headers=headers)
            if response.streaming:
                response.content = b"".join([part async for part in response])
            return response

        return asyncio.run(run())

    return send


@pytest.fixture
def project(tenant: LocalTenant) -> Iterator[Callable[..., None]]:
    """Return a function that gives the project its settings, for one test."""
    with ExitStack() as stack:

        def use(middleware: tuple[str, ...] = MIDDLEWARE, /, **more: Any) -> None:
            settings = {
                **tenant.settings(tenant.client),
                "jwks_resolver": tenant.jwks,
                "metadata_resolver": tenant.metadata,
                **more,
            }
            stack.enter_context(
                override_settings(
                    ROOT_URLCONF="tests.frameworks.django_views",
                    MIDDLEWARE=list(middleware),
                    MONOCLOUD_BACKEND=settings,
                )
            )

        yield use


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
    ("GET /async-class", None, 401, 401),
    ("GET /async-class", READ, 403, 403),
    ("GET /async-class", ADMIN, 200, 200),
    ("POST /async-class", ADMIN, 200, 200),
    ("GET /fails", None, 401, 500),
    ("GET /fails", ANY, 500, 500),
    ("GET /health/ping", None, 401, 500),
]


@pytest.mark.parametrize(("request_line", "token", "with_ours", "without"), ANSWERS)
def test_answers(
    request_line: str, token: Token, with_ours: int, without: int, send: Send, project: Callable[..., None]
) -> None:
    """A request gets the status of the table, with the middleware and with the decorators alone."""
    project()
    assert send(*request_line.split(), token).status_code == with_ours
    project(WITHOUT_OURS)
    assert send(*request_line.split(), token).status_code == without


def test_as_caller(send: Send, project: Callable[..., None]) -> None:
    """A test says who calls; requirements stay."""
    project()
    with as_caller("bob", scopes=["read"]):
        assert send("GET", "/read").json() == {"caller": "bob"}
        assert send("GET", "/group").status_code == 403
