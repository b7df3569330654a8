"""Measures what the adapters add to a request with a repeated token, in process, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

from werkzeug.test import EnvironBuilder

from monocloud_mw.adapters import asgi, wsgi
from monocloud_mw.adapters.flask import protect_api

from .apps import plain_asgi, plain_flask, plain_wsgi
from .contenders import new_async_client, new_client
from .django_apps import django_applications
from .harness import Run, compare, repeat, repeat_async
from .report import Bar, Effort, Section
from .tokens import SCOPE, Workload

__all__ = ["asgi_request", "measure_middleware"]

GOAL_SECONDS: Final = 12e-6
GOALS_SECONDS: Final = {"Django": 15e-6}


def measure_middleware(effort: Effort) -> Iterator[Section]:
    """The difference between a request to the protected application and to the bare one."""
    workload = Workload.create("RS256", tokens=1)
    with asyncio.Runner() as runner:
        for name, (bare, protected) in _applications(workload).items():
            found = compare(
                {
                    "bare": _requests(name, bare, workload.tokens[0], runner),
                    "protected": _requests(name, protected, workload.tokens[0], runner),
                },
                rounds=effort.rounds,
            )
            added = found["protected"].less(found["bare"], "added by protection")
            yield Section(
                name=f"middleware-{name}",
                title=f"{name}, one request in process",
                measurements=(*found.values(), added),
                bars=(Bar.at_most(GOALS_SECONDS.get(name, GOAL_SECONDS), "added by protection", added),),
            )


def _applications(workload: Workload) -> Mapping[str, tuple[Any, Any]]:
    """Return each application, bare and protected."""
    client = new_client(workload)
    return {
        "WSGI": (plain_wsgi, wsgi.ProtectApiMiddleware(plain_wsgi, client, scopes=[SCOPE])),
        "Flask": (plain_flask(), plain_flask(protect_api(client, scopes=[SCOPE]))),
        "ASGI": (
            plain_asgi,
            asgi.ProtectApiMiddleware(plain_asgi, new_async_client(workload), scopes=[SCOPE]),
        ),
        "Django": django_applications(workload),
    }


def _requests(name: str, app: Any, token: str, runner: asyncio.Runner) -> Run:
    if name == "ASGI":
        return repeat_async(asgi_request(app, token), runner)
    return repeat(_wsgi_request(app, token))


def _wsgi_request(app: Any, token: str) -> Callable[[], None]:
    """Return a function that makes one request; a server hands each request a mapping of its own."""
    environ = EnvironBuilder("/orders", headers=[("Authorization", f"Bearer {token}")]).get_environ()
    statuses: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        statuses.append(status)

    def request() -> None:
        statuses.clear()
        for _ in app({**environ}, start_response):
            pass
        assert statuses == ["200 OK"]

    return request


def asgi_request(app: Any, token: str) -> Callable[[], Awaitable[None]]:
    """Return a coroutine function that makes one request."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/orders",
        "raw_path": b"/orders",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())],
    }
    statuses: list[int | None] = []

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def request() -> None:
        statuses.clear()
        await app({**scope}, receive, send)
        assert statuses == [200, None]

    return request
