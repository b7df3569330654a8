"""Plans the faults of the tenant from a seed, and injects them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final, TypeAlias

import attrs

from monocloud_mw.testing import LocalTenant, faults
from monocloud_mw.testing._tenant.endpoints import EndpointName

from .durations import Durations
from .fault_periods import FaultPeriod
from .tokens import TokenSource

__all__ = ["FAULTS", "Injector", "Step", "plan_of"]

Fault: TypeAlias = Callable[[LocalTenant], AbstractContextManager[None]]


def _failing(fault: faults.Fault, endpoint: EndpointName | None = None) -> Fault:
    return lambda tenant: tenant.failing(fault, endpoint=endpoint)


FAULTS: Final[Mapping[str, Fault]] = {
    "down": LocalTenant.outage,
    "hang": _failing(faults.hang()),
    "500": _failing(faults.status(500)),
    "half bodies": _failing(faults.half_body()),
    "no keys": _failing(faults.empty_key_set(), "jwks"),
    "html": _failing(faults.html()),
    "reset": _failing(faults.reset()),
    "trickle": _failing(faults.trickle(0.05)),
    "garbage": _failing(faults.garbage()),
    "wrong issuer": _failing(faults.document(), "discovery"),
    "slow": _failing(faults.delay(0.2)),
    "opaque hang": _failing(faults.hang(), "introspection"),
    "429": _failing(faults.status(429)),
    "stall": _failing(faults.stall()),
}
"""The faults by name, as the chart shows it."""


@attrs.frozen
class Step:
    """A fault, then a time without faults, with or without a key rotation."""

    fault: str
    fault_seconds: float
    healthy_seconds: float
    rotation: str | None  # "add", "withdraw" or None


def plan_of(seed: int, seconds: float, durations: Durations) -> list[Step]:
    """Return the faults of a run.

    It ends without faults for long enough to show that the API recovers and that withdrawn keys are
    refused. In a long run some faults last longer than the keys may be used.
    """
    rng = random.Random(seed)
    last_healthy = 1.5 * (durations.settle + durations.lifetime + 1.0)
    left = seconds - last_healthy
    steps: list[Step] = []
    names: list[str] = []
    while left > 0:
        names = names or rng.sample(list(FAULTS), len(FAULTS))
        longest = rng.choice([0.3, 0.6, 1.6]) * (durations.lifetime + min(durations.max_stale, 10.0))
        faulty = min(left, max(0.7, rng.uniform(0.4, 1.0) * longest * min(1.0, seconds / 60)))
        healthy = rng.uniform(0.5, 2.5) * durations.settle * min(1.0, seconds / 60)
        rotation = rng.choice([None, "add", "add", "withdraw"])
        left -= faulty + healthy
        if left <= 0:
            healthy, rotation = last_healthy, "withdraw"
        steps.append(Step(names.pop(), faulty, healthy, rotation))
    return steps


class Injector(threading.Thread):
    """Injects the faults of a plan and records their times."""

    def __init__(self, plan: list[Step], tenant: LocalTenant, tokens: TokenSource) -> None:
        super().__init__(name="injector", daemon=True)
        self.periods: list[FaultPeriod] = []
        self.now = "healthy"
        self.over = threading.Event()
        self._plan = plan
        self._tenant = tenant
        self._tokens = tokens

    def run(self) -> None:
        """Inject the faults; :attr:`over` is set at the end."""
        try:
            for step in self._plan:
                began = time.monotonic()
                self.now = step.fault
                with FAULTS[step.fault](self._tenant):
                    self.over.wait(step.fault_seconds / 2)
                    if step.rotation == "add":
                        self._tokens.rotate(withdraw=False)
                    self.over.wait(step.fault_seconds / 2)
                self.now = "healthy"
                self.periods.append(FaultPeriod(step.fault, began, time.monotonic()))
                self.over.wait(step.healthy_seconds / 3)
                if step.rotation is not None:
                    self._tokens.rotate(withdraw=step.rotation == "withdraw")
                self.over.wait(step.healthy_seconds * 2 / 3)
        finally:
            self.over.set()

    def stop(self) -> None:
        """End early and remove all faults."""
        self.over.set()
        self.join()
