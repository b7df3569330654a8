"""The clients registered at the provider: one for each way to authenticate, and the callers of the API.

An *API client* is the API's own account at the provider, with which it introspects; a *caller* is what asks
for access tokens. :func:`authenticate` is a second, independent implementation of client authentication (on
``joserfc``), with which the tests show what the provider accepts and what it refuses.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus

import attrs
from joserfc import jwk, jwt

from .certificates import Authority, ClientCertificate
from .keys import ALGORITHMS, generate_jwk

__all__ = [
    "ASSERTION_ALGORITHMS",
    "AUTHENTICATIONS",
    "CALLER",
    "CERTIFICATE_BOUND_CALLER",
    "CIBA",
    "Client",
    "authenticate",
    "create_clients",
    "impersonate",
]

JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CIBA: Final = "urn:openid:params:grant-type:ciba"
CALLER: Final = "caller"
CERTIFICATE_BOUND_CALLER: Final = "certificate-bound-caller"

ASSERTION_ALGORITHMS: Final = {
    "client_secret_jwt": ("HS256", "HS384", "HS512"),
    "private_key_jwt": ALGORITHMS,
}
# Every way in which an API client can authenticate, by the name of the client that does it.
AUTHENTICATIONS: Final = (
    "client_secret_basic",
    "client_secret_post",
    *(f"{method} {algorithm}" for method, names in ASSERTION_ALGORITHMS.items() for algorithm in names),
    "tls_client_auth",
    "self_signed_tls_client_auth",
)


@attrs.frozen(kw_only=True)
class Client:
    """A client of the provider: what the provider knows of it, and how it proves who it is.

    ``secret`` is plain text or a JWK with its ``alg``; it is also what goes into the option of that name.
    """

    client_id: str
    method: str
    secret: str | Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    certificate: ClientCertificate | None = None
    registration: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    @property
    def settings(self) -> dict[str, Any]:
        """The options of a ``BackendClient`` that authenticates as this client."""
        settings = {
            "client_id": self.client_id,
            "client_auth_method": self.method,
            "client_secret": self.secret,
            "mtls_certificate": self.certificate and self.certificate.paths,
        }
        return {name: value for name, value in settings.items() if value is not None}

    @property
    def metadata(self) -> dict[str, Any]:
        """The client's metadata (RFC 7591 section 2) as the provider is given them."""
        return {
            "client_id": self.client_id,
            "token_endpoint_auth_method": self.method,
            "grant_types": ["client_credentials"],
            "redirect_uris": [],
            "response_types": [],
            **({"client_secret": self.secret} if isinstance(self.secret, str) else {}),
            **self.registration,
        }


def authenticate(client: Client, audience: str) -> dict[str, Any]:
    """Return what authenticates the client in a request besides its certificate: headers and form data."""
    arguments: dict[str, Any] = {"headers": {}, "data": {}}
    match client.method:
        case "client_secret_basic":
            pair = f"{quote_plus(client.client_id)}:{quote_plus(str(client.secret))}"
            arguments["headers"]["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        case "client_secret_post":
            arguments["data"] = {"client_id": client.client_id, "client_secret": client.secret}
        case "client_secret_jwt" | "private_key_jwt":
            assertion = _sign_assertion(client, audience)
            arguments["data"] = {"client_assertion": assertion, "client_assertion_type": JWT_BEARER}
        case "tls_client_auth" | "self_signed_tls_client_auth":
            arguments["data"] = {"client_id": client.client_id}
    return arguments


def impersonate(client: Client, authority: Authority) -> Client:
    """Return the client with another secret, key or certificate."""
    if client.method == "tls_client_auth":
        return attrs.evolve(client, certificate=authority.issue_client("impostor"))
    if client.method == "self_signed_tls_client_auth":
        return attrs.evolve(client, certificate=authority.self_sign_client("impostor"))
    if isinstance(client.secret, str):
        return attrs.evolve(client, secret=secrets.token_urlsafe(64))
    assert client.secret
    if client.secret["kty"] == "oct":
        return attrs.evolve(client, secret={**client.secret, "k": secrets.token_urlsafe(64)})
    algorithm = client.secret["alg"]
    return attrs.evolve(client, secret=generate_jwk(algorithm, kid=client.secret["kid"], alg=algorithm))


def _sign_assertion(client: Client, audience: str) -> str:
    if isinstance(client.secret, str):
        key: jwk.Key = jwk.OctKey.import_key(client.secret)
        algorithm = "HS256"
    else:
        assert client.secret
        key, algorithm = jwk.import_key(dict(client.secret)), client.secret["alg"]
    now = int(time.time())
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": audience,
        "jti": secrets.token_urlsafe(),
        "iat": now,
        "exp": now + 60,
    }
    return jwt.encode({"alg": algorithm}, claims, key, algorithms=[algorithm])


def create_clients(authority: Authority) -> dict[str, Client]:
    """Create every client anew, with fresh keys and certificates, by name."""
    return {
        # Only the right encoding brings these across whole: RFC 6749 section 2.3.1 wants id and secret
        # form-encoded before they go into Basic, and %41 shows a double decoding.
        "client_secret_basic": Client(
            client_id="orders api:basic+%41~",
            method="client_secret_basic",
            secret="p@ss:word %41+&=/?\"'~",
        ),
        "client_secret_post": Client(
            client_id="orders api&post+%41", method="client_secret_post", secret="p@ss&word=%41+ \"'~"
        ),
        **{
            f"{name} {alg}": _assertion_client(name, alg)
            for name, algs in ASSERTION_ALGORITHMS.items()
            for alg in algs
        },
        "tls_client_auth": _tls_client(authority.issue_client("tls-api")),
        "self_signed_tls_client_auth": _self_signed_tls_client(
            authority.self_sign_client("self-signed-tls-api")
        ),
        CALLER: _caller(
            CALLER,
            grant_types=["client_credentials", "refresh_token", CIBA],
            backchannel_token_delivery_mode="poll",
        ),
        CERTIFICATE_BOUND_CALLER: _caller(
            CERTIFICATE_BOUND_CALLER,
            certificate=authority.issue_client(CERTIFICATE_BOUND_CALLER),
            tls_client_certificate_bound_access_tokens=True,
        ),
    }


def _assertion_client(method: str, algorithm: str) -> Client:
    registration: dict[str, Any] = {"token_endpoint_auth_signing_alg": algorithm}
    secret: str | dict[str, Any]
    if method == "private_key_jwt":
        secret = generate_jwk(algorithm, kid=f"key of {algorithm}", alg=algorithm)
        registration["jwks"] = {"keys": [jwk.import_key(secret).as_dict(private=False)]}
    else:
        text = registration["client_secret"] = secrets.token_urlsafe(64)
        encoded = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
        secret = text if algorithm == "HS256" else {"kty": "oct", "k": encoded, "alg": algorithm}
    return Client(
        client_id=f"{method}-{algorithm}".lower(), method=method, secret=secret, registration=registration
    )


def _tls_client(certificate: ClientCertificate) -> Client:
    return Client(
        client_id="tls-api",
        method="tls_client_auth",
        certificate=certificate,
        registration={"tls_client_auth_subject_dn": certificate.subject},
    )


def _self_signed_tls_client(certificate: ClientCertificate) -> Client:
    return Client(
        client_id="self-signed-tls-api",
        method="self_signed_tls_client_auth",
        certificate=certificate,
        registration={"jwks": {"keys": [certificate.public_jwk]}},
    )


def _caller(client_id: str, *, certificate: ClientCertificate | None = None, **registration: Any) -> Client:
    return Client(
        client_id=client_id,
        method="client_secret_post",
        secret=secrets.token_urlsafe(),
        certificate=certificate,
        registration=registration,
    )
