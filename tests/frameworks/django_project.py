"""A Django project in the test process: its settings for one test, and requests to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final, TypeAlias

import pytest

from monocloud_mw.testing import LocalTenant

from .django_configuration import MIDDLEWARE, configure_django

configure_django()

from django.test import AsyncClient, Client, override_settings  # noqa: E402

__all__ = ["WITHOUT_OURS", "Send", "Token", "UseProject", "project", "send"]

Token: TypeAlias = dict[str, Any] | None
"""What to mint; ``None`` is a request without a token."""

Send: TypeAlias = Callable[..., Any]
UseProject: TypeAlias = Callable[..., None]

WITHOUT_OURS: Final = MIDDLEWARE[1:]


@pytest.fixture(params=["threads", "event loop"])
def send(request: pytest.FixtureRequest, tenant: LocalTenant) -> Send:
    """Return a function that sends a request in process, with CSRF checks as in production."""

    def send(
        method: str,
        path: str,
        token: Token = None,
        /,
        *,
        cookies: dict[str, str] | None = None,
        **headers: str,
    ) -> Any:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            headers["Authorization"] = f"Bearer {tenant.mint(**{'subject': 'alice', **token})}"
        kind = Client if request.param == "threads" else AsyncClient
        client = kind(enforce_csrf_checks=True, raise_request_exception=False)
        for name, value in (cookies or {}).items():
            client.cookies[name] = value
        if request.param == "threads":
            return client.generic(method, path, headers=headers)

        async def run() -> Any:
            response = await client.generic(method, path, headers=headers)
            if response.streaming:
                response.streamed = b"".join([part async for part in response]).decode()
            return response

        return asyncio.run(run())

    return send


@pytest.fixture
def project(tenant: LocalTenant) -> Iterator[UseProject]:
    """Return a function that sets the project's URLs, middleware and MonoCloud settings."""
    with ExitStack() as stack:

        def use(urls: str, middleware: tuple[str, ...] = MIDDLEWARE, /, **settings: Any) -> None:
            more = {name: settings.pop(name) for name in [*settings] if name.isupper()}
            content = {
                **tenant.settings(tenant.client),
                "jwks_resolver": tenant.jwks,
                "metadata_resolver": tenant.metadata,
                **settings,
            }
            stack.enter_context(
                override_settings(
                    ROOT_URLCONF=urls, MIDDLEWARE=list(middleware), MONOCLOUD_BACKEND=content, **more
                )
            )

        yield use
