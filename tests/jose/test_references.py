"""Interoperability: independent implementations verify our signatures, and we verify theirs."""

from __future__ import annotations

import json

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from joserfc import jwk as joserfc_jwk
from joserfc import jws as joserfc_jws

from monocloud_mw.jose import SigningKey, sign_compact, verify_compact
from monocloud_mw.jose.signing import SYMMETRIC_ALGORITHMS

from .samples import ALGORITHMS, PAYLOAD, key, key_set

# PyJWT knows Edwards curves by the older name only, joserfc warns of it; neither has ML-DSA.
PYJWT = [name for name in ALGORITHMS if name not in ("Ed25519", "Ed448") and not name.startswith("ML-DSA")]
JOSERFC = [name for name in ALGORITHMS if name != "EdDSA" and not name.startswith("ML-DSA")]
SECRET = "a shared secret of sixty-four bytes, for that is what HS512 wants"


def _joserfc_key(signing_key: SigningKey, *, private: bool) -> joserfc_jwk.Key:
    jwk = signing_key.public_jwk()
    if not private:
        return joserfc_jwk.import_key(jwk)
    pem = signing_key.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    imported: joserfc_jwk.Key = joserfc_jwk.import_key(pem, jwk["kty"])
    return imported


@pytest.mark.parametrize("algorithm", PYJWT)
def test_pyjwt_verifies_ours(algorithm: str) -> None:
    """PyJWT accepts what we sign, with the public key as we publish it."""
    published = jwt.PyJWK(key(algorithm).public_jwk())
    token = sign_compact(PAYLOAD, key(algorithm))
    assert jwt.api_jws.decode(token, published, algorithms=[algorithm]) == PAYLOAD


@pytest.mark.parametrize("algorithm", PYJWT)
def test_we_verify_pyjwt(algorithm: str) -> None:
    """We accept what PyJWT signs."""
    token = jwt.encode({"sub": "Zoë"}, key(algorithm).key, algorithm, headers={"kid": "key"})
    verified = verify_compact(token, key_set(key(algorithm)))
    assert json.loads(verified.payload) == {"sub": "Zoë"}


@pytest.mark.parametrize("algorithm", JOSERFC)
def test_joserfc_verifies_ours(algorithm: str) -> None:
    """Joserfc accepts what we sign, with the public key as we publish it."""
    token = sign_compact(PAYLOAD, key(algorithm))
    message = joserfc_jws.deserialize_compact(
        token, _joserfc_key(key(algorithm), private=False), algorithms=[algorithm]
    )
    assert message.payload == PAYLOAD


@pytest.mark.parametrize("algorithm", JOSERFC)
def test_we_verify_joserfc(algorithm: str) -> None:
    """We accept what joserfc signs."""
    token = joserfc_jws.serialize_compact(
        {"alg": algorithm, "kid": "key"},
        PAYLOAD,
        _joserfc_key(key(algorithm), private=True),
        algorithms=[algorithm],
    )
    assert verify_compact(token, key_set(key(algorithm))).payload == PAYLOAD


@pytest.mark.parametrize("algorithm", [name for name in JOSERFC if not name.startswith("PS")])
def test_we_read_private_keys_of_joserfc(algorithm: str) -> None:
    """A private JWK that joserfc writes signs here as the key it is."""
    members = _joserfc_key(key(algorithm), private=True).as_dict(private=True)
    read = SigningKey.from_jwk(members, algorithm)
    assert verify_compact(sign_compact(PAYLOAD, read), key_set(key(algorithm))).payload == PAYLOAD


@pytest.mark.parametrize("algorithm", JOSERFC)
def test_thumbprints(algorithm: str) -> None:
    """Our thumbprints are those of joserfc."""
    (public,) = key_set(key(algorithm))
    assert _joserfc_key(key(algorithm), private=False).thumbprint() == public.thumbprint


@pytest.mark.parametrize("algorithm", SYMMETRIC_ALGORITHMS)
def test_pyjwt_verifies_our_secrets(algorithm: str) -> None:
    """PyJWT accepts assertions that we sign with a shared secret."""
    token = sign_compact(PAYLOAD, SigningKey.from_secret(SECRET, algorithm))
    assert jwt.api_jws.decode(token, SECRET, algorithms=[algorithm]) == PAYLOAD
