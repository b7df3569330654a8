"""Runs the servers, the traffic, the injector and the monitors."""

from __future__ import annotations

import importlib.util
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

import attrs

from monocloud_mw.testing import LocalTenant

from .checker import Observations
from .durations import Durations
from .fault_periods import FaultPeriod, TenantProbe
from .injector import Injector, plan_of
from .memory import MemoryMonitor
from .tokens import TokenSource
from .traffic import Sample, Traffic

__all__ = ["Run", "soak"]

SERVERS: Final = Path(__file__).parents[2] / "docs" / "examples" / "servers.py"
REPORT_SECONDS: Final = 5.0


@attrs.frozen(kw_only=True)
class Run:
    """The observations, and the faults that were injected."""

    observations: Observations
    injected: tuple[FaultPeriod, ...]
    seed: int
    began: float


def soak(seconds: float, seed: int, durations: Durations, *, log: IO[str], say: Callable[[str], None]) -> Run:
    """Run for about ``seconds`` and return the observations; ``log`` gets the output of the servers."""
    with ExitStack() as stack:
        tenant = stack.enter_context(LocalTenant(algorithms=["ES256", "EdDSA"]))
        environment = tenant.environment(tenant.client) | durations.variables
        urls = stack.enter_context(_running_servers(environment, log))
        tokens = TokenSource(tenant)
        traffic = Traffic(urls, tokens, seed)
        traffic.warm_up()
        asked = _documents_asked(tenant)
        probe = TenantProbe(tenant, durations.response_timeout / 2)
        memory = MemoryMonitor({server: urlsplit(url).port or 0 for server, url in urls.items()})
        injector = Injector(plan_of(seed, seconds, durations), tenant, tokens)
        began = time.monotonic()
        for thread in (memory, probe, injector, traffic):
            thread.start()
            stack.callback(thread.stop)
        say(f"{'time':>7}  {'tenant':<22}{'requests':>9}  {'statuses':<44}{'p99':>8}  memory")
        while not injector.over.wait(REPORT_SECONDS):
            say(_line(time.monotonic() - began, injector.now, traffic.samples, memory.sizes))
        traffic.stop()
        probe.stop()
        memory.stop()
        say(_line(time.monotonic() - began, injector.now, traffic.samples, memory.sizes))
        observations = Observations(
            durations=durations,
            samples=traffic.samples,
            faults=[*injector.periods, *probe.periods],
            generations=tokens.generations,
            memory=memory.sizes,
            documents_asked=_documents_asked(tenant) - asked - probe.documents_asked,
        )
    return Run(observations=observations, injected=tuple(injector.periods), seed=seed, began=began)


def _running_servers(environment: Mapping[str, str], log: IO[str]) -> AbstractContextManager[dict[str, str]]:
    """Start the example APIs; their module is loaded by path, since it is not in a package."""
    spec = importlib.util.spec_from_file_location("servers", SERVERS)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    servers: AbstractContextManager[dict[str, str]] = module.running_servers(environment, log=log)
    return servers


def _documents_asked(tenant: LocalTenant) -> int:
    return tenant.requests.count("discovery") + tenant.requests.count("jwks")


def _line(
    seconds: float, tenant: str, samples: list[Sample], memory: Mapping[str, list[tuple[float, float]]]
) -> str:
    lately = [sample for sample in samples if sample.ended > time.monotonic() - REPORT_SECONDS]
    statuses = Counter(sample.status for sample in lately)
    counts = "  ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
    durations = sorted(sample.ended - sample.began for sample in lately) or [0.0]
    slowest = 1000 * durations[int(0.99 * (len(durations) - 1))]
    sizes = " + ".join(f"{series[-1][1]:.0f}" for series in memory.values() if series)
    return f"{seconds:>5.0f} s  {tenant:<22}{len(samples):>9}  {counts:<44}{slowest:>5.0f} ms  {sizes} MiB"
