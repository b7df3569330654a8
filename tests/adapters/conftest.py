"""Fixtures: one tenant, one client of each kind, and the sample API on every adapter and server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monocloud_mw import AsyncBackendClient, BackendClient
from monocloud_mw.testing import LocalTenant

from .django_apis import create_django_call
from .exchange import Call, call_asgi, call_socket, call_starlette, call_wsgi
from .sample_api import (
    ADAPTERS,
    create_asgi_app,
    create_fastapi_app,
    create_flask_app,
    create_starlette_app,
    create_wsgi_app,
)
from .servers import gunicorn_server, uvicorn_server, werkzeug_server

API = "tests.adapters.sample_api:create_wsgi_app()"
RULE_SERVERS = ("gunicorn", "uvicorn_h11", "uvicorn_httptools")
SERVERS = ("werkzeug", *RULE_SERVERS)


@pytest.fixture(scope="session")
def flask(client: BackendClient) -> Call:
    """Call the sample API on Flask, in process."""
    return call_wsgi(create_flask_app(client))


@pytest.fixture(scope="session")
def fastapi(async_client: AsyncBackendClient) -> Call:
    """Call the sample API on FastAPI, in process."""
    return call_starlette(create_fastapi_app(async_client))


@pytest.fixture(scope="session")
def starlette(async_client: AsyncBackendClient) -> Call:
    """Call the sample API on Starlette, in process."""
    return call_starlette(create_starlette_app(async_client))


@pytest.fixture(scope="session")
def django(tenant: LocalTenant) -> Iterator[Call]:
    """Call the sample API on Django, in process."""
    with create_django_call("django", tenant.settings(tenant.client)) as call:
        yield call


@pytest.fixture(scope="session")
def django_async(tenant: LocalTenant) -> Iterator[Call]:
    """Call the sample API on Django's ASGI handler, in process."""
    with create_django_call("django_async", tenant.settings(tenant.client)) as call:
        yield call


@pytest.fixture(scope="session")
def rest_framework(tenant: LocalTenant) -> Iterator[Call]:
    """Call the sample API on REST framework, in process."""
    pytest.importorskip("rest_framework")
    with create_django_call("rest_framework", tenant.settings(tenant.client)) as call:
        yield call


@pytest.fixture(scope="session")
def ninja(tenant: LocalTenant) -> Iterator[Call]:
    """Call the sample API on Django Ninja, in process."""
    pytest.importorskip("ninja")
    with create_django_call("ninja", tenant.settings(tenant.client)) as call:
        yield call


@pytest.fixture(scope="session")
def wsgi(client: BackendClient) -> Call:
    """Call the sample API on WSGI, in process."""
    return call_wsgi(create_wsgi_app(client))


@pytest.fixture(scope="session")
def asgi(async_client: AsyncBackendClient) -> Call:
    """Call the sample API on ASGI, in process."""
    return call_asgi(create_asgi_app(async_client))


@pytest.fixture(scope="session")
def werkzeug(client: BackendClient) -> Iterator[Call]:
    """Call the sample API on Flask, served by Werkzeug's development server."""
    with werkzeug_server(create_flask_app(client)) as port:
        yield call_socket(port)


@pytest.fixture(scope="session")
def gunicorn(tenant: LocalTenant) -> Iterator[Call]:
    """Call the sample API on WSGI, served by gunicorn and configured by its environment."""
    with gunicorn_server(API, tenant.environment(tenant.client)) as port:
        yield call_socket(port)


@pytest.fixture(scope="session")
def uvicorn_h11(async_client: AsyncBackendClient) -> Iterator[Call]:
    """Call the sample API on ASGI, served by uvicorn with its pure Python parser."""
    with uvicorn_server(create_asgi_app(async_client), http="h11") as port:
        yield call_socket(port)


@pytest.fixture(scope="session")
def uvicorn_httptools(async_client: AsyncBackendClient) -> Iterator[Call]:
    """Call the sample API on ASGI, served by uvicorn with httptools."""
    with uvicorn_server(create_asgi_app(async_client), http="httptools") as port:
        yield call_socket(port)


@pytest.fixture(params=ADAPTERS + SERVERS)
def call(request: pytest.FixtureRequest) -> Call:
    """Call the sample API through each adapter and server in turn."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


@pytest.fixture(params=RULE_SERVERS)
def server(request: pytest.FixtureRequest) -> Call:
    """Call the sample API on each real server whose API is protected by rules."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]
