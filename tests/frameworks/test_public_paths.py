"""Public rules for real frameworks: encoded data in a variable is allowed, and no other path is opened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import flask
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from monocloud_mw import AsyncBackendClient, BackendClient, Rule
from monocloud_mw.adapters import asgi, wsgi
from monocloud_mw.testing import LocalTenant

from ..adapters.exchange import Call, call_wsgi
from .in_process import call_framework

RULES: Final = [
    Rule("/tags/<name>/posts", public=True),
    Rule("/numbers/<int:number>", public=True),
    Rule("/tags/<name>", groups=["admin"], methods=["DELETE"]),
]


@pytest.fixture(scope="module", params=["flask", "starlette"])
def call(request: pytest.FixtureRequest, tenant: LocalTenant) -> Iterator[Call]:
    """Call an application with public views for tags and integers, and further views."""
    options = tenant.settings(tenant.client)
    if request.param == "flask":
        app = flask.Flask("public_paths")
        for number, path in enumerate(
            ("/tags/<name>/posts", "/numbers/<int:number>", "/numbers/<path:rest>")
        ):
            app.add_url_rule(path, str(number), lambda **values: ascii(f"served {values}"))
        with BackendClient(**options) as client:
            yield call_wsgi(wsgi.ProtectApiMiddleware(app, client, rules=RULES))
        return

    def view(view_request: Any) -> PlainTextResponse:
        return PlainTextResponse(ascii(f"served {view_request.path_params}"))

    paths = ("/tags/{name}/posts", "/numbers/{number:int}", "/numbers/{rest:path}")
    async_client = AsyncBackendClient(**options)
    starlette = Starlette(routes=[Route(path, view) for path in paths])
    yield call_framework(asgi.ProtectApiMiddleware(starlette, async_client, rules=RULES))
    asyncio.run(async_client.aclose())


@pytest.mark.parametrize(
    "tag", ["C%23", "C%2523", "why%3F", "100%25", "a%3Bb", "%E2%82%AC%23", "a%26b", "%23"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_encoded_data_passes(call: Call, tag: str, method: str) -> None:
    """A tag with an encoded character is served without a token."""
    answer = call(method, f"/tags/{tag}/posts", ())
    assert answer.status == 200
    assert method == "HEAD" or b"served" in answer.body


@pytest.mark.parametrize(
    "target",
    [
        *(
            "/tags/a%2Fb/posts",
            "/tags/a%5Cb/posts",
            "/tags/..%23/posts",
            "/tags/%2E%2E/posts",
            "/tags//posts",
        ),
        *("/tags/..%3B/posts", "/tags/a%00/posts", "/tags/a%252Fb/posts", "/tags/a/posts/..", "/tags/C%23"),
        *("/numbers/+7", "/numbers/-7", "/numbers/%D9%A7", "/numbers/7.0", "/numbers/7/8", "/numbers/%207"),
        *("/numbers/", "/numbers/7%23", "/numbers/7%3F", "/numbers/x/../7", "/numbers/7%2F"),
    ],
)
def test_nothing_else_is_public(call: Call, target: str) -> None:
    """A path that is not exactly a public one needs a token, even if a view would serve it."""
    assert call("GET", target, ()).status == 401
