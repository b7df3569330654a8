"""The authorization code flow of a local tenant, with the requests of a browser and a client."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests

from monocloud_mw.jose import base64url
from monocloud_mw.testing import LocalTenant

CALLBACK = "https://app.example.com/callback"
VERIFIER = "a-verifier-of-at-least-forty-three-characters"
CHALLENGE = base64url.encode(hashlib.sha256(VERIFIER.encode()).digest())
REQUEST = {
    "response_type": "code",
    "client_id": "app",
    "redirect_uri": CALLBACK,
    "scope": "orders:read",
    "state": 'x"<&',
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture(autouse=True)
def app(tenant: LocalTenant) -> None:
    """Register a public client."""
    tenant.register_client("app", "none", redirect_uris=[CALLBACK])


def get(tenant: LocalTenant, **changes: str | None) -> requests.Response:
    """Send an authorization request; ``None`` leaves a parameter out."""
    url = tenant.metadata()["authorization_endpoint"]
    return requests.get(url, params={**REQUEST, **changes}, allow_redirects=False, timeout=10)


def post(tenant: LocalTenant, **changes: str | None) -> dict[str, str]:
    """Submit the login page and return the parameters of the redirect."""
    url = tenant.metadata()["authorization_endpoint"]
    form = {**REQUEST, "granted": "orders:read", "decision": "allow", **changes}
    return answer_in(requests.post(url, form, allow_redirects=False, timeout=10))


def answer_in(response: requests.Response) -> dict[str, str]:
    """Return the parameters of a redirect."""
    assert response.status_code == 303
    location = response.headers["Location"]
    assert location.startswith(CALLBACK + "?")
    return {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}


def redeem(tenant: LocalTenant, issued: str, **changes: str | None) -> requests.Response:
    """Send a token request."""
    form: Mapping[str, Any] = {
        "grant_type": "authorization_code",
        "client_id": "app",
        "code": issued,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        **changes,
    }
    return requests.post(tenant.token_endpoint, form, timeout=10)


def test_a_user_logs_in_and_the_client_gets_a_token(tenant: LocalTenant) -> None:
    """The page repeats the request; the token has the subject that was typed in."""
    page = get(tenant)
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
    assert {name: unescape(value) for name, value in hidden} == REQUEST
    answer = post(tenant, subject="alice", groups="admin staff")
    assert (answer["state"], answer["iss"]) == (REQUEST["state"], tenant.domain)
    issued = redeem(tenant, answer["code"]).json()
    claims = jwt.decode(issued["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["client_id"], claims["scope"]) == ("alice", "app", "orders:read")
    assert claims["groups"] == ["admin", "staff"]
    assert (issued["token_type"], issued["scope"]) == ("Bearer", "orders:read")


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "unknown"},
        {"client_id": None},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK + "?x=1"},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": None},
    ],
)
def test_an_unregistered_redirect_uri_gets_no_redirect(
    tenant: LocalTenant, changes: dict[str, str | None]
) -> None:
    """Redirect URIs are compared exactly (RFC 9700 section 2.1); the user sees the error."""
    answer = get(tenant, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "Location" not in answer.headers


def test_a_parameter_may_be_there_once(tenant: LocalTenant) -> None:
    """Otherwise two parsers could read different values."""
    url = tenant.metadata()["authorization_endpoint"]
    answer = requests.get(url, [*REQUEST.items(), ("redirect_uri", CALLBACK)], timeout=10)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
    ],
)
def test_the_client_gets_the_error(tenant: LocalTenant, changes: dict[str, str | None], error: str) -> None:
    """The client gets the error with and without the page."""
    assert answer_in(get(tenant, **changes))["error"] == error
    assert post(tenant, **changes)["error"] == error


def test_a_user_may_deny(tenant: LocalTenant) -> None:
    """The client gets the error access_denied."""
    answer = post(tenant, decision="deny")
    assert (answer["error"], answer["state"]) == ("access_denied", REQUEST["state"])
    assert "code" not in answer


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "another-verifier-of-at-least-forty-three-characters"},
        {"code_verifier": None},
        {"code_verifier": ""},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": None},
        {"code": "unknown"},
        {"code": None},
        {"client_id": "other"},
    ],
)
def test_a_code_is_redeemed_only_as_it_was_issued(
    tenant: LocalTenant, changes: dict[str, str | None]
) -> None:
    """The code needs its client, its redirect URI and its verifier."""
    tenant.register_client("other", "none", redirect_uris=[CALLBACK])
    code = post(tenant)["code"]
    answer = redeem(tenant, code, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    if "code" not in changes:
        assert redeem(tenant, code).status_code == 400


def test_a_code_is_redeemed_once(tenant: LocalTenant) -> None:
    """A code that was used is unknown."""
    code = post(tenant)["code"]
    assert [redeem(tenant, code).status_code for _ in range(2)] == [200, 400]


def test_a_code_expires_after_a_minute() -> None:
    """The tenant's clock decides."""
    now = [1_700_000_000.0]
    with LocalTenant(algorithms=["ES256"], clock=lambda: now[0]) as tenant:
        tenant.register_client("app", "none", redirect_uris=[CALLBACK])
        code = post(tenant)["code"]
        now[0] += 60
        assert redeem(tenant, code).json()["error"] == "invalid_grant"


def test_a_confidential_client_has_to_authenticate(tenant: LocalTenant) -> None:
    """A confidential client needs its secret; a public one must not send any."""
    client = tenant.register_client("web", redirect_uris=[CALLBACK])
    code = post(tenant, client_id="web")["code"]
    assert redeem(tenant, code, client_id="web").status_code == 401
    assert redeem(tenant, code, client_id="web", client_secret=client.secret).status_code == 200
    assert redeem(tenant, post(tenant)["code"], client_secret="x").status_code == 401


@pytest.mark.parametrize("endpoint", ["introspection", "token", "revocation"])
def test_a_public_client_cannot_use_other_endpoints(tenant: LocalTenant, endpoint: str) -> None:
    """A public client is not authenticated, so it cannot use other endpoints."""
    url = tenant.metadata()[f"{endpoint}_endpoint"]
    form = {"client_id": "app", "token": "x", "grant_type": "client_credentials"}
    answer = requests.post(url, form, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://app.example.com", True),
        ("https://app.example.com.evil.test", False),
        ("http://app.example.com", False),
        ("null", False),
    ],
)
def test_scripts_of_a_registered_origin_may_read_answers(
    tenant: LocalTenant, origin: str, allowed: bool
) -> None:
    """They can after a preflight; those of other origins cannot."""
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = requests.options(tenant.token_endpoint, headers=asked, timeout=10)
    answer = requests.post(tenant.token_endpoint, {}, headers={"Origin": origin}, timeout=10)
    for response in (preflight, answer):
        assert response.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    assert preflight.status_code == (200 if allowed else 405)
