"""Parse public JSON Web Keys (RFC 7517).

A key that cannot verify signatures does not invalidate its key set: providers also publish encryption keys
and new key types. Such a key is skipped, and the reason is kept for the log. Private and symmetric keys are
skipped as well, because a published one is compromised.

A member with the value ``null`` counts as absent, and so does an empty ``key_ops`` or ``oth``: several
providers write all members of their format, with or without a value. A member of a wrong type is an error.

Messages contain names of members and sizes, never a value that could be part of a private key.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ..errors import TokenError
from ..quoting import quoted
from . import base64url
from .algorithms import SIGNATURE_ALGORITHMS, Algorithm

__all__ = ["Jwk", "UnusableKeyError", "parse_jwk", "render_public_key"]

MIN_RSA_BITS: Final = 2048  # RFC 7518 section 3.3
MAX_RSA_BITS: Final = 8192  # the time of a verification grows with the square of the length
MAX_RSA_EXPONENT_BITS: Final = 64


def _kinds(key_type: str) -> Mapping[str, Any]:
    """Return the ``key_kinds`` of all algorithms with one ``kty``."""
    rows = (row for row in SIGNATURE_ALGORITHMS.values() if row.key_type == key_type)
    return MappingProxyType({name: kind for row in rows for name, kind in row.key_kinds.items()})


EC_CURVES: Final[Mapping[str, ec.EllipticCurve]] = _kinds("EC")
_CRV: Final = {curve.name: crv for crv, curve in EC_CURVES.items()}
ED_CURVES: Final[Mapping[str, tuple[Any, Any]]] = _kinds("OKP")
ML_DSA: Final[Mapping[str, tuple[Any, Any]]] = _kinds("AKP")

# The members of private keys: RFC 7518 section 6.3.2, RFC 8037 section 2, RFC 9964 section 3.
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "priv", "k"})

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ABSENT_WHERE_EMPTY: Final = frozenset({"key_ops", "oth"})


class UnusableKeyError(ValueError):
    """The key cannot be used for the purpose; the message says why, with "it" for the key."""


@attrs.frozen(kw_only=True, cache_hash=True)
class Jwk:
    """A public key that verifies signatures. Two keys are equal if all attributes below are equal.

    Args:
        key_type: ``kty``.
        curve: ``crv``, for key types with curves.
        algorithm: ``alg``, if the key is meant for one algorithm only.
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

    def supports(self, algorithm: Algorithm) -> bool:
        """Return whether this key may verify signatures of an algorithm (RFC 8725 section 3.1)."""
        if self.key_type != algorithm.key_type:
            return False
        if self.curve is not None and self.curve not in algorithm.curves:
            return False
        if self.algorithm is None or self.algorithm == algorithm.name:
            return True
        # EdDSA is the older name of Ed25519 and Ed448 (RFC 9864); a key may have either name.
        return self.key_type == "OKP" and self.algorithm in ("EdDSA", self.curve)


def parse_jwk(members: object) -> Jwk:
    """Parse a public JWK.

    Raises:
        UnusableKeyError: it cannot be used to verify a signature.
    """
    members = present_members(members)
    key_type, key_id, algorithm = (string_member(members, name) for name in ("kty", "kid", "alg"))
    if key_type is None:
        raise UnusableKeyError("it has no kty")
    read = _READERS.get(key_type)
    if read is None:
        raise UnusableKeyError(f"its kty {quoted(key_type)} does not verify signatures")
    if members.keys() & _PRIVATE_MEMBERS:
        raise UnusableKeyError("it is a private key")
    check_purpose(members, "verify")
    if algorithm is not None and algorithm not in SIGNATURE_ALGORITHMS:
        raise UnusableKeyError(f"its alg {quoted(algorithm)} does not verify signatures")
    public_key = read_key(read, members)
    key = Jwk(
        key_type=key_type,
        curve=string_member(members, "crv") if key_type in ("EC", "OKP") else None,
        algorithm=algorithm,
        key_id=key_id,
        thumbprint=_thumbprint(public_key),
        public_key=public_key,
    )
    if not any(map(key.supports, SIGNATURE_ALGORITHMS.values())):
        raise UnusableKeyError("its kty, crv and alg do not match")
    return key


def present_members(members: object) -> dict[str, Any]:
    """Return the members of a JWK that are not absent.

    Raises:
        UnusableKeyError: it is not an object.
    """
    if not isinstance(members, Mapping):
        raise UnusableKeyError("it is not an object")
    return {
        name: value
        for name, value in members.items()
        if value is not None
        and not (name in _ABSENT_WHERE_EMPTY and isinstance(value, (list, tuple)) and not value)
    }


def check_purpose(members: Mapping[str, Any], operation: str) -> None:
    """Reject a JWK that is not meant for an operation, by ``use`` and ``key_ops`` (RFC 7517 section 4).

    Raises:
        UnusableKeyError: ``use`` is not ``sig``, or ``key_ops`` does not contain the operation.
    """
    if members.get("use", "sig") != "sig":
        raise UnusableKeyError(f"its use is {quoted(members['use'])}, not 'sig'")
    operations = members.get("key_ops", (operation,))
    if not isinstance(operations, (list, tuple)) or operation not in operations:
        raise UnusableKeyError(f"its key_ops do not contain {operation}")


def read_key(read: Callable[[Mapping[str, Any]], Any], members: Mapping[str, Any]) -> Any:
    """Return ``read(members)``, the key in a JWK, and translate the errors that ``cryptography`` raises.

    Raises:
        UnusableKeyError: the members are not those of a valid key.
    """
    try:
        return read(members)
    except UnusableKeyError:
        raise
    except (ValueError, ArithmeticError, UnsupportedAlgorithm):
        raise UnusableKeyError(f"its parameters are not those of a valid {members['kty']} key") from None


def string_member(members: Mapping[str, Any], name: str) -> str | None:
    """Return a member that must be a string, or ``None`` if it is absent."""
    value = members.get(name)
    if value is not None and not isinstance(value, str):
        raise UnusableKeyError(f"its {name} is not a string")
    if value is not None and _SURROGATE.search(value):
        raise UnusableKeyError(f"its {name} is not valid Unicode")
    return value


def bytes_member(members: Mapping[str, Any], name: str) -> bytes:
    """Return the bytes of a required member in base64url (RFC 7518 section 6)."""
    try:
        return base64url.decode(string_member(members, name) or "!")
    except TokenError:
        raise UnusableKeyError(f"its {name} is missing or not base64url") from None


def uint_member(members: Mapping[str, Any], name: str) -> int:
    """Return a required member that is a Base64urlUInt (RFC 7518 section 2)."""
    return int.from_bytes(bytes_member(members, name), "big")


def rsa_numbers(members: Mapping[str, Any]) -> rsa.RSAPublicNumbers:
    """Return modulus and exponent, both within the allowed sizes."""
    n, e = uint_member(members, "n"), uint_member(members, "e")
    if not MIN_RSA_BITS <= n.bit_length() <= MAX_RSA_BITS:
        raise UnusableKeyError(
            f"its modulus has {n.bit_length()} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are allowed"
        )
    if e.bit_length() > MAX_RSA_EXPONENT_BITS:
        raise UnusableKeyError(f"its public exponent has more than {MAX_RSA_EXPONENT_BITS} bits")
    return rsa.RSAPublicNumbers(e, n)


def ec_numbers(members: Mapping[str, Any]) -> ec.EllipticCurvePublicNumbers:
    """Return the point; its coordinates must have the full length of the curve (RFC 7518 section 6.2.1.2)."""
    curve: ec.EllipticCurve = table_member(EC_CURVES, members, "crv")
    size = (curve.key_size + 7) // 8
    x, y = bytes_member(members, "x"), bytes_member(members, "y")
    if len(x) != size or len(y) != size:
        raise UnusableKeyError(f"its x and y do not have {size} octets each")
    return ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve)


def table_member(table: Mapping[str, Any], members: Mapping[str, Any], name: str) -> Any:
    """Return the value of ``table`` whose key is the value of a member."""
    value = string_member(members, name)
    if value is None or value not in table:
        raise UnusableKeyError(f"its {name} is {quoted(value)}, not one of {', '.join(table)}")
    return table[value]


def _rsa_key(members: Mapping[str, Any]) -> rsa.RSAPublicKey:
    return rsa_numbers(members).public_key()


def _ec_key(members: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    return ec_numbers(members).public_key()  # refuses a point that is not on the curve


def _ed_key(members: Mapping[str, Any]) -> Any:
    return table_member(ED_CURVES, members, "crv")[0].from_public_bytes(bytes_member(members, "x"))


def _ml_dsa_key(members: Mapping[str, Any]) -> Any:
    return table_member(ML_DSA, members, "alg")[0].from_public_bytes(bytes_member(members, "pub"))


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = MappingProxyType(
    {"RSA": _rsa_key, "EC": _ec_key, "OKP": _ed_key, "AKP": _ml_dsa_key}
)


def render_public_key(public_key: object) -> dict[str, str]:
    """Return a public key as a JWK with only its required members (RFC 7638 section 3.2).

    Raises:
        UnusableKeyError: no algorithm uses keys of this type.
    """
    if isinstance(public_key, rsa.RSAPublicKey):
        numbers = public_key.public_numbers()
        return {"kty": "RSA", "n": _render_unsigned(numbers.n), "e": _render_unsigned(numbers.e)}
    if isinstance(public_key, ec.EllipticCurvePublicKey) and public_key.curve.name in _CRV:
        point, size = public_key.public_numbers(), (public_key.key_size + 7) // 8
        return {
            "kty": "EC",
            "crv": _CRV[public_key.curve.name],
            "x": base64url.encode(point.x.to_bytes(size, "big")),
            "y": base64url.encode(point.y.to_bytes(size, "big")),
        }
    for crv, (kind, _) in ED_CURVES.items():
        if isinstance(public_key, kind):
            return {"kty": "OKP", "crv": crv, "x": _render_raw(public_key)}
    for algorithm, (kind, _) in ML_DSA.items():
        if isinstance(public_key, kind):
            return {"kty": "AKP", "alg": algorithm, "pub": _render_raw(public_key)}
    raise UnusableKeyError("no supported algorithm uses a key of this type")


def _render_raw(public_key: Any) -> str:
    return base64url.encode(public_key.public_bytes_raw())


def _render_unsigned(number: int) -> str:
    return base64url.encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _thumbprint(public_key: object) -> str:
    """Return the SHA-256 thumbprint of the key (RFC 7638 section 3)."""
    members = json.dumps(render_public_key(public_key), separators=(",", ":"), sort_keys=True)
    return base64url.encode(hashlib.sha256(members.encode("ascii")).digest())
