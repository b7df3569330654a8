"""A set of public keys (RFC 7517 section 5) that is read once and then only looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Self

from .algorithms import SIGNATURE_ALGORITHMS
from .jwk import Jwk, SkippedKeyError, parse_jwk

__all__ = ["KeySet"]

MAX_KEYS: Final = 100
"""More keys than any issuer has; beyond that the rest is skipped."""


class KeySet:
    """The keys of an issuer that can verify signatures, read-only.

    Args:
        keys: in the order of the document.
        skipped: for developers, why each other key of the document is not among them.
    """

    __slots__ = ("_by_algorithm", "_members", "keys", "skipped")

    def __init__(self, keys: tuple[Jwk, ...], skipped: tuple[str, ...] = ()) -> None:
        self.keys = keys
        self.skipped = skipped
        self._members = frozenset(keys)
        self._by_algorithm = {
            name: tuple(key for key in keys if key.fits(algorithm))
            for name, algorithm in SIGNATURE_ALGORITHMS.items()
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Read a JWK Set, and skip the keys that cannot be used.

        Raises:
            ValueError: the document is no JWK Set.
        """
        entries = document.get("keys") if isinstance(document, Mapping) else None
        if not isinstance(entries, (list, tuple)):
            raise ValueError("a key set is an object with an array named keys")
        keys: list[Jwk] = []
        skipped: list[str] = []
        for position, entry in enumerate(entries):
            try:
                keys.append(_parse_entry(position, entry))
            except SkippedKeyError as error:
                skipped.append(f"key {position}: {error}")
        return cls(tuple(keys), tuple(skipped))

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Jwk]:
        return iter(self.keys)

    def __contains__(self, key: object) -> bool:
        return key in self._members

    def __repr__(self) -> str:
        return f"KeySet({len(self.keys)} keys, {len(self.skipped)} skipped)"

    def select(self, algorithm: str, key_id: str | None) -> tuple[Jwk, ...]:
        """Return the keys that may have made a signature: by algorithm, and by ``kid`` where there is one."""
        keys = self._by_algorithm.get(algorithm, ())
        return keys if key_id is None else tuple(key for key in keys if key.key_id == key_id)


def _parse_entry(position: int, entry: Any) -> Jwk:
    if position >= MAX_KEYS:
        raise SkippedKeyError(f"a set has at most {MAX_KEYS} keys")
    if not isinstance(entry, Mapping):
        raise SkippedKeyError("it is not an object")
    return parse_jwk(entry)
