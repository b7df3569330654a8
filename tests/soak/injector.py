"""The faults of the tenant and their times: a plan that follows from a seed, and its execution."""

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
from .mint import Mint
from .weather import Storm

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
"""What may befall the tenant, the most instructive first."""


@attrs.frozen
class Step:
    """A fault for some seconds, then none for some seconds, with or without a key rotation."""

    fault: str
    storm_seconds: float
    calm_seconds: float
    rotation: str | None  # "add", "withdraw" or None


def plan_of(seed: int, seconds: float, durations: Durations) -> list[Step]:
    """Return the faults of a run.

    It ends without faults for long enough to show that the API recovers and that withdrawn keys are
    refused. In a  long run some faults last longer than the keys may be used.
    """
    chance = random.Random(seed)
    last_calm = 1.5 * (durations.settle + durations.lifetime + 1.0)
    left = seconds - last_calm
    steps: list[Step] = []
    names: list[str] = []
    while left > 0:
        names = names or chance.sample(list(FAULTS), len(FAULTS))
        longest = chance.choice([0.3, 0.6, 1.6]) * (durations.lifetime + min(durations.max_stale, 10.0))
        storm = min(left, max(0.7, chance.uniform(0.4, 1.0) * longest * min(1.0, seconds / 60)))
        calm = chance.uniform(0.5, 2.5) * durations.settle * min(1.0, seconds / 60)
        rotation = chance.choice([None, "add", "add", "withdraw"])
        left -= storm + calm
        if left <= 0:
            calm, rotation = last_calm, "withdraw"
        steps.append(Step(names.pop(), storm, calm, rotation))
    return steps


class Injector(threading.Thread):
    """Carries out a plan and records the time of each fault."""

    def __init__(self, plan: list[Step], tenant: LocalTenant, mint: Mint) -> None:
        super().__init__(name="injector", daemon=True)
        self.storms: list[Storm] = []
        self.now = "calm"
        self.over = threading.Event()
        self._plan = plan
        self._tenant = tenant
        self._mint = mint

    def run(self) -> None:
        """Carry out the plan; :attr:`over` is set at its end."""
        try:
            for step in self._plan:
                began = time.monotonic()
                self.now = step.fault
                with FAULTS[step.fault](self._tenant):
                    self.over.wait(step.storm_seconds / 2)
                    if step.rotation == "add":
                        self._mint.rotate(withdraw=False)
                    self.over.wait(step.storm_seconds / 2)
                self.now = "calm"
                self.storms.append(Storm(step.fault, began, time.monotonic()))
                self.over.wait(step.calm_seconds / 3)
                if step.rotation is not None:
                    self._mint.rotate(withdraw=step.rotation == "withdraw")
                self.over.wait(step.calm_seconds * 2 / 3)
        finally:
            self.over.set()

    def stop(self) -> None:
        """End early and remove all faults."""
        self.over.set()
        self.join()
