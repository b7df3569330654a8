"""Second forms of one token, and forged signatures (RFC 7515 section 10, RFC 4648 section 3.5).

ECDSA has a second signature for every signature: ``(r, n - s)`` for ``(r, s)``. Anyone who has a token can
compute it; the token is the same, so this is not a bypass. :data:`SAME_AGAIN` has such tokens.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from monocloud_mw.errors import Reason

from .attack import EC, ED, GOOD, JWKS, PLAIN, RSA, STRANGER, Attack, digest_info, encode, sign, token

__all__ = ["ATTACKS", "SAME_AGAIN"]

ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
INSERTED: Final = {
    "a space": " ",
    "a tab": "\t",
    "a line feed": "\n",
    "CRLF": "\r\n",
    "a zero byte": "\0",
    "a no-break space": "\u00a0",
    "a zero-width space": "\u200b",
    "padding": "=",
    "a plus sign": "+",
    "a slash": "/",
    "a percent escape": "%2E",
    "a full-width letter": "\uff21",
    "half a surrogate pair": "\ud800",
}


def _signature(signed: str) -> bytes:
    return base64.urlsafe_b64decode(signed.rpartition(".")[2] + "==")


def _raw(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _texts() -> Iterator[Attack]:
    """Texts that a lenient decoder decodes to the same bytes."""
    header, payload, signature = GOOD.split(".")
    for name, extra in INSERTED.items():
        for place, text in (
            ("in front", f"{extra}{GOOD}"),
            ("behind", f"{GOOD}{extra}"),
            ("behind the header", f"{header}{extra}.{payload}.{signature}"),
            ("in the payload", f"{header}.{payload[:8]}{extra}{payload[8:]}.{signature}"),
            ("before the signature", f"{header}.{payload}.{extra}{signature}"),
        ):
            yield Attack(f"{name} {place}", text, Reason.MALFORMED, GOOD)
    yield Attack("padded to the byte", _padded(GOOD), Reason.MALFORMED, GOOD)
    yield Attack("the other alphabet", _in_the_other_alphabet(), Reason.MALFORMED, GOOD)
    for index, label in enumerate(("header", "payload", "signature")):
        parts = _with_stray_bits(index)
        yield Attack(f"stray bits at the end of the {label}", parts[0], Reason.MALFORMED, parts[1])


def _padded(text: str) -> str:
    return ".".join(part + "=" * (-len(part) % 4) for part in text.split("."))


def _in_the_other_alphabet() -> str:
    """Return a signature with ``+`` and ``/``; claims are varied until it has either."""
    numbered = (token(ED, claims={"jti": str(number)}) for number in range(1000))
    signed = next(text for text in numbered if set("-_") & set(text.rpartition(".")[2]))
    head, _, signature = signed.rpartition(".")
    return f"{head}.{signature.replace('-', '+').replace('_', '/')}"


def _with_stray_bits(index: int) -> tuple[str, str]:
    """Change the unused bits of a part's last character; return both texts."""
    for length in range(3):
        filler = "x" * length
        parts = token(ED, {"x": filler}, {"x": filler}).split(".")
        if len(parts[index]) % 4:
            last = ALPHABET.index(parts[index][-1])
            changed = [*parts]
            changed[index] = parts[index][:-1] + ALPHABET[last ^ 1]
            return ".".join(changed), ".".join(parts)
    raise AssertionError("no length leaves bits over")


def _parts() -> Iterator[Attack]:
    header, payload, signature = GOOD.split(".")
    for name, text in {
        "nothing but dots": "..",
        "two parts": f"{header}.{payload}",
        "four parts": f"{GOOD}.{signature}",
        "five parts, as a JWE has": f"{GOOD}.{signature}.{signature}",
        "a dot behind": f"{GOOD}.",
        "a dot in front": f".{GOOD}",
        "no header": f".{payload}.{signature}",
        "no payload": f"{header}..{signature}",
        "full-width dots": GOOD.replace(".", "\uff0e"),
        "JSON serialisation": json.dumps(
            {"protected": header, "payload": payload, "signature": signature}, separators=(",", ":")
        ),
    }.items():
        yield Attack(name, text, Reason.MALFORMED, GOOD)
    for name, text in {
        "no signature": f"{header}.{payload}.",
        "another payload": f"{header}.{token(ED, claims={'sub': 'admin'}).split('.')[1]}.{signature}",
        "the signature of another token": f"{header}.{payload}.{token(ED, claims={'x': 1}).split('.')[2]}",
    }.items():
        yield Attack(name, text, Reason.BAD_SIGNATURE, GOOD)


def _one_bit() -> Iterator[Attack]:
    for key in (RSA, EC, ED):
        signed = token(key)
        original = _signature(signed)
        for position in (0, len(original) // 2, len(original) - 1):
            changed = bytearray(original)
            changed[position] ^= 1
            label = f"one bit of byte {position} of an {key.algorithm} signature"
            yield Attack(label, sign(signed, bytes(changed)), Reason.BAD_SIGNATURE, signed)


def _ecdsa() -> Iterator[Attack]:
    signed = token(EC)
    signature = _signature(signed)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    der = EC.key.sign(signed.rpartition(".")[0].encode(), ec.ECDSA(hashes.SHA256()))
    for name, forged in {
        "zero": bytes(64),
        "r of zero": _raw(0, s),
        "s of zero": _raw(r, 0),
        "r of one and s of one": _raw(1, 1),
        "r of the order": _raw(P256_ORDER, s),
        "s of the order": _raw(r, P256_ORDER),
        "largest numbers": b"\xff" * 64,
        "r and s in wrong order": _raw(s, r),
        "ASN.1": der,
        "a zero in front": b"\0" + signature,
        "zeros in front of both": b"\0" + signature[:32] + b"\0" + signature[32:],
        "a byte too few": signature[:-1],
        "the length of P-384": signature + bytes(32),
        "half": signature[:32],
        "twice": signature * 2,
    }.items():
        yield Attack(f"ECDSA: {name}", sign(signed, forged), Reason.BAD_SIGNATURE, signed)


def _rsa() -> Iterator[Attack]:
    signed = token(RSA)
    signature, modulus = _signature(signed), RSA.key.public_key().public_numbers().n
    number = int.from_bytes(signature, "big")
    for name, forged in {
        "zero": bytes(256),
        "one": (1).to_bytes(256, "big"),
        "the modulus": modulus.to_bytes(256, "big"),
        "a zero in front": b"\0" + signature,
        "the modulus added": (number + modulus).to_bytes(257, "big").lstrip(b"\0"),
        "a byte too few": signature[1:],
        "a byte too many": signature + b"\0",
        "twice": signature * 2,
        "what would be signed": _pkcs1(signed),
    }.items():
        yield Attack(f"RSA: {name}", sign(signed, forged), Reason.BAD_SIGNATURE, signed)
    forged_cube = sign(token(PLAIN), _cube_root(token(PLAIN)))
    yield Attack("RSA: cube root for exponent 3", forged_cube, Reason.BAD_SIGNATURE, token(PLAIN))


def _pkcs1(signed: str) -> bytes:
    info = digest_info(signed.rpartition(".")[0].encode())
    return b"\x00\x01" + b"\xff" * (256 - 3 - len(info)) + b"\x00" + info


def _cube_root(signed: str) -> bytes:
    """Forge as Bleichenbacher did in 2006: too little padding, and arbitrary bytes after the digest."""
    info = digest_info(signed.rpartition(".")[0].encode())
    start = b"\x00\x01" + b"\xff" * 8 + b"\x00" + info
    wanted = int.from_bytes(start + b"\xff" * (256 - len(start)), "big")
    low, high = 0, 1 << 700
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= wanted else (low, middle - 1)
    assert (low**3).to_bytes(256, "big").startswith(start)
    return low.to_bytes(256, "big")


def _pss() -> Iterator[Attack]:
    header = {"alg": "PS256", "kid": "plain"}
    text = token(PLAIN, header).rpartition(".")[0]
    data, secret = text.encode(), PLAIN.key

    def signed(mask: hashes.HashAlgorithm, salt: int, digest: hashes.HashAlgorithm) -> str:
        return f"{text}.{encode(secret.sign(data, padding.PSS(padding.MGF1(mask), salt), digest))}"

    sha256, sha512 = hashes.SHA256(), hashes.SHA512()
    control = signed(sha256, 32, sha256)
    for salt in (0, 1, 20, 31, 33, 64, padding.calculate_max_pss_salt_length(secret, sha256)):
        yield Attack(
            f"PSS: a salt of {salt} bytes", signed(sha256, salt, sha256), Reason.BAD_SIGNATURE, control
        )
    yield Attack("PSS: another mask", signed(hashes.SHA1(), 32, sha256), Reason.BAD_SIGNATURE, control)
    yield Attack("PSS: another digest", signed(sha512, 64, sha512), Reason.BAD_SIGNATURE, control)


def _eddsa() -> Iterator[Attack]:
    signature = _signature(GOOD)
    scalar = int.from_bytes(signature[32:], "little")
    for name, forged in {
        "zero": bytes(64),
        "the order added to S": signature[:32] + (scalar + ED25519_ORDER).to_bytes(32, "little"),
        "the neutral point": b"\x01" + bytes(63),
        "the sign of R": signature[:31] + bytes([signature[31] ^ 0x80]) + signature[32:],
        "a byte too few": signature[:-1],
        "a byte too many": signature + b"\0",
        "the length of Ed448": signature + bytes(50),
        "R and S in wrong order": signature[32:] + signature[:32],
    }.items():
        yield Attack(f"EdDSA: {name}", sign(GOOD, forged), Reason.BAD_SIGNATURE, GOOD)


def _strangers() -> Iterator[Attack]:
    control = token(EC)
    yield Attack("signed by an unknown key", token(STRANGER), Reason.BAD_SIGNATURE, control)
    yield Attack("an unknown key without kid", token(STRANGER, {"kid": ...}), Reason.BAD_SIGNATURE, control)
    for key in JWKS["keys"]:
        other = next(known for known in (EC, ED) if known.key_id != key["kid"])
        forged = token(other, {"kid": key["kid"]})
        reason = Reason.UNKNOWN_KEY
        yield Attack(f"signed by {other.key_id} in the name of {key['kid']}", forged, reason, token(other))


ATTACKS: Final = (
    *_texts(),
    *_parts(),
    *_one_bit(),
    *_ecdsa(),
    *_rsa(),
    *_pss(),
    *_eddsa(),
    *_strangers(),
)


def _same_again() -> tuple[str, str]:
    signed = token(EC)
    signature = _signature(signed)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    return signed, sign(signed, _raw(r, P256_ORDER - s))


SAME_AGAIN: Final = _same_again()
"""A token and its other valid signature."""
