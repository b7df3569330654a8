"""The examples of the RFCs, checked with this package and with PyJWT."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from monocloud_mw.errors import Reason
from monocloud_mw.jose import (
    SIGNATURE_ALGORITHMS,
    KeySet,
    SigningKey,
    base64url,
    sign_compact,
    verify_compact,
)
from monocloud_mw.jose.jwk import ML_DSA

from .samples import PAYLOAD, key_set, reason_of, vectors

SIGNATURES = vectors("signatures")
PRIVATE_MEMBERS = {"d", "p", "q"}


def _name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def _algorithm(compact: str) -> str:
    return str(jwt.get_unverified_header(compact)["alg"])


def _public(jwk: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name not in PRIVATE_MEMBERS}


@pytest.mark.parametrize("vector", SIGNATURES, ids=_name)
def test_example_signatures(vector: dict[str, Any]) -> None:
    """Each published signature verifies, or is refused where its algorithm is none for access tokens."""
    keys = key_set(*([_public(vector["key"])] if vector["key"] else []))
    if "refused" in vector:
        assert reason_of(verify_compact, vector["compact"], keys) is Reason(vector["refused"])
    else:
        assert vector["payload"].encode() == verify_compact(vector["compact"], keys).payload


@pytest.mark.parametrize("vector", [v for v in SIGNATURES if v["key"]], ids=_name)
def test_example_signatures_are_what_they_say(vector: dict[str, Any]) -> None:
    """PyJWT accepts each published signature, so the files hold what the RFCs hold."""
    algorithm = _algorithm(vector["compact"])
    key = jwt.PyJWK({**_public(vector["key"]), "alg": algorithm})
    payload = jwt.api_jws.decode(vector["compact"], key, algorithms=[algorithm])
    assert vector["payload"].encode() == payload


@pytest.mark.parametrize("vector", [v for v in SIGNATURES if v.get("reproducible")], ids=_name)
def test_signing_makes_the_example(vector: dict[str, Any]) -> None:
    """Where a signature holds no chance and the header no white space, ours is the same to the byte."""
    key = SigningKey.from_jwk(vector["key"], _algorithm(vector["compact"]))
    assert vector["compact"] == sign_compact(vector["payload"].encode(), key)


@pytest.mark.parametrize("vector", vectors("thumbprints"), ids=_name)
def test_example_thumbprints(vector: dict[str, Any]) -> None:
    """The thumbprint of each published key is the published one."""
    (key,) = key_set(vector["key"])
    assert vector["thumbprint"] == key.thumbprint


@pytest.mark.parametrize("vector", vectors("key_sets"), ids=_name)
def test_example_key_sets(vector: dict[str, Any]) -> None:
    """Of each published key set exactly the keys that verify signatures are used."""
    keys = KeySet.from_dict(vector["key_set"])
    assert vector["usable"] == [key.key_id for key in keys]
    assert tuple(vector["skipped"]) == keys.skipped


@pytest.mark.skipif("ML-DSA-44" not in SIGNATURE_ALGORITHMS, reason="cryptography is too old for ML-DSA")
@pytest.mark.parametrize("vector", vectors("private_keys"), ids=_name)
def test_example_seeds(vector: dict[str, Any]) -> None:
    """A published ML-DSA seed leads to the published public key and thumbprint."""
    algorithm = vector["algorithm"]
    private_key = ML_DSA[algorithm][1].from_seed_bytes(base64url.decode(vector["priv"]))
    pub = base64url.encode(private_key.public_key().public_bytes_raw())
    jwk = {"kty": "AKP", "alg": algorithm, "pub": pub, "priv": vector["priv"]}
    key = SigningKey.from_jwk(jwk)
    (public,) = key_set(key)
    assert pub.startswith(vector["pub_start"])
    assert pub.endswith(vector["pub_end"])
    assert vector["thumbprint"] == public.thumbprint
    assert verify_compact(sign_compact(PAYLOAD, key), key_set(key)).payload == PAYLOAD
