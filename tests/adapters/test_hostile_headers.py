"""Requests that no honest client sends, over real sockets; and bodies that nobody should have to read."""

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

REFUSED = {400, 401, 431}  # by the server itself, or by us


@pytest.fixture(scope="module")
def token(tenant: LocalTenant) -> str:
    """Return a good token."""
    return tenant.mint(scopes="api", subject="alice")


def _status_of(server: Call, headers: list[tuple[str, str]]) -> int:
    """Return the status, or 400 where the server hangs up on what it does not want to read."""
    try:
        return server("GET", "/me", headers).status
    except (ConnectionError, HTTPException):  # half a response is no response either
        return 400


@pytest.mark.parametrize("size", [7_000, 17_000, 70_000, 1_000_000])
@pytest.mark.parametrize("form", ["Bearer {}", "Bearer {}.{}.{}", "Bearer {}=", "Bearer{}", "{}"])
def test_an_oversized_header_is_refused(server: Call, token: str, size: int, form: str) -> None:
    """By the server or by us; and the next request is served as if nothing had happened."""
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
def test_only_a_plain_bearer_header_counts(server: Call, token: str, name: str, value: str) -> None:
    """A good token in any other place or form lets nobody in."""
    assert _status_of(server, [(name, value.format(token=token))]) in REFUSED


@pytest.mark.parametrize("first", ["Basic YTpi", "Bearer x", "Bearer {token}", "", " ", ","])
def test_a_second_header_never_counts(server: Call, token: str, first: str) -> None:
    """Beside another ``Authorization`` header a good token is none, whichever comes first."""
    headers = [("Authorization", first.format(token=token)), ("authorization", f"Bearer {token}")]
    for order in (headers, headers[::-1]):
        assert _status_of(server, order) in REFUSED


class _Untouched(io.RawIOBase):
    """A body that fails the test where it is read."""

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: Any) -> int:
        raise AssertionError("the body was read before the request was let in")


@pytest.mark.parametrize("create_app", [create_flask_app, create_wsgi_app])
@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer a.b.c"])
def test_no_body_is_read_before_a_request_is_let_in(
    create_app: Any, authorization: str | None, client: BackendClient
) -> None:
    """A refusal does not wait for a body, however large it is announced."""
    environ = EnvironBuilder("/orders", method="POST").get_environ()
    environ |= {"wsgi.input": _Untouched(), "CONTENT_LENGTH": str(10**12)}
    if authorization is not None:
        environ["HTTP_AUTHORIZATION"] = authorization
    _, status, _ = run_wsgi_app(create_app(client), environ)
    assert int(status.split()[0]) in REFUSED


@pytest.mark.parametrize("authorization", [(), ("Bearer",), ("Bearer a.b.c",)])
def test_nothing_is_received_before_a_request_is_let_in(
    authorization: tuple[str, ...], async_client: AsyncBackendClient
) -> None:
    """On ASGI not one message of the body is taken."""

    async def receive() -> Any:
        raise AssertionError("the body was read before the request was let in")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = http_scope("POST", "/orders", [("Authorization", value) for value in authorization])
    asyncio.run(create_asgi_app(async_client)(scope, receive, send))
    assert sent[0]["status"] in REFUSED
