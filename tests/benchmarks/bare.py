"""The physical limit: nothing but the signature check of ``cryptography``, on parts prepared beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from monocloud_mw.jose import base64url, parse_header

__all__ = ["BARE", "bare_verify"]

BARE: Final = "bare verify"
RSA_PADDINGS: Final = {
    "RS256": padding.PKCS1v15(),
    "PS256": padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH),
}


def bare_verify(token: str, key: Any) -> Callable[[], None]:
    """Return a function that checks the signature of one token repeatedly.

    Args:
        token: compact JWS.
        key: the public key that belongs to it.
    """
    encoded_header, _, encoded_signature = token.split(".")
    algorithm, signature = parse_header(encoded_header).algorithm.name, base64url.decode(encoded_signature)
    data = token.rpartition(".")[0].encode()
    if algorithm in RSA_PADDINGS:
        scheme, digest = RSA_PADDINGS[algorithm], hashes.SHA256()
        return lambda: key.verify(signature, data, scheme, digest)
    if algorithm == "ES256":
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        der, ecdsa = encode_dss_signature(r, s), ec.ECDSA(hashes.SHA256())
        return lambda: key.verify(der, data, ecdsa)
    return lambda: key.verify(signature, data)
