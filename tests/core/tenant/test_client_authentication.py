"""Every client authentication method: the exact request, verified with another implementation."""

from __future__ import annotations

import base64
from typing import Any, Final
from urllib.parse import unquote_plus

import jwt
import pytest

from monocloud_mw.core.effects import Call, Failure, Instant
from monocloud_mw.core.tenant.client_authentication import authenticate_client
from monocloud_mw.errors import ConfigurationError, HttpError, Problem
from monocloud_mw.jose import SigningKey
from monocloud_mw.options import Options
from monocloud_mw.options.client_authentication import CLIENT_AUTH_METHODS, ClientCredentials

from ..fake_driver import NOW, result_of, step
from ..keys import ES256, FIRST, RS256

ISSUER: Final = "https://acme.us.monocloud.com/"
CLIENT: Final[dict[str, Any]] = {
    "tenant_domain": "https://acme.us.monocloud.com",
    "audience": "api",
    "client_id": "client-1",
}
BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SPIFFE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"


def credentials_of(now: Instant = NOW, **settings: Any) -> ClientCredentials:
    """Authenticate without effects."""
    return result_of(authenticate_client(Options(**{**CLIENT, **settings}), ISSUER, now))


def test_every_method_of_the_options_has_a_row() -> None:
    """Only methods with a client certificate use mutual TLS."""
    assert {name: method.mutual_tls for name, method in CLIENT_AUTH_METHODS.items()} == {
        "client_secret_basic": False,
        "client_secret_post": False,
        "client_secret_jwt": False,
        "private_key_jwt": False,
        "tls_client_auth": True,
        "self_signed_tls_client_auth": True,
        "spiffe_jwt": False,
        "spiffe_x509": True,
    }


def test_client_secret_post() -> None:
    """The default method sends both in the body (RFC 6749 section 2.3.1)."""
    credentials = credentials_of(client_secret="s3cr3t & more")
    assert credentials.fields == {"client_id": "client-1", "client_secret": "s3cr3t & more"}
    assert credentials.headers == {}


@pytest.mark.parametrize(
    ("client_id", "secret", "pair"),
    [
        ("client-1", "secret", "client-1:secret"),
        ("a:b", "c:d", "a%3Ab:c%3Ad"),
        ("a b", "p%q+r/s=t&\u00fc", "a+b:p%25q%2Br%2Fs%3Dt%26%C3%BC"),
    ],
)
def test_client_secret_basic(client_id: str, secret: str, pair: str) -> None:
    """Both are form-encoded before they are joined, so any character is allowed (RFC 6749 section 2.3.1)."""
    credentials = credentials_of(
        client_auth_method="client_secret_basic", client_id=client_id, client_secret=secret
    )
    scheme, _, encoded = credentials.headers["authorization"].partition(" ")
    decoded = base64.b64decode(encoded, validate=True).decode()
    assert (scheme, decoded) == ("Basic", pair)
    assert tuple(map(unquote_plus, decoded.split(":"))) == (client_id, secret)
    assert credentials.fields == {}


def claims_of(credentials: ClientCredentials, key: Any, algorithm: str, audience: str = ISSUER) -> Any:
    """Verify an assertion as a tenant would, with PyJWT, and return its header and claims."""
    assert dict(credentials.headers) == {}
    assert credentials.fields.keys() == {"client_id", "client_assertion_type", "client_assertion"}
    assert credentials.fields["client_id"] == "client-1"
    assert credentials.fields["client_assertion_type"] == BEARER
    verified = jwt.decode_complete(
        credentials.fields["client_assertion"],
        key,
        algorithms=[algorithm],
        audience=audience,
        options={"verify_exp": False, "verify_iat": False},
    )
    return verified["header"], verified["payload"]


@pytest.mark.parametrize(
    ("secret", "algorithm", "key"),
    [
        ("s" * 32, "HS256", b"s" * 32),
        ("\u00fc" * 32, "HS256", ("\u00fc" * 32).encode()),
        ({"kty": "oct", "k": "c3Nz" * 11, "alg": "HS256"}, "HS256", b"s" * 33),
        ({"kty": "oct", "k": "c3Nz" * 16, "alg": "HS384"}, "HS384", b"s" * 48),
        ({"kty": "oct", "k": "c3Nz" * 22, "alg": "HS512"}, "HS512", b"s" * 66),
    ],
)
def test_client_secret_jwt(secret: Any, algorithm: str, key: bytes) -> None:
    """A shared secret signs with HS256, or with the ``alg`` of an ``oct`` JWK (RFC 7523)."""
    credentials = credentials_of(client_auth_method="client_secret_jwt", client_secret=secret)
    header, _ = claims_of(credentials, key, algorithm)
    assert header == {"alg": algorithm, "typ": "JWT"}


@pytest.mark.parametrize(
    ("key", "key_id"),
    [
        (RS256, "rsa"),
        *((SigningKey(algorithm=name, key=RS256.key), None) for name in ("RS512", "PS256", "PS384")),
        (ES256, "ec"),
        (SigningKey.generate("ES512"), None),
        (FIRST, "first"),
    ],
    ids=lambda value: getattr(value, "algorithm", value),
)
def test_private_key_jwt(key: SigningKey, key_id: str | None) -> None:
    """A private key signs; its ``kid`` is in the header (RFC 7523)."""
    credentials = credentials_of(client_auth_method="private_key_jwt", client_secret=key)
    header, _ = claims_of(credentials, key.key.public_key(), key.algorithm)
    expected = {"alg": key.algorithm, "typ": "JWT"}
    assert header == (expected if key_id is None else {**expected, "kid": key_id})


ASSERTING: Final[dict[str, Any]] = {"client_auth_method": "private_key_jwt", "client_secret": FIRST}


def test_what_an_assertion_claims() -> None:
    """Issuer and subject are the client; the lifetime is one minute from now, in whole seconds (RFC 7523
    section 3).
    """
    credentials = credentials_of(Instant(1_700_000_000.9, 0.0), **ASSERTING)
    _, claims = claims_of(credentials, FIRST.key.public_key(), "EdDSA")
    identifier = claims.pop("jti")
    assert claims == {
        "iss": "client-1",
        "sub": "client-1",
        "aud": ISSUER,
        "iat": 1_700_000_000,
        "exp": 1_700_000_060,
    }
    assert len(identifier) >= 32


def test_the_clock_skew_counts_for_assertions() -> None:
    """The clock skew is added to the time in assertions."""
    _, claims = claims_of(credentials_of(**ASSERTING, clock_skew=30), FIRST.key.public_key(), "EdDSA")
    assert (claims["iat"], claims["exp"]) == (1_700_000_030, 1_700_000_090)


def test_an_assertion_is_used_once() -> None:
    """Each assertion has a new ``jti``, since a tenant refuses one that it has seen."""
    identifiers = set()
    for _ in range(50):
        _, claims = claims_of(credentials_of(**ASSERTING), FIRST.key.public_key(), "EdDSA")
        identifiers.add(claims["jti"])
    assert len(identifiers) == 50


def test_the_audience_of_assertions_may_be_another() -> None:
    """Some providers need the token endpoint as the audience."""
    audience = "https://acme.us.monocloud.com/connect/token"
    credentials = credentials_of(**ASSERTING, client_assertion_audience=audience)
    _, claims = claims_of(credentials, FIRST.key.public_key(), "EdDSA", audience)
    assert claims["aud"] == audience


@pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth", "spiffe_x509"])
def test_mutual_tls_sends_the_client_id(method: str) -> None:
    """The client sends only its ID; the certificate is presented in TLS (RFC 8705 section 2)."""
    credentials = credentials_of(client_auth_method=method, fetcher=print)
    assert credentials == ClientCredentials({"client_id": "client-1"}, {})


# -- SPIFFE: an identity that is renewed ------------------------------------------------------------------

SVID_FIELDS: Final = {
    "client_id": "client-1",
    "client_assertion_type": SPIFFE,
    "client_assertion": "header.payload.signature",
}


def test_spiffe_jwt() -> None:
    """The SVID is sent unchanged."""
    credentials = credentials_of(client_auth_method="spiffe_jwt", client_secret="header.payload.signature")
    assert credentials == ClientCredentials(SVID_FIELDS, {})


def current_svid() -> str:
    """Return a secret, as an application's callable would."""
    return "header.payload.signature"


RENEWED: Final = Options(**CLIENT, client_auth_method="spiffe_jwt", client_secret=current_svid)


def test_the_current_identity_is_asked_for() -> None:
    """The callable runs for every request, as an effect, since it may block."""
    flow = authenticate_client(RENEWED, ISSUER, NOW)
    assert step(flow) == Call(current_svid, "client_secret")
    assert result_of(flow, " header.payload.signature\n") == ClientCredentials(SVID_FIELDS, {})


@pytest.mark.parametrize("answer", [None, "", "  ", b"header.payload.signature", 5])
def test_an_identity_is_text(answer: Any) -> None:
    """A result that is not text is a configuration error."""
    flow = authenticate_client(RENEWED, ISSUER, NOW)
    step(flow)
    with pytest.raises(ConfigurationError) as caught:
        flow.send(answer)
    assert caught.value.problems == (
        Problem("client_secret", None, "the callable must return a non-empty string"),
    )


def test_a_failing_identity() -> None:
    """An error of the callable is raised as a copy."""
    flow = authenticate_client(RENEWED, ISSUER, NOW)
    step(flow)
    error = HttpError("the client_secret failed with OSError")
    with pytest.raises(HttpError, match="failed with OSError") as caught:
        flow.send(Failure(error))
    assert caught.value is not error


@pytest.mark.parametrize(
    "settings",
    [
        {"client_secret": "s3cr3t"},
        {"client_secret": "s3cr3t", "client_auth_method": "client_secret_basic"},
        {"client_secret": "s3cr3t", "client_auth_method": "spiffe_jwt"},
        ASSERTING,
    ],
)
def test_credentials_show_no_secret(settings: dict[str, Any]) -> None:
    """The repr of credentials has no secret."""
    assert repr(credentials_of(**settings)) == "ClientCredentials()"
