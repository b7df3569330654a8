"""Any request gets a documented status, and claims that it contains are never used."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, run_wsgi_app

from monocloud_mw import AccessTokenClaims, AsyncBackendClient, BackendClient
from monocloud_mw.testing import LocalTenant

from ..event_loop import run
from .exchange import exchange, http_scope, websocket_scope
from .sample_api import create_asgi_app, create_flask_app, create_wsgi_app

DOCUMENTED = {200, 400, 401, 403}
BY_FLASK_ITSELF = {308, 404, 405}
FORGED = AccessTokenClaims({"sub": "mallory", "scope": "api orders:write", "groups": ["admin"]})

latin_1 = st.text(st.characters(max_codepoint=255), max_size=60)
header_values = latin_1 | st.from_regex(r"(?i)bearer[ ,\t]+[a-z0-9._~+/-]*=*[ ,]*[a-z.]*", fullmatch=True)
paths = latin_1 | st.text(alphabet="/.\\;%25aeF?#adminhealthz", max_size=40).map(lambda path: f"/{path}")
methods = st.sampled_from(["GET", "POST", "HEAD", "get", "OPTIONS", "BREW"]) | latin_1
keys = st.sampled_from(["monocloud.claims", "HTTP_MONOCLOUD.CLAIMS", "HTTP_MONOCLOUD_CLAIMS"]) | latin_1
values = st.just(FORGED) | st.just({"sub": "mallory"}) | latin_1

_created = functools.cache(lambda create_app, client: create_app(client))

fast = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("create_app", [create_flask_app, create_wsgi_app])
@fast
@given(st.none() | header_values, paths, methods, st.dictionaries(keys, values, max_size=3), latin_1)
def test_any_wsgi_request_gets_a_documented_answer(
    create_app: Any,
    client: BackendClient,
    authorization: str | None,
    path: str,
    method: str,
    more: dict[str, Any],
    raw_uri: str,
) -> None:
    """Any environ gets a documented status, and its own claims reach no handler."""
    environ = EnvironBuilder("/").get_environ()
    environ = {**more, **environ, "PATH_INFO": path, "REQUEST_METHOD": method, "RAW_URI": raw_uri}
    if authorization is not None:
        environ["HTTP_AUTHORIZATION"] = authorization
    body, status, _ = run_wsgi_app(_created(create_app, client), environ)
    assert int(status.split()[0]) in DOCUMENTED | BY_FLASK_ITSELF
    assert b"mallory" not in b"".join(body)


@fast
@given(
    st.lists(header_values, max_size=3), paths, methods, st.dictionaries(keys, values, max_size=3), latin_1
)
def test_any_asgi_request_gets_a_documented_answer(
    async_client: AsyncBackendClient,
    authorization: list[str],
    path: str,
    method: str,
    more: dict[str, Any],
    raw_path: str,
) -> None:
    """Any scope gets a documented status, and its own claims reach no handler."""
    headers = [("Authorization", value) for value in authorization]
    scope = {**more, **http_scope("GET", "/", headers)}
    scope |= {"path": path, "method": method, "raw_path": raw_path.encode("latin-1")}
    start, *parts = run(exchange(_created(create_asgi_app, async_client), scope))
    assert start["status"] in DOCUMENTED
    assert all(b"mallory" not in part["body"] for part in parts)


@fast
@given(st.lists(header_values, max_size=3), paths, st.dictionaries(keys, values, max_size=3))
def test_any_websocket_handshake_is_refused_or_public(
    async_client: AsyncBackendClient, authorization: list[str], path: str, more: dict[str, Any]
) -> None:
    """Without a valid token a WebSocket is closed before it is accepted, unless its path is public."""
    headers = [("Authorization", value) for value in authorization]
    scope = {**more, **websocket_scope("/", headers), "path": path}
    sent = run(exchange(_created(create_asgi_app, async_client), scope))
    if sent[0]["type"] == "websocket.accept":
        assert path.rstrip("/") == "/healthz"
        assert "mallory" not in sent[1]["text"]
    else:
        assert sent == [{"type": "websocket.close", "code": 1008}]


def test_forged_claims_do_not_change_a_valid_token(
    async_client: AsyncBackendClient, tenant: LocalTenant
) -> None:
    """Forged claims beside a valid token do not change the claims of the token."""
    headers = [("Authorization", f"Bearer {tenant.mint(subject='alice', scopes='api')}")]
    app = create_asgi_app(async_client)
    for path, status in (("/me", 200), ("/admin/users", 403)):
        scope = http_scope("GET", path, headers) | {"monocloud.claims": FORGED}
        start, part = run(exchange(app, scope))
        assert start["status"] == status
        assert b"mallory" not in part["body"]
