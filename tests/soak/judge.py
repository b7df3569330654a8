"""Compares what happened with what the contract allows.

The judge knows what the tenant did, when its keys came and went, and how fast the servers live. Where it
cannot know what a server knew already (some seconds after an outage or a rotation) it allows both answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Final

import attrs

from .durations import Durations
from .mint import Generation
from .traffic import KINDS, NO_RESPONSE, Sample
from .weather import Storm, Weather

__all__ = ["Evidence", "judge"]

MEMORY_MIB: Final = 8.0  # growth over the second half of a run that may be chance
DOCUMENTS: Final = 2.5  # per process and cool-down: two while they fail; one on demand and those that are due


@attrs.frozen(kw_only=True)
class Evidence:
    """What was seen of a run.

    Args:
        samples: the requests to the servers.
        storms: ordered and observed ones.
        generations: of the tenant's keys.
        memory: MiB of each server, over time: moment and size.
        documents_asked: how often the servers asked the tenant for a document.
    """

    durations: Durations
    samples: Sequence[Sample]
    storms: Sequence[Storm]
    generations: Sequence[Generation]
    memory: Mapping[str, Sequence[tuple[float, float]]]
    documents_asked: int


def judge(evidence: Evidence) -> list[str]:
    """Return what was wrong, each with how often it was and the first time; empty where nothing was."""
    found = Counter(complaint for complaint in _complaints(evidence))
    return [f"{times} x {complaint}" for complaint, times in found.most_common()]


def allowed_statuses(sample: Sample, evidence: Evidence, weather: Weather) -> set[int]:
    """Return the statuses that the contract allows for a request."""
    kind, durations = KINDS[sample.kind], evidence.durations
    allowed = {kind.status}
    if kind.needs == "nothing":
        return allowed
    if kind.needs == "answer":
        calm = weather.calm_before(sample.began, sample.ended)
        return allowed | ({503} if calm < durations.settle else set())
    if weather.away_until(sample.ended, durations.settle) > durations.max_stale:
        allowed |= {503}
    # An unknown key: while the keys cannot be refreshed, it is unknown whether the key is new.
    calm = weather.calm_before(sample.began, sample.ended)
    turned_away = {503} if calm < durations.settle + durations.cooldown else set()
    key = evidence.generations[sample.generation]
    is_new = weather.longest_calm(key.published, sample.began) < durations.settle + durations.cooldown
    if sample.kind == "forged":
        return allowed | turned_away
    if sample.kind == "impostor":
        return allowed | ({503} if is_new else set())  # under the id of a key that is not known everywhere
    if not kind.good:
        return allowed
    if is_new:
        # A forged key may have used up this cool-down, or its load may have begun before this key came.
        allowed |= {401, 503}
    if key.withdrawn is not None and key.withdrawn < sample.ended:
        allowed |= {401, 503}
        if weather.longest_calm(key.withdrawn, sample.began) > durations.settle + durations.lifetime:
            allowed -= {kind.status} - {401}
    return allowed


def _complaints(evidence: Evidence) -> Iterator[str]:
    weather = Weather(list(evidence.storms), evidence.durations.settle)
    for sample in evidence.samples:
        yield from _complaints_about(sample, evidence, weather)
    yield from _complaints_about_memory(evidence)
    yield from _complaints_about_load(evidence)


def _complaints_about(sample: Sample, evidence: Evidence, weather: Weather) -> Iterator[str]:
    who = f"{sample.server}: {sample.kind}"
    if sample.status == NO_RESPONSE:
        yield f"{who}: no response"
        return
    allowed = allowed_statuses(sample, evidence, weather)
    if sample.status not in allowed:
        yield f"{who}: {sample.status} instead of {' or '.join(map(str, sorted(allowed)))}"
    if sample.ended - sample.began > evidence.durations.bound:
        yield f"{who}: longer than {evidence.durations.bound:g} s"
    if sample.status == 503 and not sample.headers.get("retry-after", "").isdigit():
        yield f"{who}: 503 without Retry-After"
    if sample.status in (400, 401, 403) and not sample.headers.get("www-authenticate", "").startswith(
        "Bearer"
    ):
        yield f"{who}: {sample.status} without a challenge"


def _complaints_about_memory(evidence: Evidence) -> Iterator[str]:
    for server, sizes in evidence.memory.items():
        before, after = _median(sizes, 0.4, 0.6), _median(sizes, 0.8, 1.0)
        if after - before > MEMORY_MIB:
            yield f"{server}: memory grew from {before:.0f} to {after:.0f} MiB"


def _median(sizes: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    part = sizes[int(begin * len(sizes)) : max(int(end * len(sizes)), int(begin * len(sizes)) + 1)]
    return median(size for _, size in part) if part else 0.0


def _complaints_about_load(evidence: Evidence) -> Iterator[str]:
    """However many forged keys there were, and however long the outages: a few requests per cool-down."""
    if not evidence.samples:
        yield "there was no traffic"
        return
    seconds = evidence.samples[-1].ended - evidence.samples[0].began
    servers = len({sample.server for sample in evidence.samples})
    most = servers * DOCUMENTS * (seconds / evidence.durations.cooldown + 1)
    if evidence.documents_asked > most:
        yield f"the tenant was asked for {evidence.documents_asked} documents, and {most:.0f} would do"
