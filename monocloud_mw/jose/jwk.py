"""Public keys in JSON (RFC 7517): read one, and tell which algorithms it may verify.

A key that cannot verify a signature is not an error of the set it came in: providers publish encryption
keys and key types of tomorrow beside the ones we need. It is skipped, with the reason kept for developers.
Private and symmetric keys are skipped too: whoever publishes one has made it worthless.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from ..errors import TokenError, quoted
from . import base64url
from .algorithms import SIGNATURE_ALGORITHMS, Algorithm, mldsa

__all__ = ["Jwk", "SkippedKeyError", "parse_jwk", "render_public_key"]

MIN_RSA_BITS: Final = 2048  # RFC 7518 section 3.3
MAX_RSA_BITS: Final = 8192  # verification gets slow with the square of the length
MAX_RSA_EXPONENT_BITS: Final = 64

EC_CURVES: Final[Mapping[str, ec.EllipticCurve]] = MappingProxyType(
    {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
)
_CRV: Final = {curve.name: crv for crv, curve in EC_CURVES.items()}

_ED_CURVES: Final[Mapping[str, Callable[[bytes], Any]]] = MappingProxyType(
    {
        "Ed25519": ed25519.Ed25519PublicKey.from_public_bytes,
        "Ed448": ed448.Ed448PublicKey.from_public_bytes,
    }
)

ML_DSA: Final[Mapping[str, tuple[Any, Any]]] = MappingProxyType(
    {}
    if mldsa is None
    else {
        "ML-DSA-44": (mldsa.MLDSA44PublicKey, mldsa.MLDSA44PrivateKey),
        "ML-DSA-65": (mldsa.MLDSA65PublicKey, mldsa.MLDSA65PrivateKey),
        "ML-DSA-87": (mldsa.MLDSA87PublicKey, mldsa.MLDSA87PrivateKey),
    }
)

# The members that make a key what it is (RFC 7638 section 3.2, RFC 8037 section 2, RFC 9964 section 6).
_THUMBPRINT_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "RSA": ("e", "kty", "n"),
        "EC": ("crv", "kty", "x", "y"),
        "OKP": ("crv", "kty", "x"),
        "AKP": ("alg", "kty", "pub"),
    }
)


class SkippedKeyError(ValueError):
    """A key that this package cannot use to verify; the message says why."""


@attrs.frozen(kw_only=True, cache_hash=True)
class Jwk:
    """A public key that verifies signatures. Keys are equal where all that decides about their use is.

    Args:
        key_type: ``kty``.
        curve: ``crv``, where the kind has one.
        algorithm: ``alg``, where the key is meant for one algorithm only.
        key_id: ``kid``.
        thumbprint: SHA-256 thumbprint, base64url (RFC 7638).
        public_key: the key, for ``cryptography``.
    """

    key_type: str
    curve: str | None
    algorithm: str | None
    key_id: str | None
    thumbprint: str
    public_key: Any = attrs.field(repr=False, eq=False)

    def fits(self, algorithm: Algorithm) -> bool:
        """Tell whether this key may verify signatures of an algorithm (RFC 8725 section 3.1)."""
        if self.key_type != algorithm.key_type:
            return False
        if self.curve is not None and self.curve not in algorithm.curves:
            return False
        if self.algorithm is None or self.algorithm == algorithm.name:
            return True
        # EdDSA is the older name of Ed25519 and Ed448 (RFC 9864): a key goes by either.
        return self.key_type == "OKP" and self.algorithm in ("EdDSA", self.curve)


def parse_jwk(members: Mapping[str, Any]) -> Jwk:
    """Read a public JWK.

    Raises:
        SkippedKeyError: it cannot be used to verify a signature.
    """
    key_type, key_id, algorithm = (_text(members, name) for name in ("kty", "kid", "alg"))
    read = _READERS.get(key_type or "")
    if read is None:
        raise SkippedKeyError(f"kty {quoted(key_type)} does not verify signatures")
    if "d" in members or "priv" in members:
        raise SkippedKeyError("it is a private key")
    if members.get("use", "sig") != "sig":
        raise SkippedKeyError(f"its use is {quoted(members['use'])}")
    operations = members.get("key_ops", ("verify",))
    if not isinstance(operations, (list, tuple)) or "verify" not in operations:
        raise SkippedKeyError("its key_ops do not have verify")
    if algorithm is not None and algorithm not in SIGNATURE_ALGORITHMS:
        raise SkippedKeyError(f"its alg is {quoted(algorithm)}")
    try:
        public_key = read(members)
    except (ValueError, TypeError, KeyError, TokenError, UnsupportedAlgorithm):
        raise SkippedKeyError(f"its {key_type} parameters are not valid") from None
    key = Jwk(
        key_type=key_type or "",
        curve=_text(members, "crv") if key_type in ("EC", "OKP") else None,
        algorithm=algorithm,
        key_id=key_id,
        thumbprint=_thumbprint(members),
        public_key=public_key,
    )
    if not any(map(key.fits, SIGNATURE_ALGORITHMS.values())):
        raise SkippedKeyError("its kty, crv and alg do not go together")
    return key


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    if value is not None and not isinstance(value, str):
        raise SkippedKeyError(f"its {name} is not a string")
    return value


def _thumbprint(members: Mapping[str, Any]) -> str:
    required = {name: members[name] for name in _THUMBPRINT_MEMBERS[members["kty"]]}
    text = json.dumps(required, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return base64url.encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


def unsigned(members: Mapping[str, Any], name: str) -> int:
    """Read a Base64urlUInt (RFC 7518 section 2)."""
    return int.from_bytes(base64url.decode(members[name]), "big")


def _rsa_key(members: Mapping[str, Any]) -> rsa.RSAPublicKey:
    n, e = unsigned(members, "n"), unsigned(members, "e")
    if not MIN_RSA_BITS <= n.bit_length() <= MAX_RSA_BITS or e.bit_length() > MAX_RSA_EXPONENT_BITS:
        raise ValueError("RSA size")
    return rsa.RSAPublicNumbers(e, n).public_key()


def ec_numbers(members: Mapping[str, Any]) -> ec.EllipticCurvePublicNumbers:
    """Read a point; coordinates have the full length of the curve (RFC 7518 section 6.2.1.2)."""
    curve = EC_CURVES[members["crv"]]
    size = (curve.key_size + 7) // 8
    x, y = base64url.decode(members["x"]), base64url.decode(members["y"])
    if len(x) != size or len(y) != size:
        raise ValueError("coordinate length")
    return ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve)


def _ec_key(members: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    return ec_numbers(members).public_key()


def _ed_key(members: Mapping[str, Any]) -> Any:
    return _ED_CURVES[members["crv"]](base64url.decode(members["x"]))


def _ml_dsa_key(members: Mapping[str, Any]) -> Any:
    return ML_DSA[members["alg"]][0].from_public_bytes(base64url.decode(members["pub"]))


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = MappingProxyType(
    {"RSA": _rsa_key, "EC": _ec_key, "OKP": _ed_key, "AKP": _ml_dsa_key}
)


def render_public_key(public_key: Any, algorithm: str) -> dict[str, str]:
    """Return the JWK members of a public key (without ``kid`` and ``use``); ``alg`` is always there."""
    if isinstance(public_key, rsa.RSAPublicKey):
        numbers = public_key.public_numbers()
        members = {"kty": "RSA", "n": _render_unsigned(numbers.n), "e": _render_unsigned(numbers.e)}
    elif isinstance(public_key, ec.EllipticCurvePublicKey):
        point, size = public_key.public_numbers(), (public_key.key_size + 7) // 8
        members = {
            "kty": "EC",
            "crv": _CRV[public_key.curve.name],
            "x": base64url.encode(point.x.to_bytes(size, "big")),
            "y": base64url.encode(point.y.to_bytes(size, "big")),
        }
    elif isinstance(public_key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        crv = "Ed25519" if isinstance(public_key, ed25519.Ed25519PublicKey) else "Ed448"
        members = {"kty": "OKP", "crv": crv, "x": base64url.encode(public_key.public_bytes_raw())}
    else:
        members = {"kty": "AKP", "pub": base64url.encode(public_key.public_bytes_raw())}
    return {**members, "alg": algorithm}


def _render_unsigned(number: int) -> str:
    return base64url.encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))
