"""Signing, as far as client assertions (RFC 7523) and the local tenant need it.

The symmetric algorithms (RFC 7518 section 3.2) are here and nowhere else: they sign our own assertions,
and nothing that verifies can reach them.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Self

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from ..errors import TokenError, quoted
from . import base64url
from .algorithms import SIGNATURE_ALGORITHMS
from .jwk import MIN_RSA_BITS, ML_DSA, Jwk, ec_numbers, parse_jwk, render_public_key, unsigned

__all__ = ["SYMMETRIC_ALGORITHMS", "SigningKey", "sign_compact"]

SYMMETRIC_ALGORITHMS: Final[Mapping[str, str]] = MappingProxyType(
    {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
)


@attrs.frozen(kw_only=True)
class SigningKey:
    """A private or symmetric key, for one algorithm.

    Args:
        algorithm: the value of ``alg``.
        key_id: ``kid``, where it has one.
        secret: the key itself: a private key of ``cryptography``, or bytes.
    """

    algorithm: str
    key_id: str | None = None
    secret: Any = attrs.field(repr=False, eq=False)

    @property
    def is_symmetric(self) -> bool:
        """Whether this is a secret shared with the verifier, and not a private key."""
        return self.algorithm in SYMMETRIC_ALGORITHMS

    @classmethod
    def generate(cls, algorithm: str, key_id: str | None = None) -> Self:
        """Make a new private key.

        Raises:
            ValueError: the algorithm is unknown.
        """
        if algorithm not in SIGNATURE_ALGORITHMS:
            raise ValueError(f"there is no algorithm {quoted(algorithm)} with private keys")
        return cls(algorithm=algorithm, key_id=key_id, secret=SIGNATURE_ALGORITHMS[algorithm].generate())

    @classmethod
    def from_jwk(cls, members: Mapping[str, Any], algorithm: str | None = None) -> Self:
        """Read a private or ``oct`` JWK (RFC 7518 section 6).

        Args:
            members: the JWK.
            algorithm: the algorithm to use; without it ``alg`` of the JWK, or the usual one of its kind.

        Raises:
            ValueError: it is not one, or does not fit the algorithm; the message holds no part of the key.
        """
        key_id, algorithm = members.get("kid"), algorithm or members.get("alg")
        if not (key_id is None or isinstance(key_id, str)) or not (
            algorithm is None or isinstance(algorithm, str)
        ):
            raise ValueError("the kid and alg of a JWK are strings")
        if members.get("kty") == "oct":
            secret = _read(_oct_secret, members)
            return cls.from_secret(secret, algorithm or "HS256", key_id)
        read = _PRIVATE_KEYS.get(members.get("kty", ""))
        if read is None:
            raise ValueError(f"a JWK of kty {quoted(members.get('kty'))} does not sign")
        if not {"d", "priv"} & members.keys():
            raise ValueError("it is a public JWK; a private one is needed to sign")
        return cls._of(_read(read, members), algorithm, key_id)

    @classmethod
    def from_pem(cls, text: str, algorithm: str | None = None, key_id: str | None = None) -> Self:
        """Read an unencrypted PEM private key (PKCS #8, PKCS #1 or SEC 1).

        Raises:
            ValueError: it is not one, or does not fit the algorithm; the message holds no part of the key.
        """
        try:
            secret = serialization.load_pem_private_key(text.encode(), password=None)
        except TypeError:
            raise ValueError("the PEM private key is encrypted") from None
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("it is not a PEM private key that can be read") from None
        return cls._of(secret, algorithm, key_id)

    @classmethod
    def from_secret(cls, secret: str | bytes, algorithm: str = "HS256", key_id: str | None = None) -> Self:
        """Take a shared secret as it is; text stands for its UTF-8 bytes (OpenID Connect Core section 10.1).

        A secret should be at least as long as the digest (RFC 7518 section 3.2). That is not enforced:
        the tenant chose it, and it knows the secret too.

        Raises:
            ValueError: it is empty, or the algorithm is not symmetric.
        """
        if algorithm not in SYMMETRIC_ALGORITHMS:
            raise ValueError(
                f"a shared secret signs with {', '.join(SYMMETRIC_ALGORITHMS)}, not {quoted(algorithm)}"
            )
        data = secret.encode() if isinstance(secret, str) else secret
        if not data:
            raise ValueError("a shared secret must not be empty")
        return cls(algorithm=algorithm, key_id=key_id, secret=data)

    @classmethod
    def _of(cls, secret: Any, algorithm: str | None, key_id: str | None) -> Self:
        name = algorithm or _usual_algorithm(secret)
        row = SIGNATURE_ALGORITHMS.get(name)
        key = cls(algorithm=name, key_id=key_id, secret=secret)
        if row is None or not key._public().fits(row):
            raise ValueError(f"the private key does not fit the algorithm {quoted(name)}")
        return key

    def public_jwk(self) -> dict[str, Any]:
        """Return the public key as a JWK with ``alg``, ``use`` and, where it has one, ``kid``.

        Raises:
            ValueError: a symmetric key has none.
        """
        if self.is_symmetric:
            raise ValueError("a symmetric key has no public part")
        members = {**render_public_key(self.secret.public_key(), self.algorithm), "use": "sig"}
        return members if self.key_id is None else {**members, "kid": self.key_id}

    def _public(self) -> Jwk:
        return parse_jwk(self.public_jwk())


def sign_compact(
    payload: Mapping[str, Any] | bytes, key: SigningKey, header: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Sign a message (RFC 7515 section 5.1).

    Args:
        payload: bytes, or an object that becomes JSON.
        key: signs, and says ``alg`` and ``kid``.
        header: more parameters; they come last, and ``None`` takes a parameter out.

    Returns:
        A compact JWS: three base64url parts.
    """
    parameters = {"alg": key.algorithm, "kid": key.key_id, **header}
    present = {name: value for name, value in parameters.items() if value is not None}
    body = payload if isinstance(payload, bytes) else _json(payload)
    signing_input = f"{base64url.encode(_json(present))}.{base64url.encode(body)}"
    return f"{signing_input}.{base64url.encode(_sign(key, signing_input.encode('ascii')))}"


def _sign(key: SigningKey, data: bytes) -> bytes:
    digest = SYMMETRIC_ALGORITHMS.get(key.algorithm)
    if digest is not None:
        return hmac.digest(key.secret, data, digest)
    return SIGNATURE_ALGORITHMS[key.algorithm].sign(key.secret, data)


def _json(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def _read(reader: Callable[[Mapping[str, Any]], Any], members: Mapping[str, Any]) -> Any:
    try:
        return reader(members)
    except (ValueError, TypeError, KeyError, AttributeError, TokenError, UnsupportedAlgorithm):
        raise ValueError("the parameters of the JWK are not valid") from None


def _oct_secret(members: Mapping[str, Any]) -> bytes:
    return base64url.decode(members["k"])


def _rsa_key(members: Mapping[str, Any]) -> rsa.RSAPrivateKey:
    n, e, d = (unsigned(members, name) for name in ("n", "e", "d"))
    if n.bit_length() < MIN_RSA_BITS:
        raise ValueError("RSA size")
    p, q = (
        (unsigned(members, "p"), unsigned(members, "q"))
        if "p" in members
        else rsa.rsa_recover_prime_factors(n, e, d)
    )
    return rsa.RSAPrivateNumbers(
        p,
        q,
        d,
        rsa.rsa_crt_dmp1(d, p),
        rsa.rsa_crt_dmq1(d, q),
        rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(e, n),
    ).private_key()


def _ec_key(members: Mapping[str, Any]) -> ec.EllipticCurvePrivateKey:
    return ec.EllipticCurvePrivateNumbers(unsigned(members, "d"), ec_numbers(members)).private_key()


def _ed_key(members: Mapping[str, Any]) -> Any:
    kinds: dict[str, Any] = {"Ed25519": ed25519.Ed25519PrivateKey, "Ed448": ed448.Ed448PrivateKey}
    return kinds[members["crv"]].from_private_bytes(base64url.decode(members["d"]))


def _ml_dsa_key(members: Mapping[str, Any]) -> Any:
    return ML_DSA[members["alg"]][1].from_seed_bytes(base64url.decode(members["priv"]))


_PRIVATE_KEYS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = MappingProxyType(
    {"RSA": _rsa_key, "EC": _ec_key, "OKP": _ed_key, "AKP": _ml_dsa_key}
)

_EC_ALGORITHMS: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def _usual_algorithm(secret: Any) -> str:
    if isinstance(secret, rsa.RSAPrivateKey):
        return "RS256"
    if isinstance(secret, ec.EllipticCurvePrivateKey):
        return _EC_ALGORITHMS.get(secret.curve.name, "")
    if isinstance(secret, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return "EdDSA"
    return next((name for name, (_, kind) in ML_DSA.items() if isinstance(secret, kind)), "")
