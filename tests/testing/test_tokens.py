"""Tokens issued by a tenant, checked with PyJWT and joserfc."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from joserfc import jws
from joserfc.errors import BadSignatureError, InvalidKeyIdError
from joserfc.jwk import KeySet

from monocloud_mw.jose import SIGNATURE_ALGORITHMS, SigningKey
from monocloud_mw.testing._tenant.certificates import CertificateAuthority
from monocloud_mw.testing._tenant.keys import KeyRing, Signer
from monocloud_mw.testing._tenant.tokens import AccessTokenParameters, Issuer

from .conftest import claims_of

NOW = 1_800_000_000
SIGNATURE_ONLY: jwt.types.Options = {"verify_aud": False, "verify_iat": False, "verify_nbf": False}
ISSUER = "http://127.0.0.1:8080"
AUDIENCE = "https://api.example.com"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW + 0.9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return the issuer's clock."""
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> Issuer:
    """Return an issuer that signs with ES256."""
    return _issuer(clock)


def _issuer(clock: Callable[[], float], **changes: Any) -> Issuer:
    settings: dict[str, Any] = {
        "url": ISSUER,
        "audience": AUDIENCE,
        "client_id": "local-client",
        "keys": KeyRing(["ES256"]),
        "clock": clock,
    }
    return Issuer(**(settings | changes))


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
# joserfc verifies every algorithm that it supports; ML-DSA is too new for it.
@pytest.mark.parametrize(
    "algorithm", [name for name in SIGNATURE_ALGORITHMS if not name.startswith("ML-DSA")]
)
def test_joserfc_verifies_what_is_minted(algorithm: str) -> None:
    """The signature is valid under the published key, for every algorithm."""
    issuer = _issuer(Clock(), keys=KeyRing([algorithm]))
    key_set = KeySet.import_key_set(json.loads(json.dumps(issuer.keys.published())))
    verified = jws.deserialize_compact(issuer.mint({}), key_set, algorithms=[algorithm])
    assert verified.headers() == {"typ": "at+jwt", "alg": algorithm, "kid": issuer.keys.key().key_id}


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_pyjwt_accepts_what_is_minted(algorithm: str) -> None:
    """A token minted without parameters passes all of PyJWT's checks."""
    issuer = _issuer(time.time, keys=KeyRing([algorithm]))
    key = jwt.PyJWKSet.from_dict(issuer.keys.published()).keys[0]
    claims = jwt.decode(
        issuer.mint({}),
        key,
        algorithms=[algorithm],
        audience=AUDIENCE,
        issuer=ISSUER,
        options={"require": ["exp", "nbf", "iat", "iss", "aud", "sub", "jti"]},
    )
    assert claims["sub"] == "local-user"


def test_a_token_has_the_claims_of_rfc_9068(issuer: Issuer) -> None:
    """A token minted without parameters has subject, audience and lifetime, and no empty claim."""
    claims = claims_of(issuer.mint({}))
    assert len(claims.pop("jti")) == 43
    assert claims == {
        "iss": ISSUER,
        "sub": "local-user",
        "aud": AUDIENCE,
        "client_id": "local-client",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 3600,
    }


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"scopes": "orders:read orders:write"}, {"scope": "orders:read orders:write"}),
        ({"scopes": ["orders:read", "orders:write"]}, {"scope": "orders:read orders:write"}),
        ({"groups": ["a", {"id": "1", "name": "b"}]}, {"groups": ["a", {"id": "1", "name": "b"}]}),
        ({"audience": "https://other.example"}, {"aud": "https://other.example"}),
        ({"audience": ("a", "b")}, {"aud": ["a", "b"]}),
        ({"subject": "alice", "client_id": "shop"}, {"sub": "alice", "client_id": "shop"}),
        ({"lifetime_seconds": 60}, {"iat": NOW, "nbf": NOW, "exp": NOW + 60}),
        ({"lifetime_seconds": -60}, {"iat": NOW - 60, "nbf": NOW - 60, "exp": NOW - 60}),
        ({"starts_in_seconds": 60}, {"iat": NOW, "nbf": NOW + 60, "exp": NOW + 3660}),
        ({"lifetime_seconds": 0.5}, {"exp": NOW + 0.5}),
        ({"claims": {"iss": "é", "x": [1, {"y": True}]}}, {"iss": "é", "x": [1, {"y": True}]}),
        ({"groups": ["a"], "claims": {"groups": "b"}}, {"groups": "b"}),
    ],
)
def test_parameters_become_claims(
    issuer: Issuer, parameters: AccessTokenParameters, expected: Mapping[str, Any]
) -> None:
    """Each parameter sets its claim in JWTs and in introspection."""
    assert expected.items() <= claims_of(issuer.mint(parameters)).items()


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "client_id", "iat", "nbf", "exp", "jti"])
def test_a_claim_can_be_left_out(issuer: Issuer, name: str) -> None:
    """``None`` removes any claim."""
    assert name not in claims_of(issuer.mint({"claims": {name: None}}))


def test_every_token_has_an_id_of_its_own(issuer: Issuer) -> None:
    """No two tokens have the same ID."""
    assert claims_of(issuer.mint({}))["jti"] != claims_of(issuer.mint({}))["jti"]


def test_a_token_is_bound_to_a_certificate(issuer: Issuer, tmp_path: Path) -> None:
    """The thumbprint is the same for PEM and DER, text and bytes."""
    certificate = CertificateAuthority(tmp_path).issue_client("alice")
    expected = {"x5t#S256": certificate.thumbprint}
    for form in (certificate.pem, certificate.pem.encode(), certificate.der):
        assert claims_of(issuer.mint({"certificate": form}))["cnf"] == expected


def test_the_header_can_be_changed(issuer: Issuer) -> None:
    """Parameters are added, replaced and removed; the others are those of the key."""
    token = issuer.mint({}, header={"typ": "dpop+jwt", "kid": None, "jku": "https://evil.example"})
    assert jwt.get_unverified_header(token) == {
        "typ": "dpop+jwt",
        "alg": "ES256",
        "jku": "https://evil.example",
    }


@pytest.mark.parametrize(
    ("signer", "error"), [("stranger", InvalidKeyIdError), ("impostor", BadSignatureError)]
)
def test_tokens_signed_by_other_keys(issuer: Issuer, signer: Signer, error: type[Exception]) -> None:
    """A stranger's key is not in the key set; an impostor's has a known key ID and fails to verify."""
    key_set = KeySet.import_key_set(json.loads(json.dumps(issuer.keys.published())))
    with pytest.raises(error):
        jws.deserialize_compact(issuer.mint({}, signed_by=signer), key_set, algorithms=["ES256"])


def test_a_given_key_signs(issuer: Issuer) -> None:
    """Any key can sign, also with an algorithm that no tenant would use."""
    token = issuer.mint(
        {}, signed_by=SigningKey.from_secret("a secret of one's own, long enough", key_id="own")
    )
    assert jwt.get_unverified_header(token) == {"typ": "at+jwt", "alg": "HS256", "kid": "own"}
    assert jwt.decode(
        token, "a secret of one's own, long enough", algorithms=["HS256"], options=SIGNATURE_ONLY
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"groups": "admin"}, "groups must be a list"),
        ({"certificate": "not a certificate"}, "a certificate must be PEM or DER"),
    ],
)
def test_invalid_parameters_are_refused(
    issuer: Issuer, parameters: AccessTokenParameters, message: str
) -> None:
    """A mistake in a test is reported where it is made."""
    with pytest.raises(ValueError, match=message):
        issuer.mint(parameters)


def test_introspection_knows_an_opaque_token(issuer: Issuer) -> None:
    """An opaque token has no content; introspection returns its claims (RFC 7662 section 2.2)."""
    token = issuer.mint_opaque({"scopes": "orders:read", "groups": ["admin"]})
    answer = issuer.introspect(token)
    assert len(token) == 43
    assert len(answer.pop("jti")) == 43
    assert answer == {
        "active": True,
        "token_type": "Bearer",
        "iss": ISSUER,
        "sub": "local-user",
        "aud": AUDIENCE,
        "client_id": "local-client",
        "scope": "orders:read",
        "groups": ["admin"],
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 3600,
    }


def test_introspection_knows_a_jwt(issuer: Issuer) -> None:
    """A JWT of this tenant can be introspected, also after its key was withdrawn."""
    token = issuer.mint({})
    issuer.keys.rotate()
    assert issuer.introspect(token) == {"active": True, "token_type": "Bearer", **claims_of(token)}


@pytest.mark.parametrize("opaque", [True, False])
def test_a_token_is_active_from_nbf_until_exp(clock: Clock, issuer: Issuer, opaque: bool) -> None:
    """A token is active from ``nbf`` until ``exp``, to the second."""
    parameters: AccessTokenParameters = {"starts_in_seconds": 10, "lifetime_seconds": 10}
    token = issuer.mint_opaque(parameters) if opaque else issuer.mint(parameters)
    active = []
    for clock.now in (NOW + 9.9, NOW + 10, NOW + 19.9, NOW + 20):
        active.append(issuer.introspect(token)["active"])
    assert active == [False, True, True, False]


def test_inactive_tokens_are_all_alike(clock: Clock, issuer: Issuer) -> None:
    """Unknown, expired, revoked, foreign and withdrawn tokens get the same response without details."""
    revoked, opaque = issuer.mint({}), issuer.mint_opaque({})
    issuer.revoke(revoked)
    issuer.revoke(opaque)
    withdrawn = issuer.mint({})
    issuer.keys.rotate(withdraw=True)
    tokens = [
        "unknown",
        "a.b.c",
        revoked,
        opaque,
        withdrawn,
        issuer.mint({}, signed_by="stranger"),
        issuer.mint({}, signed_by="impostor"),
        issuer.mint({"claims": {"iss": "https://other.example"}}),
        issuer.mint_opaque({"lifetime_seconds": -1}),
    ]
    assert [issuer.introspect(token) for token in tokens] == [{"active": False}] * len(tokens)


def test_a_token_without_limits_stays_active(issuer: Issuer) -> None:
    """Introspection accepts tokens without ``exp``; a limit that is not a number is ignored."""
    assert issuer.introspect(issuer.mint_opaque({"claims": {"exp": None, "nbf": "now"}}))["active"] is True


def test_introspection_can_know_opaque_tokens_only(clock: Clock) -> None:
    """Like some tenants, it can treat every JWT as inactive."""
    issuer = _issuer(clock, introspects_jwts=False)
    assert issuer.introspect(issuer.mint({})) == {"active": False}
    assert issuer.introspect(issuer.mint_opaque({}))["active"] is True
