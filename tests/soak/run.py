"""One run: servers, traffic, an injector and those who watch, put together."""

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

from .durations import Durations
from .injector import Injector, plan_of
from .judge import Evidence
from .memory import MemoryWatch
from .mint import Mint
from .traffic import Sample, Traffic
from .weather import Observer, Storm

__all__ = ["Run", "soak"]

SERVERS: Final = Path(__file__).parents[2] / "docs" / "examples" / "servers.py"
REPORT_SECONDS: Final = 5.0


@attrs.frozen(kw_only=True)
class Run:
    """What happened: the evidence, and what was ordered to happen."""

    evidence: Evidence
    ordered: tuple[Storm, ...]
    seed: int
    began: float


def soak(seconds: float, seed: int, durations: Durations, *, log: IO[str], say: Callable[[str], None]) -> Run:
    """Run for about so many seconds, and return what happened; ``log`` takes what the servers say."""
    with ExitStack() as stack:
        tenant = stack.enter_context(LocalTenant(algorithms=["ES256", "EdDSA"]))
        environment = tenant.environment(tenant.client) | durations.variables
        urls = stack.enter_context(_running_servers(environment, log))
        mint = Mint(tenant)
        traffic = Traffic(urls, mint, seed)
        traffic.warm_up()
        asked = _documents_asked(tenant)
        observer = Observer(tenant, durations.response_timeout / 2)
        memory = MemoryWatch({server: urlsplit(url).port or 0 for server, url in urls.items()})
        injector = Injector(plan_of(seed, seconds, durations), tenant, mint)
        began = time.monotonic()
        for thread in (memory, observer, injector, traffic):
            thread.start()
            stack.callback(thread.stop)
        say(f"{'time':>7}  {'tenant':<22}{'requests':>9}  {'statuses':<44}{'p99':>8}  memory")
        while not injector.over.wait(REPORT_SECONDS):
            say(_line(time.monotonic() - began, injector.now, traffic.samples, memory.sizes))
        traffic.stop()
        observer.stop()
        memory.stop()
        say(_line(time.monotonic() - began, injector.now, traffic.samples, memory.sizes))
        evidence = Evidence(
            durations=durations,
            samples=traffic.samples,
            storms=[*injector.storms, *observer.storms],
            generations=mint.generations,
            memory=memory.sizes,
            documents_asked=_documents_asked(tenant) - asked - observer.documents_asked,
        )
    return Run(evidence=evidence, ordered=tuple(injector.storms), seed=seed, began=began)


def _running_servers(environment: Mapping[str, str], log: IO[str]) -> AbstractContextManager[dict[str, str]]:
    """Start the example APIs, which are no package."""
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
