"""Sign JWTs: client assertions (RFC 7523), and the tokens of the local tenant for tests.

Only this module has the symmetric algorithms (RFC 7518 section 3.2). They sign client assertions; the code
that verifies tokens cannot use them.
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

from ..quoting import quoted
from . import base64url
from .algorithms import SIGNATURE_ALGORITHMS
from .jwk import (
    ED_CURVES,
    ML_DSA,
    UnusableKeyError,
    bytes_member,
    check_purpose,
    ec_numbers,
    parse_jwk,
    present_members,
    read_key,
    render_public_key,
    rsa_numbers,
    string_member,
    table_member,
    uint_member,
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
        key_id: ``kid``, if any.
        key: a private key of ``cryptography``, or the bytes of a shared secret.
    """

    algorithm: str
    key_id: str | None = None
    key: Any = attrs.field(repr=False, eq=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle by the key's bytes; a pickle contains the unencrypted key."""
        if self.is_symmetric:
            return SigningKey.from_secret, (self.key, self.algorithm, self.key_id)
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return SigningKey.from_pem, (pem.decode(), self.algorithm, self.key_id)

    @property
    def is_symmetric(self) -> bool:
        """Whether the key is a secret shared with the verifier, and not a private key."""
        return self.algorithm in SYMMETRIC_ALGORITHMS

    @classmethod
    def generate(cls, algorithm: str, key_id: str | None = None) -> Self:
        """Generate a private key.

        Raises:
            ValueError: the algorithm is unknown, or the installed ``cryptography`` does not support it.
        """
        row = SIGNATURE_ALGORITHMS.get(algorithm)
        if row is None:
            raise ValueError(
                f"unsupported algorithm {quoted(algorithm)}; supported: {', '.join(SIGNATURE_ALGORITHMS)}"
            )
        try:
            return cls(algorithm=algorithm, key_id=key_id, key=row.generate())
        except UnsupportedAlgorithm:
            raise ValueError(f"the installed cryptography does not support {algorithm}") from None

    @classmethod
    def from_jwk(cls, members: Mapping[str, Any], algorithm: str | None = None) -> Self:
        """Parse a private or ``oct`` JWK (RFC 7518 section 6).

        Args:
            members: the JWK.
            algorithm: the algorithm to use, which must match the ``alg`` of the JWK, if any. By default the
                ``alg`` of the JWK, or the default algorithm for its key type.

        Raises:
            ValueError: it is not such a JWK, or does not match the algorithm. The message contains no part of
                the key.
        """
        try:
            return cls._from_jwk(members, algorithm)
        except UnusableKeyError as error:
            raise ValueError(f"the JWK cannot sign: {error}") from None

    @classmethod
    def _from_jwk(cls, members: Any, algorithm: str | None) -> Self:
        members = present_members(members)
        key_type, key_id, own_algorithm = (string_member(members, name) for name in ("kty", "kid", "alg"))
        check_purpose(members, "sign")
        if key_type == "oct":
            if None not in (algorithm, own_algorithm) and algorithm != own_algorithm:
                raise UnusableKeyError(f"its alg is {quoted(own_algorithm)}, not {quoted(algorithm)}")
            return cls.from_secret(bytes_member(members, "k"), algorithm or own_algorithm or "HS256", key_id)
        read = _READERS.get(key_type or "")
        if read is None:
            raise UnusableKeyError(f"its kty is {quoted(key_type)}, not one of oct, {', '.join(_READERS)}")
        if not {"d", "priv"} & members.keys():
            raise UnusableKeyError("it is a public key; a private key is needed")
        return cls._of(read_key(read, members), algorithm, key_id, own_algorithm)

    @classmethod
    def from_pem(cls, text: str, algorithm: str | None = None, key_id: str | None = None) -> Self:
        """Parse an unencrypted PEM private key (PKCS #8, PKCS #1 or SEC 1).

        Raises:
            ValueError: it is not such a key, or does not match the algorithm. The message contains no part of
                the key.
        """
        try:
            secret = serialization.load_pem_private_key(text.encode(), password=None)
        except TypeError:
            raise ValueError("the PEM private key is encrypted; pass an unencrypted key") from None
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("it is not a valid PEM private key") from None
        try:
            return cls._of(secret, algorithm, key_id)
        except UnusableKeyError as error:
            raise ValueError(f"the PEM private key cannot sign: {error}") from None

    @classmethod
    def from_secret(cls, secret: str | bytes, algorithm: str = "HS256", key_id: str | None = None) -> Self:
        """Create a key from a shared secret; a string is encoded in UTF-8 (OpenID Connect Core section 10.1).

        A secret should be at least as long as the digest (RFC 7518 section 3.2). That is not enforced,
        because the tenant has generated it.

        Raises:
            ValueError: it is empty or not valid Unicode, or the algorithm is not symmetric.
        """
        if algorithm not in SYMMETRIC_ALGORITHMS:
            raise ValueError(
                f"unsupported algorithm {quoted(algorithm)} for a shared secret; "
                f"supported: {', '.join(SYMMETRIC_ALGORITHMS)}"
            )
        try:
            data = secret.encode() if isinstance(secret, str) else secret
        except UnicodeEncodeError:
            data = None
        if data is None:  # raise outside the handler: the codec's error contains the secret
            raise ValueError("a shared secret must be bytes or valid Unicode")
        if not data:
            raise ValueError("a shared secret must not be empty")
        return cls(algorithm=algorithm, key_id=key_id, key=data)

    @classmethod
    def _of(
        cls, secret: Any, algorithm: str | None, key_id: str | None, own_algorithm: str | None = None
    ) -> Self:
        members = render_public_key(secret.public_key())
        public = parse_jwk(members if own_algorithm is None else {**members, "alg": own_algorithm})
        name = algorithm or public.algorithm or _DEFAULT_ALGORITHMS[public.curve or public.key_type]
        row = SIGNATURE_ALGORITHMS.get(name)
        if row is None or not public.supports(row):
            raise UnusableKeyError(f"it does not match the algorithm {quoted(name)}")
        return cls(algorithm=name, key_id=key_id, key=secret)

    def public_jwk(self) -> dict[str, Any]:
        """Return the public key as a JWK with ``alg``, ``use`` and, if the key has one, ``kid``.

        Raises:
            ValueError: the key is symmetric.
        """
        if self.is_symmetric:
            raise ValueError("a symmetric key has no public key")
        members = {**render_public_key(self.key.public_key()), "alg": self.algorithm, "use": "sig"}
        return members if self.key_id is None else {**members, "kid": self.key_id}


def sign_compact(
    payload: Mapping[str, Any] | bytes, key: SigningKey, header: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Sign a message (RFC 7515 section 5.1).

    Args:
        payload: bytes, or an object that is encoded as JSON.
        key: the key; its ``alg`` and ``kid`` become header parameters.
        header: additional header parameters, which override the key's; ``None`` removes a parameter.

    Returns:
        A compact JWS: three base64url parts.

    Raises:
        ValueError: payload or header contain a value that JSON does not support, such as ``NaN``.
    """
    parameters = {"alg": key.algorithm, "kid": key.key_id, **header}
    present = {name: value for name, value in parameters.items() if value is not None}
    body = payload if isinstance(payload, bytes) else _json(payload)
    signing_input = f"{base64url.encode(_json(present))}.{base64url.encode(body)}"
    return f"{signing_input}.{base64url.encode(_sign(key, signing_input.encode('ascii')))}"


def _sign(key: SigningKey, data: bytes) -> bytes:
    digest = SYMMETRIC_ALGORITHMS.get(key.algorithm)
    if digest is not None:
        return hmac.digest(key.key, data, digest)
    return SIGNATURE_ALGORITHMS[key.algorithm].sign(key.key, data)


def _json(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


def _rsa_key(members: Mapping[str, Any]) -> rsa.RSAPrivateKey:
    """Read a key with two primes; without them they are recovered from ``d`` (RFC 7518 section 6.3.2)."""
    numbers, d = rsa_numbers(members), uint_member(members, "d")
    if "p" in members:
        p, q = uint_member(members, "p"), uint_member(members, "q")
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
    ).private_key()  # rejects inconsistent numbers


def _ec_key(members: Mapping[str, Any]) -> ec.EllipticCurvePrivateKey:
    return ec.EllipticCurvePrivateNumbers(uint_member(members, "d"), ec_numbers(members)).private_key()


def _ed_key(members: Mapping[str, Any]) -> Any:
    key = table_member(ED_CURVES, members, "crv")[1].from_private_bytes(bytes_member(members, "d"))
    return _with_public_part(key, bytes_member(members, "x"))


def _ml_dsa_key(members: Mapping[str, Any]) -> Any:
    key = table_member(ML_DSA, members, "alg")[1].from_seed_bytes(bytes_member(members, "priv"))
    return _with_public_part(key, bytes_member(members, "pub"))


def _with_public_part(key: Any, public_part: bytes) -> Any:
    if key.public_key().public_bytes_raw() != public_part:
        raise UnusableKeyError("its private and public parts do not match")
    return key


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = MappingProxyType(
    {"RSA": _rsa_key, "EC": _ec_key, "OKP": _ed_key, "AKP": _ml_dsa_key}
)

# By crv, or by kty for key types without curves: the first matching row. AKP keys always name their
# algorithm.
_DEFAULT_ALGORITHMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        kind: row.name
        for row in reversed(tuple(SIGNATURE_ALGORITHMS.values()))
        for kind in row.curves or {row.key_type}
    }
)
