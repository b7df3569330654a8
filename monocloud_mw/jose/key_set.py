"""A set of public keys (RFC 7517 section 5), parsed once and indexed by algorithm and ``kid``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Self

from ..quoting import quoted
from .algorithms import SIGNATURE_ALGORITHMS
from .jwk import Jwk, UnusableKeyError, parse_jwk
from .key_search import KeySearch

__all__ = ["KeySet"]

MAX_KEYS: Final = 100
"""More usable keys than any issuer has; further keys are not read. Skipped keys do not count: the size of the
document limits their number."""

MAX_REASONS: Final = 100
"""How many skipped keys are named; further ones are only counted."""


class KeySet:
    """The keys of an issuer that can verify signatures, read-only.

    Args:
        keys: in the order of the document.
        skipped: for the log, why each other key of the document is skipped. A key is named by its position,
            from 0, and by its ``kid``, if it has one.
    """

    __slots__ = ("_fitting", "_members", "_searches", "keys", "skipped")

    def __init__(self, keys: tuple[Jwk, ...], skipped: tuple[str, ...] = ()) -> None:
        self.keys = keys
        self.skipped = skipped
        self._members = frozenset(keys)
        self._fitting: dict[tuple[str, str | None], tuple[Jwk, ...]] = {}
        for name, algorithm in SIGNATURE_ALGORITHMS.items():
            fitting = tuple(key for key in keys if key.supports(algorithm))
            for key_id in {None, *(key.key_id for key in fitting)}:
                self._fitting[name, key_id] = tuple(key for key in fitting if key_id in (None, key.key_id))

        self._searches = {name: KeySearch(fitting) for name, fitting in self._fitting.items() if fitting}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Parse a JWK Set, and skip unusable keys.

        Raises:
            ValueError: the document is not a JWK Set.
        """
        entries = document.get("keys") if isinstance(document, Mapping) else None
        if not isinstance(entries, (list, tuple)):
            raise ValueError("it must be an object with an array named keys")
        keys: list[Jwk] = []
        skipped: list[str] = []
        left_out = 0
        for position, entry in enumerate(entries):
            if len(keys) == MAX_KEYS:
                skipped.append(f"{len(entries) - position} more: at most {MAX_KEYS} usable keys")
                break
            try:
                keys.append(parse_jwk(entry))
            except UnusableKeyError as error:
                if len(skipped) < MAX_REASONS:
                    skipped.append(f"{_name(position, entry)}: {error}")
                else:
                    left_out += 1
        if left_out:
            skipped.append(f"{left_out} more unusable keys")
        return cls(tuple(keys), tuple(skipped))

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Jwk]:
        return iter(self.keys)

    def __contains__(self, key: object) -> bool:
        return key in self._members

    def __repr__(self) -> str:
        return f"KeySet({len(self.keys)} keys, {len(self.skipped)} skipped)"

    def candidates(self, algorithm: str, key_id: str | None) -> tuple[Jwk, ...]:
        """Return the keys that may have made a signature, by algorithm and, unless it is ``None``, by
        ``kid``.

        Several keys may have the same ``kid``; they are returned in the order of the document.
        """
        return self._fitting.get((algorithm, key_id), ())

    def search(self, algorithm: str, key_id: str | None) -> KeySearch | None:
        """Return the search among the keys of :meth:`candidates`, or ``None`` if there are none."""
        return self._searches.get((algorithm, key_id))


def _name(position: int, entry: object) -> str:
    """Return the name of a key in the document, for the log."""
    key_id = entry.get("kid") if isinstance(entry, Mapping) else None
    return f"key {position}" if key_id is None else f"key {position} (kid {quoted(key_id)})"
