"""Parsing public keys: which are used or skipped, and which algorithms each one supports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.jose import SIGNATURE_ALGORITHMS, base64url
from monocloud_mw.jose.jwk import UnusableKeyError, parse_jwk, render_public_key

from .samples import ALGORITHMS, JSON_VALUES, encoded_number, key

POST_QUANTUM = [name for name in ALGORITHMS if SIGNATURE_ALGORITHMS[name].key_type == "AKP"]


def _jwk(algorithm: str, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the public JWK of an algorithm; a change to ``None`` takes a member out."""
    members = {**key(algorithm).public_jwk(), **(changes or {})}
    return {name: value for name, value in members.items() if value is not None}


def _why_not(members: Any) -> str | None:
    """Return why a key is skipped, ``None`` if it is not."""
    try:
        parse_jwk(members)
    except UnusableKeyError as error:
        return str(error)
    return None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_has_keys(algorithm: str) -> None:
    """A key of each algorithm is read, with what decides about its use."""
    jwk = parse_jwk(_jwk(algorithm))
    assert algorithm == jwk.algorithm
    assert jwk.key_id == "key"
    assert SIGNATURE_ALGORITHMS[algorithm].key_type == jwk.key_type
    assert _jwk(algorithm).get("crv") == jwk.curve
    assert jwk.supports(SIGNATURE_ALGORITHMS[algorithm])


@pytest.mark.parametrize(
    ("algorithm", "changes", "fitting"),
    [
        ("RS256", {"alg": None}, {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
        ("RS256", {}, {"RS256"}),
        ("RS256", {"alg": "PS512"}, {"PS512"}),
        ("ES256", {"alg": None}, {"ES256"}),
        ("ES384", {"alg": None}, {"ES384"}),
        ("ES512", {"alg": None}, {"ES512"}),
        ("Ed25519", {"alg": None}, {"EdDSA", "Ed25519"}),
        ("Ed25519", {"alg": "EdDSA"}, {"EdDSA", "Ed25519"}),
        ("Ed25519", {"alg": "Ed25519"}, {"EdDSA", "Ed25519"}),
        ("Ed448", {"alg": None}, {"EdDSA", "Ed448"}),
        ("Ed448", {"alg": "EdDSA"}, {"EdDSA", "Ed448"}),
        ("Ed448", {"alg": "Ed448"}, {"EdDSA", "Ed448"}),
        *((algorithm, {}, {algorithm}) for algorithm in POST_QUANTUM),
    ],
)
def test_which_algorithms_a_key_fits(algorithm: str, changes: dict[str, Any], fitting: set[str]) -> None:
    """A key supports the algorithms of its type and curve, or only the one that it names."""
    jwk = parse_jwk(_jwk(algorithm, changes))
    assert fitting == {name for name, row in SIGNATURE_ALGORITHMS.items() if jwk.supports(row)}


@pytest.mark.parametrize(
    "changes",
    [
        {"use": None},
        {"use": "sig"},
        {"key_ops": None},
        {"key_ops": ["verify"]},
        {"key_ops": ("sign", "verify")},
        {"kid": None},
        {"kid": ""},
        {"x5c": ["MII"], "x5t": 5, "x5u": "https://elsewhere.example", "ext": True, "exp": {}},
    ],
)
def test_used(changes: dict[str, Any]) -> None:
    """A key without a member that forbids it is used; unknown members are ignored."""
    assert _why_not(_jwk("RS256", changes)) is None


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
@pytest.mark.parametrize(
    "members",
    [
        *({name: None} for name in ("use", "key_ops", "alg", "kid", "x5c", "x5u", "x5t", "x5t#S256")),
        *({name: None} for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv")),
        *({name: []} for name in ("key_ops", "oth", "x5c")),
        *({name: ()} for name in ("key_ops", "oth", "x5c")),
        {"use": None, "key_ops": [], "d": None, "oth": [], "x5c": None, "alg": None, "kid": None},
    ],
)
def test_members_without_a_value_are_absent(algorithm: str, members: dict[str, Any]) -> None:
    """Several providers publish unused members as ``null`` or empty; these are ignored."""
    found = parse_jwk({**_jwk(algorithm), **members})
    absent = parse_jwk({name: value for name, value in _jwk(algorithm).items() if name not in members})
    assert found == absent


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"kty": None}, "it has no kty"),
        ({"n": None}, "its n is missing or not base64url"),
        ({"use": ""}, "its use is '', not 'sig'"),
        ({"use": []}, "its use is '[]', not 'sig'"),
        ({"use": 5}, "its use is '5', not 'sig'"),
        ({"use": False}, "its use is 'False', not 'sig'"),
        ({"key_ops": {}}, "its key_ops do not contain verify"),
        ({"key_ops": ""}, "its key_ops do not contain verify"),
        ({"key_ops": 0}, "its key_ops do not contain verify"),
        ({"key_ops": [None]}, "its key_ops do not contain verify"),
        ({"alg": ""}, "its alg '' does not verify signatures"),
        ({"alg": []}, "its alg is not a string"),
        ({"kid": []}, "its kid is not a string"),
        ({"kid": False}, "its kid is not a string"),
        ({"kid": "\ud800"}, "its kid is not valid Unicode"),
        ({"kty": "RSA\udfff"}, "its kty is not valid Unicode"),
        ({"d": ""}, "it is a private key"),
        ({"d": []}, "it is a private key"),
        ({"d": 0}, "it is a private key"),
        ({"oth": {}}, "it is a private key"),
        ({"oth": [None]}, "it is a private key"),
    ],
)
def test_members_of_a_wrong_type_are_not_absent(members: dict[str, Any], expected: str) -> None:
    """A member of a wrong type is not ignored."""
    assert expected == _why_not({**_jwk("RS256"), **members})


@pytest.mark.parametrize(
    ("algorithm", "changes", "expected"),
    [
        ("RS256", {"kty": None}, "it has no kty"),
        ("RS256", {"kty": "rsa"}, "its kty 'rsa' does not verify signatures"),
        ("RS256", {"kty": "oct", "k": "AAAA"}, "its kty 'oct' does not verify signatures"),
        ("RS256", {"kty": 1}, "its kty is not a string"),
        ("RS256", {"kty": ["RSA"]}, "its kty is not a string"),
        ("RS256", {"kid": 7}, "its kid is not a string"),
        ("RS256", {"alg": ["RS256"]}, "its alg is not a string"),
        ("RS256", {"alg": "HS256"}, "its alg 'HS256' does not verify signatures"),
        ("RS256", {"alg": "none"}, "its alg 'none' does not verify signatures"),
        ("RS256", {"alg": "RSA-OAEP"}, "its alg 'RSA-OAEP' does not verify signatures"),
        ("RS256", {"alg": "ES256"}, "its kty, crv and alg do not match"),
        ("RS256", {"use": "enc"}, "its use is 'enc', not 'sig'"),
        ("RS256", {"use": ["sig"]}, "its use is \"['sig']\", not 'sig'"),
        ("RS256", {"key_ops": ["sign"]}, "its key_ops do not contain verify"),
        ("RS256", {"key_ops": "verify"}, "its key_ops do not contain verify"),
        ("RS256", {"key_ops": {"verify": 1}}, "its key_ops do not contain verify"),
        *(
            ("RS256", {member: "AQAB"}, "it is a private key")
            for member in ("d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv")
        ),
        ("RS256", {"n": None}, "its n is missing or not base64url"),
        ("RS256", {"n": ""}, "its n is missing or not base64url"),
        ("RS256", {"n": "AQAB=="}, "its n is missing or not base64url"),
        ("RS256", {"n": 65537}, "its n is not a string"),
        ("RS256", {"n": [65, 65, 65, 65]}, "its n is not a string"),
        ("RS256", {"n": {}}, "its n is not a string"),
        ("RS256", {"n": encoded_number(2**2047 - 1)}, "its modulus has 2047 bits; 2048 to 8192 are allowed"),
        ("RS256", {"n": encoded_number(2**8192 + 1)}, "its modulus has 8193 bits; 2048 to 8192 are allowed"),
        ("RS256", {"e": None}, "its e is missing or not base64url"),
        *(
            ("RS256", {"e": encoded_number(e)}, "its parameters are not those of a valid RSA key")
            for e in (0, 1, 2, 65536)
        ),
        ("RS256", {"e": encoded_number(2**64 + 1)}, "its public exponent has more than 64 bits"),
        ("ES256", {"crv": None}, "its crv is 'None', not one of P-256, P-384, P-521"),
        ("ES256", {"crv": "secp256k1"}, "its crv is 'secp256k1', not one of P-256, P-384, P-521"),
        ("ES256", {"crv": "Ed25519"}, "its crv is 'Ed25519', not one of P-256, P-384, P-521"),
        ("ES256", {"crv": ["P-256"]}, "its crv is not a string"),
        ("ES256", {"crv": "P-384"}, "its x and y do not have 48 octets each"),
        ("ES256", {"x": base64url.encode(bytes(33))}, "its x and y do not have 32 octets each"),
        ("ES256", {"y": base64url.encode(bytes(31))}, "its x and y do not have 32 octets each"),
        ("ES256", {"y": base64url.encode(b"\1" * 32)}, "its parameters are not those of a valid EC key"),
        (
            "ES256",
            {"x": base64url.encode(bytes(32)), "y": base64url.encode(bytes(32))},
            "its parameters are not those of a valid EC key",
        ),
        ("ES256", {"alg": "ES384"}, "its kty, crv and alg do not match"),
        ("Ed25519", {"crv": "X25519"}, "its crv is 'X25519', not one of Ed25519, Ed448"),
        ("Ed25519", {"x": base64url.encode(bytes(31))}, "its parameters are not those of a valid OKP key"),
        ("Ed25519", {"crv": "Ed448"}, "its parameters are not those of a valid OKP key"),
        ("Ed25519", {"alg": "Ed448"}, "its kty, crv and alg do not match"),
        *(
            case
            for name in POST_QUANTUM
            for case in (
                (name, {"alg": None}, f"its alg is 'None', not one of {', '.join(POST_QUANTUM)}"),
                (name, {"alg": "EdDSA"}, f"its alg is 'EdDSA', not one of {', '.join(POST_QUANTUM)}"),
                (
                    name,
                    {"pub": base64url.encode(bytes(31))},
                    "its parameters are not those of a valid AKP key",
                ),
                (name, {"pub": None}, "its pub is missing or not base64url"),
            )
        ),
    ],
)
def test_skipped(algorithm: str, changes: dict[str, Any], expected: str) -> None:
    """An unusable key is skipped with a reason for developers."""
    assert expected == _why_not(_jwk(algorithm, changes))


@pytest.mark.parametrize("entry", [None, True, 1, "RSA", [], [["kty", "RSA"]], b"{}"])
def test_what_is_no_object_is_skipped(entry: Any) -> None:
    """An entry that is not an object is skipped like a key that cannot be used."""
    assert _why_not(entry) == "it is not an object"


def test_rsa_sizes_that_pass() -> None:
    """The bounds on sizes are inclusive: 2048 bits, and exponents from 3 on."""
    assert _why_not(_jwk("RS256", {"n": encoded_number(2**2047 + 1), "e": encoded_number(3)})) is None
    assert _why_not(_jwk("RS256", {"n": encoded_number(2**8191 + 1), "e": encoded_number(2**64 - 1)})) is None


def test_the_thumbprint_belongs_to_the_key() -> None:
    """The thumbprint depends on the key alone: not on other members, not on zeros before the modulus."""
    plain = parse_jwk(_jwk("RS256"))
    modulus = base64url.encode(b"\0" + base64url.decode(_jwk("RS256")["n"]))
    other = parse_jwk(_jwk("RS256", {"n": modulus, "kid": "other", "alg": None, "use": None}))
    assert plain.thumbprint == other.thumbprint
    assert plain.thumbprint != parse_jwk(_jwk("ES256")).thumbprint


def test_equal_keys() -> None:
    """A key read again equals itself; one with another ``kid`` or ``alg`` is another."""
    first, again = parse_jwk(_jwk("RS256")), parse_jwk(_jwk("RS256", {"x5t": "changed"}))
    assert first == again
    assert hash(first) == hash(again)
    assert (
        len(
            {first, again, parse_jwk(_jwk("RS256", {"kid": "2"})), parse_jwk(_jwk("RS256", {"alg": "PS256"}))}
        )
        == 3
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_rendered_keys_are_the_same_keys(algorithm: str) -> None:
    """What is rendered of a key is read as the same key."""
    jwk = parse_jwk(_jwk(algorithm))
    again = parse_jwk(render_public_key(jwk.public_key))
    assert jwk.thumbprint == again.thumbprint


def test_kinds_that_sign_nothing_are_not_rendered() -> None:
    """A key of a curve or type that no algorithm uses cannot be rendered."""
    for public_key in (ec.generate_private_key(ec.SECP256K1()).public_key(), object()):
        with pytest.raises(UnusableKeyError, match="no supported algorithm uses a key of this type"):
            render_public_key(public_key)


def test_a_small_rsa_key_is_rendered_but_not_read() -> None:
    """The bound on sizes is in one place, where keys are read."""
    small = rsa.generate_private_key(65537, 1024).public_key()
    assert _why_not(render_public_key(small)) == "its modulus has 1024 bits; 2048 to 8192 are allowed"


@given(st.data())
def test_any_value_in_any_member(data: st.DataObject) -> None:
    """A member of any JSON type makes a key that is used or skipped, and no other error."""
    members = _jwk(data.draw(st.sampled_from(ALGORITHMS)))
    name = data.draw(st.sampled_from([*members, "key_ops"]))
    why = _why_not({**members, name: data.draw(JSON_VALUES | st.text("ABCDwxyz0189-_=", max_size=12))})
    assert why is None or why.startswith("it")


@given(JSON_VALUES)
def test_any_json_value(value: Any) -> None:
    """No other JSON value is accepted as a key."""
    assert _why_not(value) is not None
