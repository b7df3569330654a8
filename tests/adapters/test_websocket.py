"""WebSockets at a real server: refused before they are accepted, with the status of a request."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from monocloud_mw import AsyncBackendClient
from monocloud_mw.testing import LocalTenant

from .sample_api import create_asgi_app
from .servers import uvicorn_server


@pytest.fixture(scope="module")
def port(async_client: AsyncBackendClient) -> Iterator[int]:
    """Return the port of the sample API under uvicorn, which supports WebSocket denial responses."""
    with uvicorn_server(create_asgi_app(async_client), ws="websockets-sansio") as port:
        yield port


def _receive(port: int, path: str, headers: dict[str, str]) -> dict[str, object]:
    with connect(f"ws://127.0.0.1:{port}{path}", additional_headers=headers, proxy=None) as socket:
        received: dict[str, object] = json.loads(socket.recv(timeout=30))
        return received


def test_a_good_token_opens_a_websocket(port: int, tenant: LocalTenant) -> None:
    """The application gets the claims of the handshake's token."""
    token = tenant.mint(subject="alice", scopes="api")
    received = _receive(port, "/live", {"Authorization": f"Bearer {token}"})
    assert received["path"] == "/live"
    assert isinstance(received["claims"], dict)
    assert received["claims"]["sub"] == "alice"


def test_a_public_path_opens_without_a_token(port: int) -> None:
    """Rules apply to WebSockets as to requests."""
    assert _receive(port, "/healthz", {}) == {"path": "/healthz", "claims": None}


@pytest.mark.parametrize(
    ("authorization", "path", "status", "challenge"),
    [
        (None, "/live", 401, "Bearer"),
        ("Bearer", "/live", 400, 'Bearer error="invalid_request"'),
        (
            "Bearer a.b.c",
            "/live",
            401,
            'Bearer error="invalid_token", error_description="The access token is malformed"',
        ),
        ("good", "/admin/live", 403, 'Bearer error="insufficient_scope", scope="api"'),
    ],
)
def test_a_websocket_is_refused_with_the_status_of_a_request(
    port: int, tenant: LocalTenant, authorization: str | None, path: str, status: int, challenge: str
) -> None:
    """The handshake fails with the same status, challenge and body as a request."""
    if authorization == "good":
        authorization = f"Bearer {tenant.mint(scopes='api')}"
    headers = {} if authorization is None else {"Authorization": authorization}
    with pytest.raises(InvalidStatus) as caught:
        _receive(port, path, headers)
    response = caught.value.response
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (status, challenge)
    assert json.loads(response.body)["error_description"]
