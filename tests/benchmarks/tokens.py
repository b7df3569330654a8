"""The tokens for all contenders: one key, about 800 bytes each, and some that must be rejected."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import attrs

from monocloud_mw.jose import SigningKey, sign_compact

__all__ = ["AUDIENCE", "ISSUER", "LEEWAY_SECONDS", "SCOPE", "Workload"]

ISSUER: Final = "https://tenant.example.com"
AUDIENCE: Final = "https://api.example.com"
SCOPE: Final = "orders:read"
LEEWAY_SECONDS: Final = 60
KEY_ID: Final = "benchmark-key"
NEW_TOKENS: Final = 1200  # more than any cache of the contenders holds, so that going round misses always


@attrs.frozen
class Workload:
    """One key of one algorithm, its tokens, and the documents of its tenant."""

    algorithm: str
    key: SigningKey
    tokens: tuple[str, ...]

    @classmethod
    def create(cls, algorithm: str, *, tokens: int = NEW_TOKENS) -> Self:
        """Generate a key and sign a number of different tokens with it."""
        key = SigningKey.generate(algorithm, KEY_ID)
        return cls(algorithm, key, tuple(_sign(key, _claims(number)) for number in range(tokens)))

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.key.public_jwk()]}

    @property
    def metadata(self) -> dict[str, Any]:
        return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}

    def next_token(self) -> Callable[[], str]:
        """Return a function that returns the tokens in turn, and starts again after the last one."""
        return itertools.cycle(self.tokens).__next__

    def bad_tokens(self) -> Mapping[str, str]:
        """Return tokens that every contender must reject."""
        stranger = SigningKey.generate(self.algorithm, KEY_ID)
        good = self.tokens[0]
        return {
            "signed by a stranger": _sign(stranger, _claims(0)),
            "one bit changed": good[:-6] + ("A" if good[-6] != "A" else "B") + good[-5:],
            "expired": _sign(self.key, _claims(0) | {"exp": int(time.time()) - 600}),
            "without exp": _sign(
                self.key, {name: value for name, value in _claims(0).items() if name != "exp"}
            ),
            "not valid yet": _sign(self.key, _claims(0) | {"nbf": int(time.time()) + 600}),
            "another issuer": _sign(self.key, _claims(0) | {"iss": "https://other.example.com"}),
            "another audience": _sign(self.key, _claims(0) | {"aud": "https://other.example.com"}),
            "scope missing": _sign(self.key, _claims(0) | {"scope": "orders:write"}),
        }


def _sign(key: SigningKey, claims: Mapping[str, Any]) -> str:
    return sign_compact(claims, key, {"typ": "at+jwt"})


def _claims(number: int) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": ISSUER,
        "sub": f"auth|{number:024}",
        "aud": [AUDIENCE],
        "client_id": "6c2f0d9b1f7a4f7b",
        "iat": now - 10,
        "nbf": now - 10,
        "exp": now + 7200,
        "jti": f"{number:032}",
        "scope": f"openid {SCOPE} orders:write",
        "groups": ["sales", "support"],
    }
