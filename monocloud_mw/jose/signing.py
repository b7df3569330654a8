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
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ..errors import quoted
from . import base64url
from .algorithms import SIGNATURE_ALGORITHMS
from .jwk import (
    ED_CURVES,
    ML_DSA,
    UnusableKeyError,
    check_purpose,
    ec_numbers,
    named,
    octets,
    parse_jwk,
    present_members,
    read_key,
    render_public_key,
    rsa_numbers,
    text,
    unsigned,
)

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

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle by the key's bytes; a pickle holds the secret as it is."""
        if self.is_symmetric:
            return SigningKey.from_secret, (self.secret, self.algorithm, self.key_id)
        pem = self.secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return SigningKey.from_pem, (pem.decode(), self.algorithm, self.key_id)

    @property
    def is_symmetric(self) -> bool:
        """Whether this is a secret shared with the verifier, and not a private key."""
        return self.algorithm in SYMMETRIC_ALGORITHMS

    @classmethod
    def generate(cls, algorithm: str, key_id: str | None = None) -> Self:
        """Make a new private key.

        Raises:
            ValueError: the algorithm is unknown, or the installed ``cryptography`` lacks it.
        """
        row = SIGNATURE_ALGORITHMS.get(algorithm)
        if row is None:
            raise ValueError(f"there is no algorithm {quoted(algorithm)} with private keys")
        try:
            return cls(algorithm=algorithm, key_id=key_id, secret=row.generate())
        except UnsupportedAlgorithm:
            raise ValueError(f"the cryptography installed here cannot sign with {algorithm}") from None

    @classmethod
    def from_jwk(cls, members: Mapping[str, Any], algorithm: str | None = None) -> Self:
        """Read a private or ``oct`` JWK (RFC 7518 section 6).

        Args:
            members: the JWK.
            algorithm: the algorithm to use, which a JWK with ``alg`` must be meant for; without it ``alg`` of
                the JWK, or the usual one of its kind.

        Raises:
            ValueError: it is not one, or does not fit the algorithm; the message holds no part of the key.
        """
        try:
            return cls._from_jwk(members, algorithm)
        except UnusableKeyError as error:
            raise ValueError(f"the JWK cannot sign: {error}") from None

    @classmethod
    def _from_jwk(cls, members: Any, algorithm: str | None) -> Self:
        members = present_members(members)
        key_type, key_id, own_algorithm = (text(members, name) for name in ("kty", "kid", "alg"))
        check_purpose(members, "sign")
        if key_type == "oct":
            if None not in (algorithm, own_algorithm) and algorithm != own_algorithm:
                raise UnusableKeyError(f"its alg is {quoted(own_algorithm)}, not {quoted(algorithm)}")
            return cls.from_secret(octets(members, "k"), algorithm or own_algorithm or "HS256", key_id)
        read = _READERS.get(key_type or "")
        if read is None:
            raise UnusableKeyError(f"its kty is {quoted(key_type)}, not one of oct, {', '.join(_READERS)}")
        if not {"d", "priv"} & members.keys():
            raise UnusableKeyError("it is a public key, and only a private one signs")
        return cls._of(read_key(read, members), algorithm, key_id, own_algorithm)

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
        try:
            return cls._of(secret, algorithm, key_id)
        except UnusableKeyError as error:
            raise ValueError(f"the PEM private key cannot sign: {error}") from None

    @classmethod
    def from_secret(cls, secret: str | bytes, algorithm: str = "HS256", key_id: str | None = None) -> Self:
        """Take a shared secret as it is; text stands for its UTF-8 bytes (OpenID Connect Core section 10.1).

        A secret should be at least as long as the digest (RFC 7518 section 3.2). That is not enforced:
        the tenant chose it, and it knows the secret too.

        Raises:
            ValueError: it is empty or no Unicode, or the algorithm is not symmetric.
        """
        if algorithm not in SYMMETRIC_ALGORITHMS:
            raise ValueError(
                f"a shared secret signs with {', '.join(SYMMETRIC_ALGORITHMS)}, not {quoted(algorithm)}"
            )
        try:
            data = secret.encode() if isinstance(secret, str) else secret
        except UnicodeEncodeError:
            data = None
        if data is None:  # raised here, since the codec's error holds the secret and would hang on to ours
            raise ValueError("a shared secret must be text that UTF-8 can hold, or bytes")
        if not data:
            raise ValueError("a shared secret must not be empty")
        return cls(algorithm=algorithm, key_id=key_id, secret=data)

    @classmethod
    def _of(
        cls, secret: Any, algorithm: str | None, key_id: str | None, own_algorithm: str | None = None
    ) -> Self:
        members = render_public_key(secret.public_key())
        public = parse_jwk(members if own_algorithm is None else {**members, "alg": own_algorithm})
        name = algorithm or public.algorithm or _USUAL_ALGORITHMS[public.curve or public.key_type]
        row = SIGNATURE_ALGORITHMS.get(name)
        if row is None or not public.fits(row):
            raise UnusableKeyError(f"it does not fit the algorithm {quoted(name)}")
        return cls(algorithm=name, key_id=key_id, secret=secret)

    def public_jwk(self) -> dict[str, Any]:
        """Return the public key as a JWK with ``alg``, ``use`` and, where it has one, ``kid``.

        Raises:
            ValueError: a symmetric key has none.
        """
        if self.is_symmetric:
            raise ValueError("a symmetric key has no public part")
        members = {**render_public_key(self.secret.public_key()), "alg": self.algorithm, "use": "sig"}
        return members if self.key_id is None else {**members, "kid": self.key_id}


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

    Raises:
        ValueError: payload or header hold what JSON has no form for, such as ``NaN``.
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
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


def _rsa_key(members: Mapping[str, Any]) -> rsa.RSAPrivateKey:
    """Read a key of two primes; without them they are found again from ``d`` (RFC 7518 section 6.3.2)."""
    numbers, d = rsa_numbers(members), unsigned(members, "d")
    if "p" in members:
        p, q = unsigned(members, "p"), unsigned(members, "q")
    else:
        p, q = rsa.rsa_recover_prime_factors(numbers.n, numbers.e, d)
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=numbers,
    ).private_key()  # refuses numbers that do not belong together


def _ec_key(members: Mapping[str, Any]) -> ec.EllipticCurvePrivateKey:
    return ec.EllipticCurvePrivateNumbers(unsigned(members, "d"), ec_numbers(members)).private_key()


def _ed_key(members: Mapping[str, Any]) -> Any:
    key = named(ED_CURVES, members, "crv")[1].from_private_bytes(octets(members, "d"))
    return _with_public_part(key, octets(members, "x"))


def _ml_dsa_key(members: Mapping[str, Any]) -> Any:
    key = named(ML_DSA, members, "alg")[1].from_seed_bytes(octets(members, "priv"))
    return _with_public_part(key, octets(members, "pub"))


def _with_public_part(key: Any, public_part: bytes) -> Any:
    if key.public_key().public_bytes_raw() != public_part:
        raise UnusableKeyError("its public part belongs to another key")
    return key


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = MappingProxyType(
    {"RSA": _rsa_key, "EC": _ec_key, "OKP": _ed_key, "AKP": _ml_dsa_key}
)

# By crv, or by kty where a kind has no curves: the first row. An AKP key always names its algorithm.
_USUAL_ALGORITHMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        kind: row.name
        for row in reversed(tuple(SIGNATURE_ALGORITHMS.values()))
        for kind in row.curves or {row.key_type}
    }
)
