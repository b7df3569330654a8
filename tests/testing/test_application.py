"""A tenant's endpoints over HTTP."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
import requests

from monocloud_mw.testing import LocalTenant

from .conftest import claims_of

AUTH = ("local-client", "local-secret")


def _post(tenant: LocalTenant, endpoint: str, fields: Any, **arguments: Any) -> requests.Response:
    url = tenant.metadata()[f"{endpoint}_endpoint"]
    return requests.post(url, data=fields, auth=AUTH, timeout=10, **arguments)


def _grant(tenant: LocalTenant, **fields: str) -> dict[str, Any]:
    response = _post(tenant, "token", {"grant_type": "client_credentials", **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_discovery(tenant: LocalTenant) -> None:
    """The document has the issuer and every endpoint, and no mutual TLS endpoints without TLS."""
    response = requests.get(tenant.domain + "/.well-known/openid-configuration")
    document = response.json()
    assert response.headers["Content-Type"] == "application/json"
    assert document == tenant.metadata()
    assert {name: value for name, value in document.items() if isinstance(value, str)} == {
        "issuer": tenant.domain,
        "jwks_uri": f"{tenant.domain}/.well-known/openid-configuration/jwks",
        "authorization_endpoint": f"{tenant.domain}/connect/authorize",
        "token_endpoint": f"{tenant.domain}/connect/token",
        "introspection_endpoint": f"{tenant.domain}/connect/introspect",
        "revocation_endpoint": f"{tenant.domain}/connect/revocation",
    }
    assert document["introspection_endpoint_auth_methods_supported"] == [
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
        "private_key_jwt",
        "spiffe_jwt",
    ]
    assert "mtls_endpoint_aliases" not in document
    assert tenant.token_endpoint == document["token_endpoint"]


def test_discovery_under_tls(tls_tenant: LocalTenant) -> None:
    """The endpoints for mutual TLS have other URLs, one set per trust store (RFC 8705 section 5)."""
    document = tls_tenant.metadata()
    names = ["introspection_endpoint", "revocation_endpoint", "token_endpoint"]
    stores = [document["mtls_endpoint_aliases"], document["mtls_additional_endpoint_aliases"]["partners"]]
    assert [sorted(aliases) for aliases in stores] == [names, names]
    places = [document, *stores]
    assert len({place["introspection_endpoint"].split("/")[2] for place in places}) == 3
    assert all(place[name].startswith("https://127.0.0.1:") for place in places for name in names)
    assert len(document["introspection_endpoint_auth_methods_supported"]) == 8


def test_the_key_set(tenant: LocalTenant) -> None:
    """The published keys are the current ones."""
    uri = tenant.metadata()["jwks_uri"]
    assert requests.get(uri).json() == tenant.jwks()
    tenant.rotate_keys()
    assert requests.get(uri).json() == tenant.jwks()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/connect/nowhere", 404),
        ("POST", "/.well-known/openid-configuration", 405),
        ("GET", "/connect/token", 405),
        ("GET", "/connect/introspect", 405),
        ("DELETE", "/connect/revocation", 405),
    ],
)
def test_other_requests(tenant: LocalTenant, method: str, path: str, status: int) -> None:
    """Other paths and methods are a 404 and a 405."""
    assert requests.request(method, tenant.domain + path).status_code == status


def test_a_token_is_granted(tenant: LocalTenant) -> None:
    """A client gets a token for itself; the response is that of RFC 6749 section 5.1."""
    response = _post(tenant, "token", {"grant_type": "client_credentials", "scope": "orders:read"})
    answer = response.json()
    claims = claims_of(answer.pop("access_token"))
    assert response.headers["Cache-Control"] == "no-store"
    assert answer == {"token_type": "Bearer", "expires_in": 3600, "scope": "orders:read"}
    assert (claims["sub"], claims["client_id"], claims["aud"]) == (
        "local-client",
        "local-client",
        tenant.audience,
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"groups": "admin staff"}, {"groups": ["admin", "staff"]}),
        ({"audience": "https://a.test"}, {"aud": "https://a.test"}),
        ({"resource": "https://a.test"}, {"aud": "https://a.test"}),
        ({"audience": "https://a.test https://b.test"}, {"aud": ["https://a.test", "https://b.test"]}),
        ({"subject": "alice"}, {"sub": "alice"}),
        ({"claims": '{"tier": 1, "sub": "bob"}'}, {"tier": 1, "sub": "bob"}),
    ],
)
def test_parameters_become_claims(
    tenant: LocalTenant, fields: dict[str, str], expected: dict[str, Any]
) -> None:
    """The parameters of ``mint`` can be sent as form fields."""
    assert expected.items() <= claims_of(_grant(tenant, **fields)["access_token"]).items()


def test_several_resources(tenant: LocalTenant) -> None:
    """Only ``resource`` may be sent more than once (RFC 8707 section 2)."""
    fields = [
        ("grant_type", "client_credentials"),
        ("resource", "https://a.test"),
        ("resource", "https://b.test"),
    ]
    token = _post(tenant, "token", fields).json()["access_token"]
    assert claims_of(token)["aud"] == ["https://a.test", "https://b.test"]


def test_times_of_a_token(tenant: LocalTenant) -> None:
    """A token can be expired or not yet valid when it is issued."""
    expired = _grant(tenant, lifetime_seconds="-60")
    future = claims_of(_grant(tenant, starts_in_seconds="1.5", lifetime_seconds="10")["access_token"])
    claims = claims_of(expired["access_token"])
    assert expired["expires_in"] == -60
    assert claims["exp"] == claims["iat"]
    assert (future["nbf"] - future["iat"], future["exp"] - future["iat"]) == (1.5, 11.5)


def test_headers_and_signers_of_a_token(tenant: LocalTenant) -> None:
    """Headers and keys of a token can be wrong."""
    published = tenant.jwks()["keys"][0]["kid"]
    plain = _grant(tenant, algorithm="ES256", header='{"kid": null, "typ": "JWT"}')["access_token"]
    stranger, impostor = (
        jwt.get_unverified_header(_grant(tenant, signed_by=signer)["access_token"])["kid"]
        for signer in ("stranger", "impostor")
    )
    assert jwt.get_unverified_header(plain) == {"alg": "ES256", "typ": "JWT"}
    assert (stranger != published, impostor) == (True, published)


def test_opaque_tokens_live_until_they_are_revoked(tenant: LocalTenant) -> None:
    """A client gets an opaque token, introspects it and revokes it over HTTP."""
    token = _grant(tenant, token_format="opaque", scope="orders:read")["access_token"]
    answer = _post(tenant, "introspection", {"token": token, "token_type_hint": "access_token"})
    assert (answer.status_code, answer.json()["scope"]) == (200, "orders:read")
    revoked = _post(tenant, "revocation", {"token": token})
    assert (revoked.status_code, revoked.content) == (200, b"")
    assert _post(tenant, "introspection", {"token": token}).json() == {"active": False}


def test_revoking_an_unknown_token(tenant: LocalTenant) -> None:
    """Revoking an unknown token succeeds (RFC 7009 section 2.2)."""
    assert _post(tenant, "revocation", {"token": "unknown"}).status_code == 200


@pytest.mark.parametrize("presented", [True, False])
def test_tokens_are_bound_to_the_certificate_in_tls(tls_tenant: LocalTenant, presented: bool) -> None:
    """A token from the endpoint for mutual TLS is bound to the certificate (RFC 8705 section 3)."""
    certificate = tls_tenant.authority().issue_client("alice")
    fields = {"grant_type": "client_credentials"}
    url, cert = tls_tenant.metadata()["mtls_endpoint_aliases"]["token_endpoint"], certificate.paths
    if not presented:  # with the parameter the result is the same
        fields["certificate"] = certificate.pem
        url, cert = tls_tenant.token_endpoint, None  # type: ignore[assignment]
    response = requests.post(url, fields, auth=AUTH, cert=cert, verify=tls_tenant.ca_bundle, timeout=10)
    assert claims_of(response.json()["access_token"])["cnf"] == {"x5t#S256": certificate.thumbprint}


@pytest.mark.parametrize(
    ("endpoint", "fields", "error", "description"),
    [
        ("token", {"scope": "a"}, "unsupported_grant_type", "grant_type must be client_credentials"),
        (
            "token",
            {"grant_type": "password"},
            "unsupported_grant_type",
            "grant_type must be client_credentials",
        ),
        ("introspection", {"scope": "a"}, "invalid_request", "token is missing"),
        ("revocation", {"token": ""}, "invalid_request", "token is missing"),
        (
            "introspection",
            [("token", "a"), ("token", "b")],
            "invalid_request",
            "a parameter is repeated",
        ),
    ],
)
def test_requests_are_refused_as_in_rfc_6749(
    tenant: LocalTenant, endpoint: str, fields: Any, error: str, description: str
) -> None:
    """The body has the error code and says what is expected (RFC 6749 section 5.2)."""
    response = _post(tenant, endpoint, fields)
    assert response.headers["Cache-Control"] == "no-store"
    assert (response.status_code, response.json()) == (
        400,
        {"error": error, "error_description": description},
    )


@pytest.mark.parametrize(
    ("fields", "description"),
    [
        ({"token_format": "saml"}, "token_format must be jwt or opaque"),
        ({"lifetime_seconds": "long"}, "lifetime_seconds must be a number"),
        ({"lifetime_seconds": "inf"}, "lifetime_seconds must be a number"),
        ({"starts_in_seconds": ""}, "starts_in_seconds must be a number"),
        ({"claims": "[]"}, "claims must be a JSON object"),
        ({"header": "{"}, "header must be a JSON object"),
        ({"algorithm": "RS256"}, "this tenant signs with ES256"),
        ({"signed_by": "friend"}, "signed_by must be tenant, stranger or impostor, or a SigningKey"),
        ({"certificate": "PEM"}, "a certificate must be PEM or DER"),
    ],
)
def test_invalid_parameters_are_refused(
    tenant: LocalTenant, fields: dict[str, str], description: str
) -> None:
    """The error says what is expected."""
    response = _post(tenant, "token", {"grant_type": "client_credentials", **fields})
    assert (response.status_code, response.json()) == (
        400,
        {"error": "invalid_request", "error_description": description},
    )


def test_other_content_types_are_refused(tenant: LocalTenant) -> None:
    """Endpoints accept forms only."""
    response = _post(
        tenant, "introspection", json.dumps({"token": "a"}), headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_a_huge_request_is_refused(tenant: LocalTenant) -> None:
    """A form beyond the maximum size is not read."""
    assert _post(tenant, "introspection", {"token": "a" * 2_000_000}).status_code == 413
