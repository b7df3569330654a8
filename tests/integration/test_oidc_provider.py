"""The OpenID provider really checks what the tests assume, verified with plain ``requests``.

A test of client authentication is only meaningful if the provider refuses a wrong secret, key or certificate.
These tests also record special behaviour of this provider.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest
import requests

from .oidc_provider.clients import (
    AUTHENTICATIONS,
    CALLER,
    CERTIFICATE_BOUND_CALLER,
    authenticate,
    impersonate,
)
from .oidc_provider.keys import ALGORITHMS, generate_key_set
from .oidc_provider.provider import AUDIENCE, SCOPES, OidcProvider

# joserfc says so of the name that RFC 9864 replaces; it is still the one in use.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:EdDSA is deprecated")]


def _get(oidc_provider: OidcProvider, path: str) -> requests.Response:
    return requests.get(oidc_provider.issuer + path, verify=oidc_provider.ca_bundle, timeout=30)


@pytest.mark.parametrize("name", AUTHENTICATIONS)
def test_client_introspects_an_opaque_token(oidc_provider: OidcProvider, name: str) -> None:
    """Every registered way to authenticate opens the introspection endpoint."""
    response = oidc_provider.introspect(oidc_provider.clients[name], oidc_provider.obtain())
    claims = response.json()
    assert response.status_code == 200
    assert claims["active"] is True
    assert claims["iss"] == oidc_provider.issuer
    assert claims["aud"] == AUDIENCE
    assert claims["client_id"] == CALLER
    assert claims["scope"] == " ".join(SCOPES)


@pytest.mark.parametrize("name", AUTHENTICATIONS)
def test_impostor_is_refused(oidc_provider: OidcProvider, name: str) -> None:
    """The same client with another secret, key or certificate is refused."""
    impostor = impersonate(oidc_provider.clients[name], oidc_provider.authority)
    response = oidc_provider.introspect(impostor, oidc_provider.obtain())
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_basic_must_be_form_encoded(oidc_provider: OidcProvider) -> None:
    """Id and secret that go into Basic as they are do not arrive as they are (RFC 6749 section 2.3.1)."""
    client = oidc_provider.clients["client_secret_basic"]
    pair = base64.b64encode(f"{client.client_id}:{client.secret}".encode()).decode()
    response = requests.post(
        f"{oidc_provider.issuer}/introspection",
        {"token": oidc_provider.obtain()},
        headers={"Authorization": f"Basic {pair}"},
        verify=oidc_provider.ca_bundle,
        timeout=30,
    )
    assert response.status_code in (400, 401)


@pytest.mark.parametrize("name", ["tls_client_auth", "self_signed_tls_client_auth"])
def test_certificate_counts_at_the_alias_only(oidc_provider: OidcProvider, name: str) -> None:
    """The ordinary endpoint asks for no certificate, so a client that goes there is refused."""
    client = oidc_provider.clients[name]
    assert client.certificate
    response = requests.post(
        f"{oidc_provider.issuer}/introspection",
        {"token": oidc_provider.obtain(), "client_id": client.client_id},
        cert=client.certificate.paths,
        verify=oidc_provider.ca_bundle,
        timeout=30,
    )
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("name", ["client_secret_jwt HS256", "private_key_jwt ES256"])
def test_assertion_counts_once(oidc_provider: OidcProvider, name: str) -> None:
    """A client assertion whose ``jti`` was used is refused (RFC 7523 section 3)."""
    form = authenticate(oidc_provider.clients[name], oidc_provider.issuer)["data"]
    statuses = [
        requests.post(
            f"{oidc_provider.issuer}/introspection",
            {"token": "unknown", **form},
            verify=oidc_provider.ca_bundle,
            timeout=30,
        ).status_code
        for _ in range(2)
    ]
    assert statuses == [200, 401]


def test_discovery_names_the_aliases(oidc_provider: OidcProvider) -> None:
    """The discovery document has an introspection endpoint for certificates beside the ordinary one."""
    document = _get(oidc_provider, "/.well-known/openid-configuration").json()
    assert document["issuer"] == oidc_provider.issuer
    assert document["introspection_endpoint"] == f"{oidc_provider.issuer}/introspection"
    aliases = document["mtls_endpoint_aliases"]
    assert aliases["introspection_endpoint"] == f"{oidc_provider.mtls}/introspection"


def test_key_set_has_keys_without_alg_and_no_lifetime(oidc_provider: OidcProvider) -> None:
    """A key that serves several algorithms names none, and no header says how long the set is good for."""
    response = _get(oidc_provider, "/jwks")
    assert {key["kty"] for key in response.json()["keys"] if "alg" not in key} == {"RSA", "OKP"}
    assert "Cache-Control" not in response.headers


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_jwt_is_not_introspected(oidc_provider: OidcProvider, algorithm: str) -> None:
    """The provider issues JWTs by every algorithm, and sees no use in introspecting them."""
    token = oidc_provider.obtain(algorithm)
    assert token.count(".") == 2
    response = oidc_provider.introspect(oidc_provider.clients["client_secret_post"], token)
    assert (response.status_code, response.json()["error"]) == (400, "unsupported_token_type")


def _introspected(oidc_provider: OidcProvider, token: str) -> dict[str, Any]:
    claims: dict[str, Any] = oidc_provider.introspect(
        oidc_provider.clients["client_secret_post"], token
    ).json()
    return claims


def test_token_of_a_client_has_no_subject(oidc_provider: OidcProvider) -> None:
    """Introspection names a subject for the token of a person and none for that of a client."""
    assert "sub" not in _introspected(oidc_provider, oidc_provider.obtain())
    assert _introspected(oidc_provider, oidc_provider.sign_in("ann").access_token)["sub"] == "ann"


def test_refresh_token_is_active_without_audience(oidc_provider: OidcProvider) -> None:
    """A refresh token introspects as active, so that only its lack of an audience gives it away."""
    claims = _introspected(oidc_provider, oidc_provider.sign_in("ann").refresh_token)
    assert claims["active"] is True
    assert "aud" not in claims


def test_token_is_bound_to_the_certificate_of_its_caller(oidc_provider: OidcProvider) -> None:
    """The token of a caller that presented a certificate carries its thumbprint (RFC 8705 section 3)."""
    certificate = oidc_provider.clients[CERTIFICATE_BOUND_CALLER].certificate
    assert certificate
    claims = _introspected(oidc_provider, oidc_provider.obtain(caller=CERTIFICATE_BOUND_CALLER))
    assert claims["cnf"] == {"x5t#S256": certificate.thumbprint}


def test_revoked_token_is_inactive(oidc_provider: OidcProvider) -> None:
    """Nothing but ``active`` is said of a revoked token (RFC 7662 section 2.2)."""
    token = oidc_provider.obtain()
    oidc_provider.revoke(token)
    assert _introspected(oidc_provider, token) == {"active": False}


def test_keys_are_replaced(rotating_oidc_provider: OidcProvider) -> None:
    """After a rotation, the key set holds the new keys only."""
    keys = generate_key_set("second")
    rotating_oidc_provider.replace_keys(keys)
    published = _get(rotating_oidc_provider, "/jwks").json()["keys"]
    assert [key["kid"] for key in published] == [key["kid"] for key in keys["keys"]]
    assert all("d" not in key for key in published)
