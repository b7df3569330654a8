"""Which keys a signature is tried with, where its header leaves several: a token without ``kid``, mostly.

A genuine token may be signed by any of them, a forged one by none, and only trying tells them apart. So:

- the key that verified last is tried first, then the others in turn;
- each message adds :data:`MAX_KEYS_TRIED` tries to an allowance, which the tries are taken from. It holds one
  try of every key at most, and that is what a new key set begins with: the first message finds its key
  wherever it is, and forged ones cost no more than that number of tries each, on average;
- where the allowance does not reach for all keys, the next message begins with those that are left.
"""

from __future__ import annotations

from typing import Final

from .jwk import Jwk

__all__ = ["MAX_KEYS_TRIED", "KeySearch"]

MAX_KEYS_TRIED: Final = 3
"""To refuse a message must not cost much more than to accept one, which takes one try."""


class KeySearch:
    """The keys of a set for one algorithm and one ``kid``, or for any, in the order to try them.

    Threads may share it: what a race changes is which keys come first, or that an allowance is used twice.
    """

    __slots__ = ("_allowance", "_order")

    def __init__(self, keys: tuple[Jwk, ...]) -> None:
        self._order = keys
        self._allowance = len(keys)

    def start(self) -> tuple[Jwk, ...]:
        """Return the keys to try for one message, the likeliest first."""
        order = self._order
        self._allowance = min(len(order), self._allowance + MAX_KEYS_TRIED)
        return order[: self._allowance]

    def found(self, key: Jwk, tries: int) -> None:
        """Record which key verified the message, after how many tries, that one included."""
        self._allowance = max(0, self._allowance - tries)
        if tries > 1:
            self._order = (key, *(other for other in self._order if other is not key))

    def failed(self, tries: int) -> None:
        """Record that none of the keys verified the message."""
        self._allowance = max(0, self._allowance - tries)
        order = self._order
        if tries < len(order):
            self._order = (order[0], *order[tries:], *order[1:tries])
