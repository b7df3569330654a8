"""The signing keys of a local tenant and its published key set.

There is one current key per algorithm. A rotation replaces the current keys; the old ones stay published
until a rotation withdraws them. For invalid tokens there are keys that are not published: that of
``stranger`` has an unknown key id, that of ``impostor`` has the key id of the tenant's current key.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

from ...jose import SIGNATURE_ALGORITHMS, SigningKey

__all__ = ["DEFAULT_ALGORITHMS", "KeyRing", "Signer"]

DEFAULT_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")

Signer: TypeAlias = Literal["tenant", "stranger", "impostor"]
"""The signer of a token: the tenant, an unknown key, or a wrong key with the tenant's key id."""


class KeyRing:
    """Has keys for ``algorithms``, the first of which is the default; thread-safe.

    Raises:
        ValueError: an algorithm is unknown, or none is given.
    """

    def __init__(self, algorithms: Iterable[str] = DEFAULT_ALGORITHMS) -> None:
        self.algorithms = tuple(algorithms)
        if not self.algorithms or not set(self.algorithms) <= set(SIGNATURE_ALGORITHMS):
            raise ValueError(f"algorithms must be some of {', '.join(SIGNATURE_ALGORITHMS)}")
        self._lock = threading.Lock()
        self._current = {algorithm: _generate(algorithm) for algorithm in self.algorithms}
        self._retired: tuple[SigningKey, ...] = ()
        self._foreign: dict[tuple[str, str], SigningKey] = {}

    def key(self, algorithm: str | None = None, signer: Signer = "tenant") -> SigningKey:
        """Return the signing key of ``signer``.

        Raises:
            ValueError: the tenant has no key for the algorithm, or the signer is unknown.
        """
        algorithm = self.algorithms[0] if algorithm is None else algorithm
        current = self._current.get(algorithm)
        if current is None:
            raise ValueError(f"this tenant signs with {', '.join(self.algorithms)}")
        match signer:
            case "tenant":
                return current
            case "stranger":
                return self._foreign_key(algorithm, _new_key_id(algorithm, "stranger"), signer)
            case "impostor":
                return self._foreign_key(algorithm, current.key_id or "", current.key_id or "")
        raise ValueError("signed_by must be tenant, stranger or impostor, or a SigningKey")

    def rotate(self, algorithms: Iterable[str] | None = None, *, withdraw: bool = False) -> None:
        """Sign with new keys from now on.

        Args:
            algorithms: the algorithms whose keys are replaced; default: all.
            withdraw: stop publishing all older keys, including those of earlier rotations.

        Raises:
            ValueError: the tenant has no key for an algorithm.
        """
        replaced = [
            self.key(algorithm) for algorithm in (self.algorithms if algorithms is None else algorithms)
        ]
        fresh = {key.algorithm: _generate(key.algorithm) for key in replaced}
        with self._lock:
            self._retired = () if withdraw else (*self._retired, *replaced)
            self._current = {**self._current, **fresh}

    def published(self) -> dict[str, list[dict[str, Any]]]:
        """Return the key set (RFC 7517 section 5), current keys first."""
        with self._lock:
            keys = (*self._current.values(), *self._retired)
        return {"keys": [key.public_jwk() for key in keys]}

    def _foreign_key(self, algorithm: str, key_id: str, signer: str) -> SigningKey:
        with self._lock:
            key = self._foreign.get((algorithm, signer))
            if key is None:
                key = self._foreign[algorithm, signer] = SigningKey.generate(algorithm, key_id=key_id)
        return key


def _generate(algorithm: str) -> SigningKey:
    return SigningKey.generate(algorithm, key_id=_new_key_id(algorithm))


def _new_key_id(algorithm: str, owner: str = "tenant") -> str:
    return f"{owner}-{algorithm}-{secrets.token_hex(4)}".lower()
