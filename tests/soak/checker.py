"""Compares the responses of a run with what the contract allows.

The checker knows the faults of the tenant, when its keys were published and withdrawn, and the durations of
the servers. For some seconds after an outage or a rotation it cannot know what a server has loaded, so it
allows both responses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Final

import attrs

from .durations import Durations
from .fault_periods import FaultPeriod, FaultPeriods
from .tokens import Generation
from .traffic import KINDS, NO_RESPONSE, Sample

__all__ = ["Observations", "find_problems"]

MEMORY_MIB: Final = 8.0  # growth over the second half of a run that is within the usual variation
DOCUMENTS: Final = 2.5  # per process and cool-down: two while they fail; one on demand and those that are due


@attrs.frozen(kw_only=True)
class Observations:
    """What was recorded during a run.

    Args:
        samples: the requests to the servers, with their responses.
        faults: those of the injector, and those that the probe observed.
        generations: of the tenant's keys.
        memory: MiB of each server, over time: moment and size.
        documents_asked: the number of requests of the servers for documents of the tenant.
    """

    durations: Durations
    samples: Sequence[Sample]
    faults: Sequence[FaultPeriod]
    generations: Sequence[Generation]
    memory: Mapping[str, Sequence[tuple[float, float]]]
    documents_asked: int


def find_problems(observations: Observations) -> list[str]:
    """Return the problems, each with its count, the most frequent first."""
    found = Counter(_problems(observations))
    return [f"{times} x {problem}" for problem, times in found.most_common()]


def allowed_statuses(sample: Sample, observations: Observations, faults: FaultPeriods) -> set[int]:
    """Return the statuses that the contract allows for a request."""
    kind, durations = KINDS[sample.kind], observations.durations
    allowed = {kind.status}
    if kind.needs == "nothing":
        return allowed
    if kind.needs == "answer":
        healthy = faults.healthy_before(sample.began, sample.ended)
        return allowed | ({503} if healthy < durations.settle else set())
    if faults.faulty_for(sample.ended, durations.settle) > durations.max_stale:
        allowed |= {503}
    # While the keys cannot be refreshed, an unknown key may be new: 503.
    healthy = faults.healthy_before(sample.began, sample.ended)
    not_refreshed = {503} if healthy < durations.settle + durations.cooldown else set()
    key = observations.generations[sample.generation]
    is_new = faults.longest_healthy(key.published, sample.began) < durations.settle + durations.cooldown
    if sample.kind == "forged":
        meets_second = sample.status == 503 and _may_meet_second_load(sample, observations)
        return allowed | ({503} if meets_second else not_refreshed)
    if sample.kind == "impostor":
        return allowed | (
            {503} if is_new else set()
        )  # has the key ID of a key that some servers have not loaded
    if not kind.good:
        return allowed
    if is_new:
        # The one refresh of this cool-down may have begun earlier, or a forged key may have caused it.
        allowed |= {401, 503}
    if key.withdrawn is not None and key.withdrawn < sample.ended:
        allowed |= {401, 503}
        if faults.longest_healthy(key.withdrawn, sample.began) > durations.settle + durations.lifetime:
            allowed -= {kind.status} - {401}
    return allowed


def _may_meet_second_load(sample: Sample, observations: Observations) -> bool:
    """Return whether a request may have come while a server loaded its keys a second time in one cool-down.

    An unknown key causes a load. Requests for an unknown key that come meanwhile cause a second one, because
    their key may have been published since; those that come during the second one get 503.
    """
    server = [other for other in observations.samples if other.server == sample.server]
    asking = [other for other in server if other is not sample and _may_ask_for_keys(other, observations)]
    second = [other for other in asking if _overlap(other, sample)]
    return any(_overlap(first, other) for other in second for first in asking if first is not other)


def _may_ask_for_keys(sample: Sample, observations: Observations) -> bool:
    """Return whether a server may lack the key of a request, or find that it does not match."""
    if not KINDS[sample.kind].good:
        return sample.kind in ("forged", "impostor")
    key, durations = observations.generations[sample.generation], observations.durations
    is_new = sample.began - key.published < durations.settle + durations.lifetime
    return is_new or (key.withdrawn is not None and key.withdrawn < sample.ended)


def _overlap(one: Sample, other: Sample) -> bool:
    return one.began < other.ended and other.began < one.ended


def _problems(observations: Observations) -> Iterator[str]:
    faults = FaultPeriods(list(observations.faults), observations.durations.settle)
    for sample in observations.samples:
        yield from _problems_of(sample, observations, faults)
    yield from _problems_of_memory(observations)
    yield from _problems_of_load(observations)


def _problems_of(sample: Sample, observations: Observations, faults: FaultPeriods) -> Iterator[str]:
    who = f"{sample.server}: {sample.kind}"
    if sample.status == NO_RESPONSE:
        yield f"{who}: no response"
        return
    allowed = allowed_statuses(sample, observations, faults)
    if sample.status not in allowed:
        yield f"{who}: {sample.status} instead of {' or '.join(map(str, sorted(allowed)))}"
    if sample.ended - sample.began > observations.durations.bound:
        yield f"{who}: longer than {observations.durations.bound:g} s"
    if sample.status == 503 and not sample.headers.get("retry-after", "").isdigit():
        yield f"{who}: 503 without Retry-After"
    if sample.status in (400, 401, 403) and not sample.headers.get("www-authenticate", "").startswith(
        "Bearer"
    ):
        yield f"{who}: {sample.status} without a challenge"


def _problems_of_memory(observations: Observations) -> Iterator[str]:
    for server, sizes in observations.memory.items():
        before, after = _median(sizes, 0.4, 0.6), _median(sizes, 0.8, 1.0)
        if after - before > MEMORY_MIB:
            yield f"{server}: memory grew from {before:.0f} to {after:.0f} MiB"


def _median(sizes: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    part = sizes[int(begin * len(sizes)) : max(int(end * len(sizes)), int(begin * len(sizes)) + 1)]
    return median(size for _, size in part) if part else 0.0


def _problems_of_load(observations: Observations) -> Iterator[str]:
    """Each server may send a few requests per cool-down, whatever the number of forged keys."""
    if not observations.samples:
        yield "no requests were sent"
        return
    seconds = observations.samples[-1].ended - observations.samples[0].began
    servers = len({sample.server for sample in observations.samples})
    most = servers * DOCUMENTS * (seconds / observations.durations.cooldown + 1)
    if observations.documents_asked > most:
        yield f"{observations.documents_asked} requests for documents, at most {most:.0f} are allowed"
