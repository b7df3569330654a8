"""Malformed and oversized headers over real sockets, and request bodies that must not be read."""

from __future__ import annotations

import asyncio
import io
from http.client import HTTPException
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from monocloud_mw import AsyncBackendClient, BackendClient
from monocloud_mw.testing import LocalTenant

from .exchange import Call, http_scope
from .sample_api import create_asgi_app, create_flask_app, create_wsgi_app

REFUSED = {400, 401, 431}  # by the server or by the library


@pytest.fixture(scope="module")
def token(tenant: LocalTenant) -> str:
    """Return a good token."""
    return tenant.mint(scopes="api", subject="alice")


def _status_of(server: Call, headers: list[tuple[str, str]]) -> int:
    """Return the status, or 400 if the server closes the connection."""
    try:
        return server("GET", "/me", headers).status
    except (ConnectionError, HTTPException):  # half a response counts as a closed connection
        return 400


@pytest.mark.parametrize("size", [7_000, 17_000, 70_000, 1_000_000])
@pytest.mark.parametrize("form", ["Bearer {}", "Bearer {}.{}.{}", "Bearer {}=", "Bearer{}", "{}"])
def test_an_oversized_header_is_refused(server: Call, token: str, size: int, form: str) -> None:
    """The server or the library refuses an oversized header; the next request is served as usual."""
    authorization = form.replace("{}", "A" * (size // form.count("{}")))
    assert _status_of(server, [("Authorization", authorization)]) in REFUSED
    assert _status_of(server, [("Authorization", f"Bearer {token}")]) == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer {token}\0"),
        ("Authorization", "Bearer {token}\0.x"),
        ("Authorization", "Bearer {token}\r\n more"),
        ("Authorization", "Basic\r\n Bearer {token}"),
        ("Authorization", "Bearer {token}, Bearer {token}"),
        ("Authorization", "Bearer {token};Bearer {token}"),
        ("Authorization", 'Bearer "{token}"'),
        ("Authorization", "Bearer token={token}"),
        ("Authorization", "Bearer:{token}"),
        ("Authorization", "Token {token}"),
        ("Authorization", "DPoP {token}"),
        ("Authorization", "{token}"),
        ("Proxy-Authorization", "Bearer {token}"),
        ("X-Authorization", "Bearer {token}"),
        ("X-Forwarded-Authorization", "Bearer {token}"),
        ("Authorization_", "Bearer {token}"),
        ("HTTP_AUTHORIZATION", "Bearer {token}"),
        ("Cookie", "access_token={token}"),
        ("X-Access-Token", "{token}"),
    ],
)
def test_only_a_plain_bearer_header_is_accepted(server: Call, token: str, name: str, value: str) -> None:
    """A valid token in any other place or form is refused."""
    assert _status_of(server, [(name, value.format(token=token))]) in REFUSED


@pytest.mark.parametrize("first", ["Basic YTpi", "Bearer x", "Bearer {token}", "", " ", ","])
def test_two_authorization_headers_are_refused(server: Call, token: str, first: str) -> None:
    """A valid token beside a second `Authorization` header is refused, in either order."""
    headers = [("Authorization", first.format(token=token)), ("authorization", f"Bearer {token}")]
    for order in (headers, headers[::-1]):
        assert _status_of(server, order) in REFUSED


class _UnreadBody(io.RawIOBase):
    """A body that fails the test when it is read."""

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: Any) -> int:
        raise AssertionError("the body was read before the request was let in")


@pytest.mark.parametrize("create_app", [create_flask_app, create_wsgi_app])
@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer a.b.c"])
def test_a_refused_request_is_not_read(
    create_app: Any, authorization: str | None, client: BackendClient
) -> None:
    """A request is refused without reading its body, however large its announced length."""
    environ = EnvironBuilder("/orders", method="POST").get_environ()
    environ |= {"wsgi.input": _UnreadBody(), "CONTENT_LENGTH": str(10**12)}
    if authorization is not None:
        environ["HTTP_AUTHORIZATION"] = authorization
    _, status, _ = run_wsgi_app(create_app(client), environ)
    assert int(status.split()[0]) in REFUSED


@pytest.mark.parametrize("authorization", [(), ("Bearer",), ("Bearer a.b.c",)])
def test_a_refused_asgi_request_is_not_received(
    authorization: tuple[str, ...], async_client: AsyncBackendClient
) -> None:
    """On ASGI, a request is refused without receiving any message of its body."""

    async def receive() -> Any:
        raise AssertionError("the body was read before the request was let in")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = http_scope("POST", "/orders", [("Authorization", value) for value in authorization])
    asyncio.run(create_asgi_app(async_client)(scope, receive, send))
    assert sent[0]["status"] in REFUSED
