"""Signing keys: every accepted format, every refusal, and no secret in an error."""

from __future__ import annotations

import copy
import json
import math
import pickle
from typing import Any

import attrs
import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.jose import (
    SIGNATURE_ALGORITHMS,
    SigningKey,
    base64url,
    sign_compact,
    signing,
    verify_compact,
)
from monocloud_mw.jose.signing import SYMMETRIC_ALGORITHMS

from .samples import ALGORITHMS, JSON_VALUES, PAYLOAD, encoded_number, key, key_set

OCT = {"kty": "oct", "k": base64url.encode(b"a shared secret")}
SECRET_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "priv", "k")

FORMATS = serialization.PrivateFormat


def _private_jwk(algorithm: str, **changes: Any) -> dict[str, Any]:
    """Return the private JWK of an algorithm, without ``alg`` but for AKP; ``None`` takes a member out."""
    signing_key = key(algorithm)
    secret, members = signing_key.key, signing_key.public_jwk()
    if members["kty"] != "AKP":
        del members["alg"]
    if members["kty"] == "RSA":
        numbers = secret.private_numbers()
        members |= {name: encoded_number(getattr(numbers, name)) for name in ("d", "p", "q")}
    elif members["kty"] == "EC":
        size = (secret.curve.key_size + 7) // 8
        members["d"] = base64url.encode(secret.private_numbers().private_value.to_bytes(size, "big"))
    else:
        members["priv" if members["kty"] == "AKP" else "d"] = base64url.encode(secret.private_bytes_raw())
    return {name: value for name, value in {**members, **changes}.items() if value is not None}


def _pem(secret: Any, form: Any = FORMATS.PKCS8, password: bytes | None = None) -> str:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return str(secret.private_bytes(serialization.Encoding.PEM, form, encryption).decode())


def _verifies(signing_key: SigningKey, published: SigningKey) -> bool:
    """Tell whether the public key of one verifies what the other signs."""
    return verify_compact(sign_compact(PAYLOAD, signing_key), key_set(published)).payload == PAYLOAD


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_generated_keys(algorithm: str) -> None:
    """Each algorithm gives a new key each time, whose public key verifies its signatures."""
    made = SigningKey.generate(algorithm) if algorithm[:2] not in ("RS", "PS") else key(algorithm, None)
    assert (algorithm, None, False) == (made.algorithm, made.key_id, made.is_symmetric)
    assert made.public_jwk()["alg"] == algorithm
    assert made.public_jwk()["use"] == "sig"
    assert "kid" not in made.public_jwk()
    assert not set(SECRET_MEMBERS) & made.public_jwk().keys()
    assert _verifies(made, made)


@pytest.mark.parametrize("algorithm", ["HS256", "none", "", "rs256"])
def test_nothing_to_generate(algorithm: str) -> None:
    """Only the algorithms of the table have private keys."""
    with pytest.raises(ValueError, match="unsupported algorithm"):
        SigningKey.generate(algorithm)


def test_algorithms_that_the_library_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some builds of ``cryptography`` lack an algorithm, and the error says so."""

    def fail() -> Any:
        raise UnsupportedAlgorithm("not here")

    row = attrs.evolve(SIGNATURE_ALGORITHMS["Ed448"], generate=fail)
    monkeypatch.setattr(signing, "SIGNATURE_ALGORITHMS", {"Ed448": row})
    with pytest.raises(ValueError, match="installed cryptography does not support Ed448"):
        SigningKey.generate("Ed448")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_private_jwks(algorithm: str) -> None:
    """A private JWK of each type is read and its public key verifies its signatures."""
    read = SigningKey.from_jwk(_private_jwk(algorithm), algorithm)
    assert (algorithm, "key") == (read.algorithm, read.key_id)
    assert _verifies(read, key(algorithm))


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("RS256", "RS256"),
        ("ES256", "ES256"),
        ("ES384", "ES384"),
        ("ES512", "ES512"),
        ("Ed25519", "EdDSA"),
        ("Ed448", "EdDSA"),
    ],
)
def test_the_usual_algorithm_of_a_kind(algorithm: str, expected: str) -> None:
    """A key that names no algorithm signs with the usual one of its kind, as a JWK and as PEM."""
    assert expected == SigningKey.from_jwk(_private_jwk(algorithm)).algorithm
    assert expected == SigningKey.from_pem(_pem(key(algorithm).key)).algorithm


@pytest.mark.parametrize(
    ("algorithm", "own", "asked", "expected"),
    [
        ("RS256", "PS384", None, "PS384"),
        ("RS256", "PS384", "PS384", "PS384"),
        ("RS256", None, "PS512", "PS512"),
        ("Ed25519", "Ed25519", "EdDSA", "EdDSA"),
        ("Ed25519", "EdDSA", "Ed25519", "Ed25519"),
    ],
)
def test_the_algorithm_of_a_jwk(algorithm: str, own: str | None, asked: str | None, expected: str) -> None:
    """The algorithm is the one asked for, or else the one the JWK names."""
    assert expected == SigningKey.from_jwk(_private_jwk(algorithm, alg=own), asked).algorithm


def test_rsa_keys_without_primes() -> None:
    """An RSA JWK may hold ``d`` alone (RFC 7518 section 6.3.2); the primes are found again."""
    read = SigningKey.from_jwk(_private_jwk("RS256", p=None, q=None))
    assert _verifies(read, key("RS256"))


def test_members_without_a_value_are_absent() -> None:
    """``null``, an empty ``key_ops`` and an empty ``oth`` say nothing about a private key either."""
    nothing: dict[str, Any] = {"use": None, "key_ops": [], "oth": [], "kid": None, "alg": None}
    read = SigningKey.from_jwk({**_private_jwk("ES256"), **nothing})
    assert (read.algorithm, read.key_id) == ("ES256", None)


@pytest.mark.parametrize(
    "changes", [{"key_ops": ["sign"]}, {"key_ops": ["sign", "verify"]}, {"use": "sig"}, {}]
)
def test_purposes_that_pass(changes: dict[str, Any]) -> None:
    """A JWK that is not restricted to another purpose can sign."""
    assert SigningKey.from_jwk(_private_jwk("ES256", **changes))
    assert SigningKey.from_jwk({**OCT, **changes})


@pytest.mark.parametrize(
    ("members", "asked", "expected"),
    [
        ([], None, "it is not an object"),
        (None, None, "it is not an object"),
        ("{}", None, "it is not an object"),
        ({}, None, "its kty is 'None', not one of oct, RSA, EC, OKP, AKP"),
        ({"kty": "rsa"}, None, "its kty is 'rsa', not one of oct, RSA, EC, OKP, AKP"),
        ({"kty": ["RSA"]}, None, "its kty is not a string"),
        (_private_jwk("ES256", kid=1), None, "its kid is not a string"),
        (_private_jwk("ES256", alg=["ES256"]), None, "its alg is not a string"),
        (_private_jwk("ES256", use="enc"), None, "its use is 'enc', not 'sig'"),
        (_private_jwk("ES256", key_ops=["verify"]), None, "its key_ops do not contain sign"),
        (_private_jwk("ES256", d=None), None, "it is a public key; a private key is needed"),
        ({**_private_jwk("ES256"), "d": None}, None, "it is a public key; a private key is needed"),
        (_private_jwk("ES256", alg="HS256"), None, "its alg 'HS256' does not verify signatures"),
        (_private_jwk("ES256"), "HS256", "it does not match the algorithm 'HS256'"),
        (_private_jwk("ES256"), "ES384", "it does not match the algorithm 'ES384'"),
        (_private_jwk("ES256", alg="ES256"), "ES512", "it does not match the algorithm 'ES512'"),
        (_private_jwk("RS256", alg="RS256"), "PS256", "it does not match the algorithm 'PS256'"),
        (_private_jwk("ES256", d="!"), None, "its d is missing or not base64url"),
        (_private_jwk("ES256", d=[1]), None, "its d is not a string"),
        (_private_jwk("ES256", d="AA"), None, "its parameters are not those of a valid EC key"),
        (
            _private_jwk("ES256", d=base64url.encode(b"\1" * 32)),
            None,
            "its parameters are not those of a valid EC key",
        ),
        (_private_jwk("ES256", crv="P-384"), None, "its x and y do not have 48 octets each"),
        (_private_jwk("ES256", crv=None), None, "its crv is 'None', not one of P-256, P-384, P-521"),
        (_private_jwk("Ed25519", x=None), None, "its x is missing or not base64url"),
        (
            _private_jwk("Ed25519", d=base64url.encode(bytes(32))),
            None,
            "its private and public parts do not match",
        ),
        (
            _private_jwk("Ed25519", d=base64url.encode(bytes(31))),
            None,
            "its parameters are not those of a valid OKP key",
        ),
        (_private_jwk("RS256", q=None), None, "its q is missing or not base64url"),
        *(
            (
                _private_jwk("RS256", p=encoded_number(p)),
                None,
                "its parameters are not those of a valid RSA key",
            )
            for p in (0, 1, 2, 65537)
        ),
        (_private_jwk("RS256", d=encoded_number(3)), None, "its parameters are not those of a valid RSA key"),
        (
            _private_jwk("RS256", d=encoded_number(3), p=None, q=None),
            None,
            "its parameters are not those of a valid RSA key",
        ),
        (
            _private_jwk("RS256", n=encoded_number(2**1024 + 1)),
            None,
            "its modulus has 1025 bits; 2048 to 8192 are allowed",
        ),
        ({"kty": "oct"}, None, "its k is missing or not base64url"),
        ({**OCT, "k": "="}, None, "its k is missing or not base64url"),
        ({**OCT, "alg": "HS512"}, "HS256", "its alg is 'HS512', not 'HS256'"),
        ({**OCT, "use": "enc"}, None, "its use is 'enc', not 'sig'"),
    ],
)
def test_jwks_that_cannot_sign(members: Any, asked: str | None, expected: str) -> None:
    """A JWK that cannot sign is refused with the reason."""
    with pytest.raises(ValueError) as caught:
        SigningKey.from_jwk(members, asked)
    assert f"the JWK cannot sign: {expected}" == str(caught.value)


@pytest.mark.parametrize(
    ("algorithm", "form"),
    [
        *((algorithm, FORMATS.PKCS8) for algorithm in ALGORITHMS),
        ("RS256", FORMATS.TraditionalOpenSSL),  # PKCS #1
        ("ES256", FORMATS.TraditionalOpenSSL),  # SEC 1
    ],
)
def test_pem_keys(algorithm: str, form: Any) -> None:
    """PEM of each kind and format is read, surrounding white space or not."""
    text = _pem(key(algorithm).key, form)
    for variant in (text, f"\n  {text}\n\n"):
        read = SigningKey.from_pem(variant, algorithm, "key")
        assert (algorithm, "key") == (read.algorithm, read.key_id)
        assert _verifies(read, key(algorithm))


@pytest.mark.parametrize(
    ("text", "algorithm", "expected"),
    [
        ("", None, "it is not a valid PEM private key"),
        ("a secret", None, "it is not a valid PEM private key"),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", None,
            "it is not a valid PEM private key",
        ),
        ("\ud800", None, "it is not a valid PEM private key"),
        (_pem(key("ES256").key, password=b"x"), None, "the PEM private key is encrypted"),
        (
            _pem(key("RS256").key, FORMATS.TraditionalOpenSSL, b"x"),
            None,
            "the PEM private key is encrypted",
        ),
        (_pem(key("ES256").key), "RS256", "cannot sign: it does not match the algorithm 'RS256'"),
        (_pem(key("RS256").key), "HS256", "cannot sign: it does not match the algorithm 'HS256'"),
        (_pem(key("RS256").key), "none", "cannot sign: it does not match the algorithm 'none'"),
        *(
            (_pem(secret), algorithm, "cannot sign: no supported algorithm uses a key of this type")
            for secret in (
                dsa.generate_private_key(1024),
                ec.generate_private_key(ec.SECP256K1()),
                x25519.X25519PrivateKey.generate(),
            )
            for algorithm in (None, "ES256")
        ),
        (_pem(rsa.generate_private_key(65537, 1024)), None, "cannot sign: its modulus has 1024 bits"),
        (
            key("ES256").key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ).decode(),
            None,
            "it is not a valid PEM private key",
        ),
    ],
)  # fmt: skip
def test_pem_that_cannot_sign(text: str, algorithm: str | None, expected: str) -> None:
    """PEM that is encrypted, no private key, or none for the algorithm is refused with the reason."""
    with pytest.raises(ValueError) as caught:
        SigningKey.from_pem(text, algorithm)
    assert expected in str(caught.value)


@pytest.mark.parametrize("algorithm", SYMMETRIC_ALGORITHMS)
def test_shared_secrets(algorithm: str) -> None:
    """Text stands for its UTF-8 bytes, and an ``oct`` JWK for the bytes in it: all sign the same."""
    expected = sign_compact(PAYLOAD, SigningKey.from_secret("Zoë's secret", algorithm))
    encoded = base64url.encode("Zoë's secret".encode())
    for other in (
        SigningKey.from_secret("Zoë's secret".encode(), algorithm),
        SigningKey.from_jwk({"kty": "oct", "k": encoded, "alg": algorithm}),
        SigningKey.from_jwk({"kty": "oct", "k": encoded}, algorithm),
    ):
        assert other.is_symmetric
        assert expected == sign_compact(PAYLOAD, other)


def test_the_usual_algorithm_of_secrets() -> None:
    """A secret without an algorithm signs with HS256."""
    assert SigningKey.from_secret("secret").algorithm == "HS256"
    assert SigningKey.from_jwk({**OCT, "kid": "k"}) == SigningKey(algorithm="HS256", key_id="k", key=b"")


@pytest.mark.parametrize(
    ("secret", "algorithm", "expected"),
    [
        ("", "HS256", "a shared secret must not be empty"),
        (b"", "HS512", "a shared secret must not be empty"),
        ("s3cr3t\udc80", "HS256", "a shared secret must be bytes or valid Unicode"),
        ("x", "RS256", "unsupported algorithm 'RS256' for a shared secret; supported: HS256, HS384, HS512"),
        ("x", "none", "unsupported algorithm 'none' for a shared secret; supported: HS256, HS384, HS512"),
    ],
)
def test_secrets_that_cannot_sign(secret: str | bytes, algorithm: str, expected: str) -> None:
    """An empty secret, or an algorithm with private keys, is refused."""
    with pytest.raises(ValueError) as caught:
        SigningKey.from_secret(secret, algorithm)
    assert expected == str(caught.value)


def test_symmetric_keys_are_not_published() -> None:
    """A secret has no public key."""
    with pytest.raises(ValueError, match="no public key"):
        SigningKey.from_secret("secret").public_jwk()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_repr_of_a_key_is_redacted(algorithm: str) -> None:
    """The repr has algorithm and key ID and no key material."""
    assert repr(key(algorithm)) == f"SigningKey(algorithm='{algorithm}', key_id='key')"
    assert repr(SigningKey.from_secret("s3cr3t")) == "SigningKey(algorithm='HS256', key_id=None)"


def test_headers_and_payloads() -> None:
    """``alg`` and ``kid`` come from the key; more parameters follow, and ``None`` takes one out."""
    signing_key = key("ES256")
    for header, expected in (
        ({}, {"alg": "ES256", "kid": "key"}),
        ({"typ": "JWT"}, {"alg": "ES256", "kid": "key", "typ": "JWT"}),
        ({"kid": None}, {"alg": "ES256"}),
        ({"kid": "other"}, {"alg": "ES256", "kid": "other"}),
    ):
        token = sign_compact({"name": "Zoë", "list": [1]}, signing_key, header)
        first, second, _ = map(base64url.decode, token.split("."))
        assert list(expected.items()) == list(json.loads(first).items())
        assert second.decode() == '{"name":"Zoë","list":[1]}'
    assert "kid" not in json.loads(base64url.decode(sign_compact(b"", key("ES256", None)).split(".")[0]))


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800"])
def test_payloads_that_are_no_json(value: Any) -> None:
    """Values that are not strict JSON are not signed."""
    with pytest.raises(ValueError):
        sign_compact({"value": value}, key("ES256"))


@given(st.data())
def test_any_value_in_any_member(data: st.DataObject) -> None:
    """A member of any JSON type makes a key or a ``ValueError``, which tells nothing of the private parts."""
    members = data.draw(
        st.sampled_from([OCT, *map(_private_jwk, ("RS256", "ES256", "Ed25519", ALGORITHMS[-1]))])
    )
    name = data.draw(st.sampled_from([*members, "key_ops", "alg"]))
    changed = {**members, name: data.draw(JSON_VALUES | st.text("ABCDwxyz0189-_=", max_size=12))}
    try:
        SigningKey.from_jwk(changed)
    except ValueError as error:
        shown = str(error) + repr(error.__cause__)
    else:
        shown = ""
    secrets = [members[secret] for secret in SECRET_MEMBERS if secret in members]
    assert not any(secret in shown for secret in secrets)


@given(
    st.text() | st.text("ABC=+/\n-").map("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----".format)
)
def test_any_text_as_pem(text: str) -> None:
    """No text raises anything but ``ValueError``."""
    with pytest.raises(ValueError, match="PEM private key"):
        SigningKey.from_pem(text)


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, *SYMMETRIC_ALGORITHMS])
def test_a_key_is_copied_and_pickled(algorithm: str) -> None:
    """The copy signs as the key does."""
    symmetric = algorithm in SYMMETRIC_ALGORITHMS
    original = SigningKey.from_secret("secret", algorithm, "key") if symmetric else key(algorithm)
    for copied in copy.copy(original), copy.deepcopy(original), pickle.loads(pickle.dumps(original)):
        assert copied == original
        if symmetric:
            assert copied.key == original.key
        else:
            assert _verifies(copied, original)
