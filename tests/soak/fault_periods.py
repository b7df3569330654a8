"""When the tenant had faults: those of the injector, and those that a probe observes."""

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

__all__ = ["FaultPeriod", "FaultPeriods", "TenantProbe"]

INTERVAL_SECONDS: Final = 0.1


@attrs.frozen
class FaultPeriod:
    """A time in which the tenant did not respond correctly; monotonic seconds."""

    name: str
    began: float
    ended: float


class FaultPeriods:
    """All periods with faults of a run.

    Args:
        periods: in any order; they may overlap.
        settle: seconds; servers may not notice a shorter time without faults, so it counts as faulty.
    """

    def __init__(self, periods: list[FaultPeriod], settle: float) -> None:
        self._periods: list[tuple[float, float]] = []
        for period in sorted(periods, key=lambda period: period.began):
            if self._periods and period.began - self._periods[-1][1] < settle:
                began, ended = self._periods.pop()
                self._periods.append((began, max(ended, period.ended)))
            else:
                self._periods.append((period.began, period.ended))

    def healthy_before(self, began: float, ended: float) -> float:
        """Return the seconds without faults before ``began``; 0 if there is a fault until ``ended``."""
        return max(
            0.0, began - max((end for start, end in self._periods if start < ended), default=-math.inf)
        )

    def longest_healthy(self, since: float, until: float) -> float:
        """Return the longest time without faults between two moments."""
        inside = [(max(start, since), min(end, until)) for start, end in self._periods]
        edges = [(since, since), *((start, end) for start, end in inside if start <= end), (until, until)]
        return max(0.0, *(later - sooner for (_, sooner), (later, _) in itertools.pairwise(edges)))

    def faulty_for(self, moment: float, settle: float) -> float:
        """Return for how long the tenant has been faulty; a period that has just ended counts."""
        return max(
            (moment - start for start, end in self._periods if start < moment < end + settle), default=0.0
        )


class TenantProbe(threading.Thread):
    """Sends requests to the tenant regularly, and records the periods without correct responses.

    The injector alone does not know of responses that a busy machine delays, or of faults that end late.
    """

    def __init__(self, tenant: LocalTenant, timeout_seconds: float) -> None:
        super().__init__(name="probe", daemon=True)
        self.periods: list[FaultPeriod] = []
        self._tenant = tenant
        self._timeout = timeout_seconds
        self._token = tenant.mint_opaque(lifetime_seconds=24 * 3600)
        self._over = threading.Event()
        self.documents_asked = 0

    def run(self) -> None:
        """Send requests until :meth:`stop`."""
        while not self._over.wait(INTERVAL_SECONDS):
            began = time.monotonic()
            if not self._is_healthy():
                self.periods.append(FaultPeriod("observed", began, time.monotonic()))

    def stop(self) -> None:
        """Stop and wait for the last request."""
        self._over.set()
        self.join()

    def _is_healthy(self) -> bool:
        domain, client = self._tenant.domain, self._tenant.client
        address, began = urlsplit(domain), time.monotonic()
        try:
            socket.create_connection((address.hostname or "", address.port or 0), self._timeout).close()
            metadata = self._get(f"{domain}/.well-known/openid-configuration")
            keys = self._get(metadata["jwks_uri"])
            form = {"token": self._token, "client_id": client.client_id, "client_secret": client.secret}
            introspection = requests.post(
                metadata["introspection_endpoint"], data=form, timeout=self._timeout
            ).json()
        except (OSError, ValueError, LookupError, TypeError):
            return False
        in_time = time.monotonic() - began < self._timeout
        return in_time and bool(keys.get("keys")) and introspection.get("active") is True

    def _get(self, url: str) -> Any:
        self.documents_asked += 1
        return requests.get(url, timeout=self._timeout).json()
