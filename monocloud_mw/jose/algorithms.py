"""The table of signature algorithms (RFC 7518 section 3.1, RFC 8037, RFC 9864, RFC 9964).

Only asymmetric algorithms are in the table, and only algorithms in the table can verify: ``none`` and ``HS*``
are not rejected by a check that could be left out, they do not exist. The row of an algorithm has the ``kty``
and ``crv`` of its keys, so that a key is never used with an algorithm for other keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa
except ImportError:  # before cryptography 47
    mldsa = None  # type: ignore[assignment]

__all__ = ["SIGNATURE_ALGORITHMS", "Algorithm", "mldsa"]


@attrs.frozen(kw_only=True)
class Algorithm:
    """One signature algorithm.

    Args:
        name: the value of ``alg``.
        key_type: the ``kty`` of its keys.
        curves: the accepted values of ``crv``; empty for key types without curves.
        key_kinds: by ``crv`` (or ``alg``, for keys that name their algorithm), what is needed to read and
            write such keys: the curve, or the classes of public and private keys.
        generate: generates a private key.
        sign: ``(private key, data) -> signature``.
        verify: ``(public key, signature, data)``; raises ``InvalidSignature`` or ``ValueError``.
    """

    name: str
    key_type: str
    curves: frozenset[str] = frozenset()
    key_kinds: Mapping[str, Any] = attrs.field(default=MappingProxyType({}), repr=False)
    generate: Callable[[], Any] = attrs.field(repr=False)
    sign: Callable[[Any, bytes], bytes] = attrs.field(repr=False)
    verify: Callable[[Any, bytes, bytes], None] = attrs.field(repr=False)


def _rsa(name: str, scheme: Any, digest: hashes.HashAlgorithm) -> Algorithm:
    """RSASSA-PKCS1-v1_5 (RFC 7518 section 3.3) or RSASSA-PSS (section 3.5)."""

    def sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        return key.sign(data, scheme, digest)

    def verify(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> None:
        key.verify(signature, data, scheme, digest)

    def generate() -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    return Algorithm(name=name, key_type="RSA", generate=generate, sign=sign, verify=verify)


def _pss(digest: hashes.HashAlgorithm) -> padding.PSS:
    """Return PSS padding with a salt of exactly the digest's length (RFC 7518 section 3.5)."""
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)


def _ecdsa(name: str, curve: ec.EllipticCurve, crv: str, digest: hashes.HashAlgorithm) -> Algorithm:
    """ECDSA with the signature as ``r || s`` of exactly the curve's length (RFC 7518 section 3.4)."""
    scheme = ec.ECDSA(digest)
    size = (curve.key_size + 7) // 8
    bits = 8 * size
    mask = (1 << bits) - 1

    def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, scheme))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def verify(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> None:
        if len(signature) != 2 * size:
            raise InvalidSignature
        both = int.from_bytes(signature, "big")
        key.verify(encode_dss_signature(both >> bits, both & mask), data, scheme)

    def generate() -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(curve)

    return Algorithm(
        name=name,
        key_type="EC",
        curves=frozenset({crv}),
        key_kinds=MappingProxyType({crv: curve}),
        generate=generate,
        sign=sign,
        verify=verify,
    )


def _raw_signature(name: str, key_type: str, key_kinds: Mapping[str, tuple[Any, Any]]) -> Algorithm:
    """An algorithm without parameters beyond the key: EdDSA (RFC 8037 section 3.1), ML-DSA (RFC 9964)."""

    def sign(key: Any, data: bytes) -> bytes:
        signature: bytes = key.sign(data)
        return signature

    def verify(key: Any, signature: bytes, data: bytes) -> None:
        key.verify(signature, data)

    _, private_key = next(iter(key_kinds.values()))
    return Algorithm(
        name=name,
        key_type=key_type,
        curves=frozenset(key_kinds if key_type == "OKP" else ()),
        key_kinds=MappingProxyType(key_kinds),
        generate=private_key.generate,
        sign=sign,
        verify=verify,
    )


_ED25519: Final = {"Ed25519": (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey)}
_ED448: Final = {"Ed448": (ed448.Ed448PublicKey, ed448.Ed448PrivateKey)}
_SHA256, _SHA384, _SHA512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()

_ROWS: Final = (
    _rsa("RS256", padding.PKCS1v15(), _SHA256),
    _rsa("RS384", padding.PKCS1v15(), _SHA384),
    _rsa("RS512", padding.PKCS1v15(), _SHA512),
    _rsa("PS256", _pss(_SHA256), _SHA256),
    _rsa("PS384", _pss(_SHA384), _SHA384),
    _rsa("PS512", _pss(_SHA512), _SHA512),
    _ecdsa("ES256", ec.SECP256R1(), "P-256", _SHA256),
    _ecdsa("ES384", ec.SECP384R1(), "P-384", _SHA384),
    _ecdsa("ES512", ec.SECP521R1(), "P-521", _SHA512),
    _raw_signature("EdDSA", "OKP", _ED25519 | _ED448),
    _raw_signature("Ed25519", "OKP", _ED25519),
    _raw_signature("Ed448", "OKP", _ED448),
    *(
        ()
        if mldsa is None
        else (
            _raw_signature(
                "ML-DSA-44", "AKP", {"ML-DSA-44": (mldsa.MLDSA44PublicKey, mldsa.MLDSA44PrivateKey)}
            ),
            _raw_signature(
                "ML-DSA-65", "AKP", {"ML-DSA-65": (mldsa.MLDSA65PublicKey, mldsa.MLDSA65PrivateKey)}
            ),
            _raw_signature(
                "ML-DSA-87", "AKP", {"ML-DSA-87": (mldsa.MLDSA87PublicKey, mldsa.MLDSA87PrivateKey)}
            ),
        )
    ),
)

SIGNATURE_ALGORITHMS: Final[Mapping[str, Algorithm]] = MappingProxyType({row.name: row for row in _ROWS})
"""All algorithms that can verify signatures, by the value of ``alg``."""
