"""MCP: the token verifier behind a real server of the SDK."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from starlette.testclient import TestClient

from monocloud_mw import AccessTokenClaims, AsyncBackendClient, BackendClient, ConfigurationError
from monocloud_mw.adapters.mcp import MonoCloudTokenVerifier
from monocloud_mw.testing import LocalTenant, as_caller, faults

from .conftest import Bearer

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "who", "arguments": {}},
}
HEADERS = {b"Accept": b"application/json, text/event-stream", b"Content-Type": b"application/json"}


def create_app(client: AsyncBackendClient | None) -> Any:
    """Return the application of a server with one tool, which returns the caller."""
    server = MCPServer(
        "orders",
        token_verifier=MonoCloudTokenVerifier(client),
        auth=AuthSettings(
            issuer_url="https://acme.us.monocloud.com",  # type: ignore[arg-type]
            resource_server_url="https://api.example.com",  # type: ignore[arg-type]
            required_scopes=["orders:read"],
            validate_token_resource=True,
        ),
    )

    @server.tool()
    def who() -> dict[str, Any]:
        token = get_access_token()
        assert token is not None
        assert token.claims is not None
        return {
            "subject": token.subject,
            "client": token.client_id,
            "scopes": token.scopes,
            "issuer": token.claims.get("iss"),
        }

    return server.streamable_http_app(stateless_http=True, json_response=True, host="testserver")


@pytest.fixture(scope="module")
def http(async_client: AsyncBackendClient) -> Iterator[TestClient]:
    """Return a client of the server."""
    with TestClient(create_app(async_client), raise_server_exceptions=False) as http:
        yield http


def call(http: TestClient, headers: Mapping[str, str | bytes] | None = None) -> Any:
    """Call the tool."""
    more = {
        name.encode(): value.encode() if isinstance(value, str) else value
        for name, value in (headers or {}).items()
    }
    return http.post("/mcp", json=CALL, headers=HEADERS | more)


def test_a_tool_sees_the_caller(http: TestClient, bearer: Bearer, tenant: LocalTenant) -> None:
    """A valid token reaches the tool, with its claims."""
    response = call(http, bearer(scopes="orders:read b", subject="alice", client_id="app"))
    assert response.status_code == 200
    assert response.json()["result"]["structuredContent"] == {
        "subject": "alice",
        "client": "app",
        "scopes": ["b", "orders:read"],
        "issuer": tenant.domain,
    }


def test_an_opaque_token_is_introspected(http: TestClient, tenant: LocalTenant) -> None:
    """The verifier takes both kinds of tokens."""
    token = tenant.mint_opaque(scopes="orders:read")
    assert call(http, {"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "status", "error"),
    [
        ({}, 403, "insufficient_scope"),
        ({"scopes": "orders:read", "lifetime_seconds": -300}, 401, "invalid_token"),
        ({"scopes": "orders:read", "audience": "https://other.test"}, 401, "invalid_token"),
        ({"scopes": "orders:read", "signed_by": "stranger"}, 401, "invalid_token"),
        ({"scopes": "orders:read", "header": {"typ": "dpop+jwt"}}, 401, "invalid_token"),
        ({"scopes": "orders:read", "claims": {"cnf": {"x5t#S256": "A" * 43}}}, 401, "invalid_token"),
    ],
)
def test_refusals_are_rendered_by_the_sdk(
    parameters: dict[str, Any], status: int, error: str, http: TestClient, bearer: Bearer
) -> None:
    """A refused token is never a result of the tool."""
    response = call(http, bearer(**parameters))
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.headers["WWW-Authenticate"].startswith(f'Bearer error="{error}"')


@pytest.mark.parametrize(
    "header",
    [None, b"Bearer", b"Bearer ", b"Bearer a b", b"Bearer a, Bearer b", b"Basic YTpi", b"Bearer \xe4"],
    ids=repr,
)
def test_other_headers_are_refused(header: bytes | None, http: TestClient) -> None:
    """A header that is not one bearer token is a 401."""
    assert call(http, {} if header is None else {"Authorization": header}).status_code == 401


def test_an_outage_is_no_invalid_token(tenant: LocalTenant) -> None:
    """Without the tenant's keys the server fails, so that clients keep their token."""
    token = tenant.mint(scopes="orders:read")
    with (
        TestClient(
            create_app(AsyncBackendClient(**tenant.settings())), raise_server_exceptions=False
        ) as http,
        tenant.failing(faults.status(503)),
    ):
        assert call(http, {"Authorization": f"Bearer {token}"}).status_code == 500


def test_the_reason_is_logged_and_the_token_is_not(
    http: TestClient, bearer: Bearer, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the reason, which the SDK's response does not have."""
    caplog.set_level(logging.DEBUG)
    headers = bearer(scopes="orders:read", lifetime_seconds=-300)
    call(http, headers)
    assert "[expired]" in caplog.text
    assert headers["Authorization"].removeprefix("Bearer ") not in caplog.text


def test_the_description_hides_the_token(tenant: LocalTenant) -> None:
    """The repr of what tools get shows neither the token nor the subject."""
    token = tenant.mint(subject="alice", scopes="orders:read")

    async def describe() -> str:
        async with AsyncBackendClient(**tenant.settings()) as client:
            return repr(await MonoCloudTokenVerifier(client).verify_token(token))

    shown = asyncio.run(describe())
    assert "orders:read" in shown
    assert token not in shown
    assert "alice" not in shown


class _Accepting:
    """A client of the application that accepts every token."""

    def __init__(self, claims: dict[str, Any]) -> None:
        self._claims = AccessTokenClaims(claims)

    async def authenticate(self, _presented: Any, _requirements: Any) -> AccessTokenClaims:
        return self._claims


@pytest.mark.parametrize(
    "claims",
    [{}, {"aud": []}, {"client_id": 5, "exp": True, "sub": ["alice"]}, {"exp": 1.7e308, "scope": 5}],
    ids=str,
)
def test_claims_of_any_type_are_described(claims: dict[str, Any]) -> None:
    """Claims that are absent or of a wrong type are not an error, whose text would have their values."""
    token = asyncio.run(MonoCloudTokenVerifier(_Accepting(claims)).verify_token("any"))
    assert token is not None
    assert (token.client_id, token.subject, token.resource, token.scopes) == ("", None, None, [])


def test_the_sdk_gets_the_expiry_in_whole_seconds() -> None:
    """The SDK refuses the token from then on, so it must not be later than ``exp``."""
    token = asyncio.run(MonoCloudTokenVerifier(_Accepting({"exp": 4102444800.9})).verify_token("any"))
    assert token is not None
    assert token.expires_at == 4102444800


def test_as_caller_replaces_the_check(http: TestClient) -> None:
    """Tests of an MCP server need no tenant; the SDK still checks the scopes."""
    headers = {"Authorization": "Bearer anything"}
    with as_caller("alice", scopes=["orders:read"]):
        assert call(http, headers).json()["result"]["structuredContent"]["subject"] == "alice"
    with as_caller("alice"):
        assert call(http, headers).status_code == 403


def test_the_class_is_not_a_verifier() -> None:
    """The SDK does not look at the verifier before a request; the error says what to write."""
    verifier: Any = MonoCloudTokenVerifier
    with pytest.raises(ConfigurationError, match=r"write token_verifier=MonoCloudTokenVerifier\(\)"):
        asyncio.run(verifier.verify_token("eyJ"))


def test_a_synchronous_client_is_refused(tenant: LocalTenant) -> None:
    """The SDK runs on an event loop."""
    with pytest.raises(ConfigurationError, match="AsyncBackendClient"):
        MonoCloudTokenVerifier(BackendClient(**tenant.settings()))  # type: ignore[arg-type]
