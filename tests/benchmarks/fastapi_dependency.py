"""Measures the dependency of FastAPI against an empty one: a repeated token, in process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI, Response, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from monocloud_mw.adapters.fastapi import ProtectApi

from .contenders import new_async_client
from .harness import compare, repeat_async
from .middleware import asgi_request
from .report import Bar, Effort, Section
from .tokens import SCOPE, Workload

__all__ = ["measure_fastapi"]

GOAL_TIMES: Final = 3


class Nothing(SecurityBase):
    """A dependency with the same parameters that checks nothing."""

    model = HTTPBearer()
    scheme_name = "Nothing"

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> None:
        """Accept every request."""


def _app(*dependencies: Any) -> FastAPI:
    app = FastAPI()

    @app.get("/orders", dependencies=list(dependencies))
    async def orders() -> Response:
        return Response(b"{}")

    return app


def measure_fastapi(effort: Effort) -> Iterator[Section]:
    """A request to a view without a dependency, with an empty one, and with the protection."""
    workload = Workload.create("RS256", tokens=1)
    apps = {
        "no dependency": _app(),
        "an empty Security": _app(Security(Nothing(), scopes=[SCOPE])),
        "Security(protect)": _app(Security(ProtectApi(new_async_client(workload)), scopes=[SCOPE])),
    }
    with asyncio.Runner() as runner:
        found = compare(
            {name: repeat_async(asgi_request(app, workload.tokens[0]), runner) for name, app in apps.items()},
            rounds=effort.rounds,
        )
    bare, empty, protected = found.values()
    times = protected.less(bare, "added").over(empty.less(bare), "in empty dependencies")
    yield Section(
        name="middleware-FastAPI",
        title="FastAPI, one request in process",
        measurements=tuple(found.values()),
        bars=(Bar.at_most(GOAL_TIMES, "a dependency that protects, beside an empty one", times),),
    )
