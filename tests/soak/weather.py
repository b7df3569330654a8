"""What state the tenant was in, and when."""

from __future__ import annotations

import itertools
import math
import socket
import threading
import time
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
import requests

from monocloud_mw.testing import LocalTenant

__all__ = ["Observer", "Storm", "Weather"]

EVERY_SECONDS: Final = 0.1


@attrs.frozen
class Storm:
    """A time in which the tenant did not do its part; monotonic seconds."""

    name: str
    began: float
    ended: float


class Weather:
    """All storms of a run.

    Args:
        storms: in any order; they may overlap.
        settle: calm that is shorter may have gone by unnoticed, and counts as storm.
    """

    def __init__(self, storms: list[Storm], settle: float) -> None:
        self._fronts: list[tuple[float, float]] = []
        for storm in sorted(storms, key=lambda storm: storm.began):
            if self._fronts and storm.began - self._fronts[-1][1] < settle:
                began, ended = self._fronts.pop()
                self._fronts.append((began, max(ended, storm.ended)))
            else:
                self._fronts.append((storm.began, storm.ended))

    def calm_before(self, began: float, ended: float) -> float:
        """Return how long all had been well when ``began``; 0 where it did not stay so until ``ended``."""
        return max(0.0, began - max((end for start, end in self._fronts if start < ended), default=-math.inf))

    def longest_calm(self, since: float, until: float) -> float:
        """Return the longest time in one piece in which the tenant did its part, between two moments."""
        inside = [(max(start, since), min(end, until)) for start, end in self._fronts]
        edges = [(since, since), *((start, end) for start, end in inside if start <= end), (until, until)]
        return max(0.0, *(later - sooner for (_, sooner), (later, _) in itertools.pairwise(edges)))

    def away_until(self, moment: float, settle: float) -> float:
        """Return how long the storm of this moment has been going on, or one that has ended lately."""
        return max(
            (moment - start for start, end in self._fronts if start < moment < end + settle), default=0.0
        )


class Observer(threading.Thread):
    """Asks the tenant like any client, so that what it really does is known, and not only what was ordered.

    A machine that is too busy to let the tenant answer in time is a storm as well; so is a fault that ends
    later than it should.
    """

    def __init__(self, tenant: LocalTenant, patience_seconds: float) -> None:
        super().__init__(name="observer", daemon=True)
        self.storms: list[Storm] = []
        self._tenant = tenant
        self._patience = patience_seconds
        self._token = tenant.mint_opaque(lifetime_seconds=24 * 3600)
        self._over = threading.Event()
        self.documents_asked = 0

    def run(self) -> None:
        """Observe until :meth:`stop`."""
        while not self._over.wait(EVERY_SECONDS):
            began = time.monotonic()
            if not self._is_well():
                self.storms.append(Storm("observed", began, time.monotonic()))

    def stop(self) -> None:
        """Observe no more."""
        self._over.set()
        self.join()

    def _is_well(self) -> bool:
        domain, client = self._tenant.domain, self._tenant.client
        address, began = urlsplit(domain), time.monotonic()
        try:
            socket.create_connection((address.hostname or "", address.port or 0), self._patience).close()
            metadata = self._get(f"{domain}/.well-known/openid-configuration")
            keys = self._get(metadata["jwks_uri"])
            form = {"token": self._token, "client_id": client.client_id, "client_secret": client.secret}
            said = requests.post(metadata["introspection_endpoint"], data=form, timeout=self._patience).json()
        except (OSError, ValueError, LookupError, TypeError):
            return False
        in_time = time.monotonic() - began < self._patience
        return in_time and bool(keys.get("keys")) and said.get("active") is True

    def _get(self, url: str) -> Any:
        self.documents_asked += 1
        return requests.get(url, timeout=self._patience).json()
