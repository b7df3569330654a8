"""The order in which keys are tried if several match a header, as for tokens without ``kid``.

A valid token may be signed by any of these keys, a forged one by none, so the keys have to be tried. Rules:

- the key that verified a signature last is tried first, then the others in turn;
- an allowance limits the number of tries. Each message adds :data:`MAX_KEYS_TRIED` tries to it, and each try
  takes one. It is at most the number of keys, which is also its initial value: the first message is tried
  with every key, and forged messages cost at most :data:`MAX_KEYS_TRIED` tries each on average;
- if the allowance is too small for all keys, the next message continues with the remaining ones.
"""

from __future__ import annotations

from typing import Final

from .jwk import Jwk

__all__ = ["MAX_KEYS_TRIED", "KeySearch"]

MAX_KEYS_TRIED: Final = 3
"""Rejecting a message must not take much longer than accepting one, which needs one try."""


class KeySearch:
    """The keys of a set for one algorithm and one ``kid`` (or any), in the order in which to try them.

    The allowance is charged with the first try at once, and with further ones when a message has been tried.
    Threads may share it: a race can only change the order, or use an allowance twice.
    """

    __slots__ = ("_allowance", "_order")

    def __init__(self, keys: tuple[Jwk, ...]) -> None:
        self._order = keys
        self._allowance = len(keys)

    def start(self) -> tuple[Jwk, ...]:
        """Return the keys to try for one message, the likeliest first; there is at least one."""
        order = self._order
        if len(order) <= MAX_KEYS_TRIED:
            return order  # each message may try them all
        allowance = min(len(order), self._allowance + MAX_KEYS_TRIED)
        self._allowance = allowance - 1
        return order[:allowance]

    def found(self, key: Jwk, failures: int) -> None:
        """Record the key that verified a message after others had failed to."""
        self._allowance = max(0, self._allowance - failures)
        self._order = (key, *(other for other in self._order if other is not key))

    def failed(self, failures: int) -> None:
        """Record that none of the keys tried, one or more, verified the message."""
        self._allowance = max(0, self._allowance - (failures - 1))
        order = self._order
        if failures < len(order):
            self._order = (order[0], *order[failures:], *order[1:failures])
