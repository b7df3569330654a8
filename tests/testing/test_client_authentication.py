"""Every client authentication method over real HTTP and TLS: accepted, or refused with a reason.

The requests are built here, with PyJWT for the assertions, so that tenant and client of this package cannot
agree on a mistake.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote_plus

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from monocloud_mw.testing import Client, ClientCertificate, LocalTenant

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_SPIFFE = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"

# Characters that need the right encoding: RFC 6749 section 2.3.1 has client ID and secret form-encoded in
# Basic, and %41 reveals a double decoding.
AWKWARD_ID, AWKWARD_SECRET = "orders api:basic+%41~é", "p@ss:word %41+&=/?\"'~é"


# The time for all tests of this module and for their tenants, since minutes may pass between them.
NOW = int(time.time())


@pytest.fixture
def tenant() -> Iterator[LocalTenant]:
    """Return a tenant with a fixed clock."""
    with LocalTenant(algorithms=["ES256"], clock=lambda: NOW) as tenant:
        yield tenant


@pytest.fixture(scope="module")
def tls_tenant() -> Iterator[LocalTenant]:
    """Return a tenant under TLS with an additional trust store and a fixed clock."""
    with LocalTenant(tls=True, algorithms=["ES256"], trust_stores=["partners"], clock=lambda: NOW) as tenant:
        yield tenant


def _introspect(
    tenant: LocalTenant,
    fields: dict[str, str],
    *,
    certificate: ClientCertificate | None = None,
    trust_store: str | None = None,
    headers: dict[str, str] | None = None,
    mutual_tls: bool | None = None,
) -> requests.Response:
    """Introspect a token, at the endpoint for mutual TLS if there is a certificate."""
    metadata = tenant.metadata()
    place = metadata
    if mutual_tls if mutual_tls is not None else certificate is not None:
        place = metadata["mtls_endpoint_aliases"]
    if trust_store is not None:
        place = metadata["mtls_additional_endpoint_aliases"][trust_store]
    return requests.post(
        place["introspection_endpoint"],
        data={"token": tenant.mint_opaque(), **fields},
        headers=headers,
        cert=None if certificate is None else certificate.paths,
        verify=tenant.ca_bundle if tenant.domain.startswith("https") else None,
        timeout=10,
    )


def _assert_accepted(response: requests.Response) -> None:
    assert (response.status_code, response.json().get("active")) == (200, True), response.text


def _assert_refused(response: requests.Response, description: str) -> None:
    assert (response.status_code, response.json()) == (
        401,
        {"error": "invalid_client", "error_description": description},
    )


def _basic(client_id: str, secret: str) -> dict[str, str]:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _claims(tenant: LocalTenant, client_id: str, **changes: Any) -> dict[str, Any]:
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": tenant.domain,
        "jti": secrets.token_urlsafe(),
        "iat": NOW,
        "exp": NOW + 60,
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


def _assertion(assertion: str, kind: str = JWT_BEARER) -> dict[str, str]:
    return {"client_assertion": assertion, "client_assertion_type": kind}


# Secrets


@pytest.mark.parametrize("secret", ["plain", AWKWARD_SECRET])
def test_client_secret_basic(tenant: LocalTenant, secret: str) -> None:
    """Client ID and secret are form-encoded in Basic."""
    tenant.register_client(AWKWARD_ID, "client_secret_basic", secret=secret)
    _assert_accepted(_introspect(tenant, {}, headers=_basic(AWKWARD_ID, secret)))


def test_client_secret_basic_must_be_form_encoded(tenant: LocalTenant) -> None:
    """A value that is not form-encoded is another secret; the error has a Basic challenge (RFC 6749
    section 5.2).
    """
    tenant.register_client("api", "client_secret_basic", secret="a+b%41")
    pair = base64.b64encode(b"api:a+b%41").decode()
    response = _introspect(tenant, {}, headers={"Authorization": f"Basic {pair}"})
    _assert_refused(response, "the client secret is wrong")
    assert response.headers["WWW-Authenticate"] == 'Basic realm="local tenant"'


@pytest.mark.parametrize("secret", ["plain", AWKWARD_SECRET])
def test_client_secret_post(tenant: LocalTenant, secret: str) -> None:
    """Client ID and secret are form fields."""
    tenant.register_client(AWKWARD_ID, "client_secret_post", secret=secret)
    _assert_accepted(_introspect(tenant, {"client_id": AWKWARD_ID, "client_secret": secret}))


@pytest.mark.parametrize(
    ("fields", "description"),
    [
        ({}, "no client authentication was presented"),
        ({"client_id": "api"}, "no client authentication was presented"),
        ({"client_id": "api", "client_secret": "wrong"}, "the client secret is wrong"),
        ({"client_id": "api", "client_secret": ""}, "the client secret is wrong"),
        ({"client_id": "other", "client_secret": "right"}, "unknown client_id"),
        ({"client_secret": "right"}, "unknown client_id"),
        (
            {"client_id": "other", "client_assertion": "x", "client_assertion_type": JWT_BEARER},
            "unknown client_id",
        ),
    ],
)
def test_wrong_secrets(tenant: LocalTenant, fields: dict[str, str], description: str) -> None:
    """The error says what is wrong, and has a Basic challenge only if Basic was used."""
    tenant.register_client("api", "client_secret_post", secret="right")
    response = _introspect(tenant, fields)
    _assert_refused(response, description)
    assert "WWW-Authenticate" not in response.headers


def test_the_default_client_uses_basic_or_post(tenant: LocalTenant) -> None:
    """The tenant's default client accepts both methods, for curl and for code."""
    client = tenant.client
    assert client.secret is not None
    _assert_accepted(_introspect(tenant, {}, headers=_basic(client.client_id, client.secret)))
    _assert_accepted(_introspect(tenant, {"client_id": client.client_id, "client_secret": client.secret}))


@pytest.mark.parametrize(
    ("registered", "used"),
    [("client_secret_basic", "post"), ("client_secret_post", "basic"), ("client_secret_jwt", "post")],
)
def test_only_the_registered_method_is_accepted(tenant: LocalTenant, registered: str, used: str) -> None:
    """The right secret in another place is refused."""
    tenant.register_client("api", registered, secret="right")
    if used == "basic":
        response = _introspect(tenant, {}, headers=_basic("api", "right"))
    else:
        response = _introspect(tenant, {"client_id": "api", "client_secret": "right"})
    _assert_refused(response, f"this client must use {registered}")


def test_one_authentication_at_a_time(tenant: LocalTenant) -> None:
    """More than one method is an error (RFC 6749 section 2.3)."""
    response = _introspect(
        tenant, {"client_id": "api", "client_secret": "right"}, headers=_basic("api", "right")
    )
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("header", "description"),
    [
        ("Bearer abc", "the Authorization header is not Basic"),
        ("Basic", "the Authorization header is not Basic"),
        ("Basic !!!", "the Authorization header is not Basic"),
        ("Basic YQ==", "the Authorization header is not Basic"),
        ("Basic /zo=", "the Authorization header is not Basic"),
        ("basic YTpi", "unknown client_id"),
    ],
)
def test_headers_that_are_not_basic(tenant: LocalTenant, header: str, description: str) -> None:
    """An Authorization header that cannot be parsed is no authentication."""
    _assert_refused(_introspect(tenant, {}, headers={"Authorization": header}), description)


def test_client_id_must_agree(tenant: LocalTenant) -> None:
    """A form field with another client ID than Basic is refused."""
    tenant.register_client("api", "client_secret_basic", secret="right")
    _assert_refused(
        _introspect(tenant, {"client_id": "other"}, headers=_basic("api", "right")),
        "client_id differs from the authenticated client",
    )


# Assertions

KEYS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS384": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def _jwks(algorithm: str, key: Any) -> dict[str, Any]:
    public = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key())
    return {"keys": [{**json.loads(public), "kid": "1"}]}


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_client_secret_jwt(tenant: LocalTenant, algorithm: str) -> None:
    """An assertion may be signed with the shared secret."""
    client = tenant.register_client("api", "client_secret_jwt")
    assert client.secret is not None
    assertion = jwt.encode(_claims(tenant, "api"), client.secret, algorithm)
    _assert_accepted(_introspect(tenant, _assertion(assertion)))


@pytest.mark.parametrize("algorithm", KEYS)
def test_private_key_jwt(tenant: LocalTenant, algorithm: str) -> None:
    """An assertion may be signed with the private key of a registered public key."""
    key = KEYS[algorithm]()
    tenant.register_client("api", "private_key_jwt", jwks=_jwks(algorithm, key))
    assertion = jwt.encode(_claims(tenant, "api"), key, algorithm, headers={"kid": "1"})
    _assert_accepted(_introspect(tenant, {"client_id": "api", **_assertion(assertion)}))


@pytest.mark.parametrize("method", ["client_secret_jwt", "private_key_jwt"])
def test_forged_assertions(tenant: LocalTenant, method: str) -> None:
    """A wrong key, a changed message, another algorithm and a malformed JWT are refused."""
    client = tenant.register_client("api", method, secret=secrets.token_urlsafe(64))
    symmetric = method == "client_secret_jwt"
    refusals = {}
    for case, assertion in {
        "HS256": jwt.encode(_claims(tenant, "api"), secrets.token_urlsafe(64), "HS256"),
        "ES256": jwt.encode(_claims(tenant, "api"), KEYS["ES256"](), "ES256"),
        "none": jwt.encode(_claims(tenant, "api"), "", "none"),
        "no JWT": "abc",
        "more parts": "a.b.c.d",
    }.items():
        response = _introspect(tenant, {"client_id": client.client_id, **_assertion(assertion)})
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
        refusals[case] = response.json()["error_description"]
    alg = "alg of the assertion must be one of HS256, HS384, HS512"
    assert refusals == (
        {
            "HS256": "the signature of the assertion is wrong",
            "ES256": alg,
            "none": alg,
            "no JWT": "the assertion is not a JWT",
            "more parts": "the assertion is not a JWT",
        }
        if symmetric
        else {
            "HS256": "the assertion was refused: unsupported_algorithm",
            "ES256": "the assertion was refused: bad_signature",
            "none": "the assertion was refused: unsupported_algorithm",
            "no JWT": "the assertion was refused: malformed",
            "more parts": "the assertion was refused: malformed",
        }
    )


@pytest.mark.parametrize(
    ("changes", "description"),
    [
        ({"iss": "other"}, "iss of the assertion is not the client"),
        ({"iss": None}, "iss of the assertion is not the client"),
        ({"sub": "other"}, "sub of the assertion is not the client"),
        ({"sub": 1}, "sub of the assertion is not the client"),
        ({"aud": "https://other.example"}, "aud of the assertion is not this tenant"),
        ({"aud": None}, "aud of the assertion is not this tenant"),
        ({"aud": []}, "aud of the assertion is not this tenant"),
        ({"aud": [1, {}]}, "aud of the assertion is not this tenant"),
        ({"aud": {}}, "aud of the assertion is not this tenant"),
        ({"exp": None}, "the assertion has expired, or has no exp"),
        ({"exp": NOW - 60}, "the assertion has expired, or has no exp"),
        ({"exp": NOW + 86400}, "exp of the assertion is too far in the future"),
        ({"exp": "soon"}, "exp of the assertion is not a number"),
        ({"exp": True}, "exp of the assertion is not a number"),
        ({"nbf": NOW + 600}, "nbf of the assertion is in the future"),
        ({"iat": NOW + 600}, "iat of the assertion is in the future"),
        ({"jti": None}, "the assertion has no jti"),
        ({"jti": ""}, "the assertion has no jti"),
        ({"jti": 1}, "the assertion has no jti"),
    ],
)
def test_claims_of_an_assertion(tenant: LocalTenant, changes: dict[str, Any], description: str) -> None:
    """Each claim is checked as in RFC 7523 section 3."""
    client = tenant.register_client("api", "client_secret_jwt")
    claims = {name: value for name, value in (_claims(tenant, "api") | changes).items() if value is not None}
    assertion = jwt.PyJWS().encode(json.dumps(claims).encode(), client.secret, "HS256")  # type: ignore[arg-type]
    _assert_refused(_introspect(tenant, {"client_id": "api", **_assertion(assertion)}), description)


def test_an_assertion_is_for_the_issuer_or_an_endpoint(tls_tenant: LocalTenant) -> None:
    """The issuer, the token endpoint and the introspection endpoint are accepted, alone or among others."""
    client = tls_tenant.register_client("audiences", "client_secret_jwt")
    assert client.secret is not None
    metadata = tls_tenant.metadata()
    for audience in (
        metadata["issuer"],
        metadata["token_endpoint"],
        metadata["introspection_endpoint"],
        metadata["mtls_endpoint_aliases"]["introspection_endpoint"],
        ["https://other.example", metadata["issuer"]],
    ):
        claims = _claims(tls_tenant, "audiences", aud=audience)
        assertion = jwt.encode(claims, client.secret, "HS256")
        _assert_accepted(_introspect(tls_tenant, _assertion(assertion)))


def test_an_assertion_is_accepted_once(tenant: LocalTenant) -> None:
    """A second use, or another assertion with the same ``jti``, is refused; another client may use that
    ``jti``.
    """
    secret = secrets.token_urlsafe(64)
    for client_id in ("api", "other"):
        tenant.register_client(client_id, "client_secret_jwt", secret=secret)

    def respond(client_id: str, **changes: Any) -> requests.Response:
        claims = _claims(tenant, client_id, jti="1", **changes)
        return _introspect(tenant, _assertion(jwt.encode(claims, secret, "HS256")))

    _assert_accepted(respond("api"))
    _assert_refused(respond("api"), "the assertion has been used before")
    _assert_refused(respond("api", exp=NOW + 600), "the assertion has been used before")
    _assert_accepted(respond("other"))


def test_the_type_of_an_assertion(tenant: LocalTenant) -> None:
    """A missing or unknown type, or that of another method, is refused."""
    client = tenant.register_client("api", "client_secret_jwt")
    assert client.secret is not None
    assertion = jwt.encode(_claims(tenant, "api"), client.secret, "HS256")
    _assert_refused(
        _introspect(tenant, {"client_assertion": assertion}), "the client_assertion_type is unknown"
    )
    _assert_refused(
        _introspect(tenant, _assertion(assertion, "saml")), "the client_assertion_type is unknown"
    )
    _assert_refused(
        _introspect(tenant, _assertion(assertion, JWT_SPIFFE)), "this client must use client_secret_jwt"
    )


def test_spiffe_jwt(tenant: LocalTenant) -> None:
    """An SVID of the trust domain is accepted repeatedly until it expires, with or without the client ID."""
    key, spiffe_id = KEYS["ES256"](), "spiffe://example.org/orders"
    tenant.register_client("api", "spiffe_jwt", spiffe_id=spiffe_id, jwks=_jwks("ES256", key))

    def respond(**changes: Any) -> requests.Response:
        claims = {"sub": spiffe_id, "aud": [tenant.domain], "exp": NOW + 300} | changes
        return _introspect(
            tenant, _assertion(jwt.encode(claims, key, "ES256", headers={"kid": "1"}), JWT_SPIFFE)
        )

    _assert_accepted(respond())
    _assert_accepted(respond())
    _assert_refused(respond(exp=NOW - 60), "the assertion has expired, or has no exp")
    _assert_refused(respond(aud=["https://other.example"]), "aud of the assertion is not this tenant")
    _assert_refused(respond(sub="spiffe://example.org/other"), "unknown client_id")


def test_an_svid_of_another_workload(tenant: LocalTenant) -> None:
    """An SVID of another client, or signed by an unknown key, is refused."""
    key = KEYS["ES256"]()
    tenant.register_client("api", "spiffe_jwt", spiffe_id="spiffe://example.org/a", jwks=_jwks("ES256", key))
    claims = {"sub": "spiffe://example.org/b", "aud": [tenant.domain], "exp": NOW + 300}
    for signer, description in (
        (key, "sub of the SVID is not the SPIFFE id of the client"),
        (KEYS["ES256"](), "the assertion was refused: bad_signature"),
    ):
        svid = jwt.encode(claims, signer, "ES256", headers={"kid": "1"})
        _assert_refused(
            _introspect(tenant, {"client_id": "api", **_assertion(svid, JWT_SPIFFE)}), description
        )


@pytest.mark.parametrize("assertion", ["", "abc", "a.b.c", "e30.e30.e30"])
def test_an_assertion_without_a_client(tenant: LocalTenant, assertion: str) -> None:
    """Without a client ID, the assertion must name the client."""
    response = _introspect(tenant, _assertion(assertion))
    _assert_refused(
        response, "unknown client_id" if assertion.startswith("e30") else "the assertion is not a JWT"
    )


# Certificates

TLS_METHODS = ["tls_client_auth", "self_signed_tls_client_auth", "spiffe_x509"]


@pytest.mark.parametrize("trust_store", [None, "partners"])
@pytest.mark.parametrize("method", TLS_METHODS)
def test_certificates(tls_tenant: LocalTenant, method: str, trust_store: str | None) -> None:
    """The certificate of the TLS connection authenticates the client, in each trust store."""
    client = tls_tenant.register_client(f"{method} {trust_store}", method, trust_store=trust_store)
    fields = {"client_id": client.client_id}
    _assert_accepted(_introspect(tls_tenant, fields, certificate=client.certificate, trust_store=trust_store))


def test_a_registered_certificate(tls_tenant: LocalTenant) -> None:
    """A client can be registered with its own certificate."""
    certificate = tls_tenant.authority().issue_client("somebody")
    client = tls_tenant.register_client("brings its own", "tls_client_auth", certificate=certificate)
    assert client.certificate == certificate
    _assert_accepted(_introspect(tls_tenant, {"client_id": client.client_id}, certificate=certificate))


@pytest.mark.parametrize("method", TLS_METHODS)
def test_a_certificate_is_needed(tls_tenant: LocalTenant, method: str) -> None:
    """Without a certificate the endpoint for mutual TLS returns an error."""
    tls_tenant.register_client(f"without {method}", method)
    _assert_refused(
        _introspect(tls_tenant, {"client_id": f"without {method}"}, mutual_tls=True),
        "no client certificate was presented",
    )


@pytest.mark.parametrize("method", TLS_METHODS)
def test_the_common_endpoint_ignores_certificates(tls_tenant: LocalTenant, method: str) -> None:
    """Certificates are only used at the endpoints for mutual TLS (RFC 8705 section 5)."""
    client = tls_tenant.register_client(f"common {method}", method)
    _assert_refused(
        _introspect(
            tls_tenant, {"client_id": client.client_id}, certificate=client.certificate, mutual_tls=False
        ),
        "no client authentication was presented",
    )


@pytest.mark.parametrize(
    ("method", "description"),
    [
        ("tls_client_auth", "the subject of the certificate is not the client's"),
        ("self_signed_tls_client_auth", "the certificate is not the one that is registered"),
        ("spiffe_x509", "the certificate is not an SVID"),
    ],
)
def test_the_certificate_of_another_client(tls_tenant: LocalTenant, method: str, description: str) -> None:
    """A certificate that TLS accepts but with another subject is refused."""
    tls_tenant.register_client("victim", method)
    other = tls_tenant.authority().issue_client("somebody else")
    _assert_refused(_introspect(tls_tenant, {"client_id": "victim"}, certificate=other), description)


def test_the_svid_of_another_workload(tls_tenant: LocalTenant) -> None:
    """An SVID of another workload is refused."""
    tls_tenant.register_client("workload", "spiffe_x509", spiffe_id="spiffe://example.org/a")
    other = tls_tenant.authority().issue_client("workload", spiffe_id="spiffe://example.org/b")
    _assert_refused(
        _introspect(tls_tenant, {"client_id": "workload"}, certificate=other),
        "the SPIFFE id of the certificate is not the client's",
    )


@pytest.mark.parametrize("method", ["tls_client_auth", "spiffe_x509"])
def test_a_self_signed_certificate_is_for_its_own_client(tls_tenant: LocalTenant, method: str) -> None:
    """TLS accepts it for its own client; with another client ID it is refused."""
    tls_tenant.register_client("target", method)
    own = tls_tenant.authority().self_sign_client("target")
    tls_tenant.register_client("self-signed", "self_signed_tls_client_auth", certificate=own)
    _assert_refused(
        _introspect(tls_tenant, {"client_id": "target"}, certificate=own),
        "the certificate is not from the authority of this trust store",
    )


def test_a_client_belongs_to_its_trust_store(tls_tenant: LocalTenant) -> None:
    """A client of one trust store is refused at another, with the certificate of either."""
    client = tls_tenant.register_client("common", "tls_client_auth")
    fields = {"client_id": "common"}
    foreign = tls_tenant.authority("partners").issue_client("common")
    _assert_refused(
        _introspect(tls_tenant, fields, certificate=foreign, trust_store="partners"),
        "this client belongs to another trust store",
    )
    with pytest.raises(requests.ConnectionError):
        _introspect(tls_tenant, fields, certificate=client.certificate, trust_store="partners")


def test_an_unknown_certificate_fails_the_handshake(tls_tenant: LocalTenant) -> None:
    """A self-signed certificate that is not registered fails the handshake."""
    unknown = tls_tenant.authority().self_sign_client("unknown")
    tls_tenant.register_client("unknown", "self_signed_tls_client_auth")
    with pytest.raises(requests.ConnectionError):
        _introspect(tls_tenant, {"client_id": "unknown"}, certificate=unknown)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_other_methods_work_over_mutual_tls(tls_tenant: LocalTenant, method: str) -> None:
    """A client with another method may present a certificate, for example to get a bound token."""
    client: Client = tls_tenant.register_client(f"over {method}", method)
    certificate = tls_tenant.authority().issue_client("somebody")
    fields, headers = {}, {}
    if method == "client_secret_basic":
        headers = _basic(client.client_id, client.secret or "")
    elif method == "client_secret_post":
        fields = {"client_id": client.client_id, "client_secret": client.secret or ""}
    else:
        key = client.settings["client_secret"]
        assertion = jwt.encode(
            _claims(tls_tenant, client.client_id), key.key, "ES256", headers={"kid": key.key_id}
        )
        fields = _assertion(assertion)
    _assert_accepted(_introspect(tls_tenant, fields, headers=headers, certificate=certificate))
