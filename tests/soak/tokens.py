"""Creates the tokens of a run, and records which generation of keys signed each."""

from __future__ import annotations

import collections
import itertools
import random
import threading
import time
from typing import Any, Final

import attrs

from monocloud_mw.testing import LocalTenant

__all__ = ["Generation", "Token", "TokenSource"]

REPEATED: Final = 40


@attrs.frozen
class Generation:
    """When keys were published and withdrawn: monotonic seconds, ``None`` if not withdrawn."""

    published: float
    withdrawn: float | None = None


@attrs.frozen
class Token:
    """A token, and the number of the generation whose key signed it."""

    text: str
    generation: int


class TokenSource:
    """Mints tokens of the tenant and rotates its keys."""

    def __init__(self, tenant: LocalTenant) -> None:
        self.generations = [Generation(time.monotonic() - 3600)]
        self._tenant = tenant
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._seen: collections.deque[Token] = collections.deque(maxlen=REPEATED)
        self.opaque: Final = [tenant.mint_opaque(subject=f"opaque {number}") for number in range(REPEATED)]

    def mint(self, **parameters: Any) -> Token:
        """Return a new token, signed by the newest key by default."""
        with self._lock:
            text = self._tenant.mint(subject=f"user {next(self._numbers)}", **parameters)
            return Token(text, len(self.generations) - 1)

    def forge(self) -> Token:
        """Return a token signed by an unknown key, with a key ID of its own."""
        return self.mint(signed_by="stranger", header={"kid": f"forged {next(self._numbers)}"})

    def repeated(self, rng: random.Random) -> Token:
        """Return a valid token, usually one that was presented before, possibly signed by an older key."""
        with self._lock:
            known = list(self._seen)
        if known and rng.random() < 0.95:
            return rng.choice(known)
        token = self.mint()
        with self._lock:
            self._seen.append(token)
        return token

    def rotate(self, *, withdraw: bool) -> None:
        """Sign with a new key from now on, and withdraw all others if told so."""
        with self._lock:
            self._tenant.rotate_keys(withdraw=withdraw)
            now = time.monotonic()
            if withdraw:
                self.generations = [
                    attrs.evolve(generation, withdrawn=generation.withdrawn or now)
                    for generation in self.generations
                ]
            self.generations = [*self.generations, Generation(now)]
