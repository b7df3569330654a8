"""The cost of validating new and repeated tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

from .bare import BARE, bare_verify
from .contenders import OURS, enter, new_async_client
from .harness import compare, repeat, repeat_async
from .report import Bar, Effort, Section
from .tokens import SCOPE, Workload

__all__ = ["measure_new_tokens", "measure_repeated_tokens"]

GOALS: Final = {"RS256": 1.6, "PS256": 1.6, "ES256": 1.3, "EdDSA": 1.3}  # times bare verify
GUARD: Final = 6.0  # a busy machine slows the interpreter down more than it does OpenSSL
CHECKED: Final = ("RS256", "ES256")


def measure_new_tokens(effort: Effort) -> Iterator[Section]:
    """A new token with a known key, all checks."""
    for algorithm in CHECKED if effort.check else GOALS:
        workload = Workload.create(algorithm)
        entered = enter(workload, (OURS, "PyJWT") if effort.check else None)
        runs = {BARE: repeat(bare_verify(workload.tokens[0], workload.key.key.public_key()))}
        runs |= {name: repeat(_deal(validate, workload)) for name, validate in entered.items()}
        found = compare(runs, rounds=effort.rounds)
        ours, bare, pyjwt = found[OURS], found[BARE], found["PyJWT"]
        bars = [Bar.at_most(GOALS[algorithm], "ours to bare verify", ours.over(bare), guard=GUARD)]
        if algorithm == "RS256":
            bars.append(Bar.at_least(2.0, "faster than PyJWT", pyjwt.over(ours), guard=1.1))
        yield Section(
            name=f"new-{algorithm}",
            title=f"{algorithm}, a new token",
            measurements=tuple(found.values()),
            bars=tuple(bars),
        )


def measure_repeated_tokens(effort: Effort) -> Iterator[Section]:
    """A repeated token: all checks of the request are still made."""
    workload = Workload.create("RS256", tokens=1)
    (token,) = workload.tokens
    validate = enter(workload, (OURS, "PyJWT"))
    with asyncio.Runner() as runner:
        client = new_async_client(workload)
        asynchronous = repeat_async(lambda: client.validate_access_token(token, scopes=(SCOPE,)), runner)
        found = compare(
            {
                OURS: repeat(lambda: validate[OURS](token)),
                ASYNC: asynchronous,
                "PyJWT": repeat(lambda: validate["PyJWT"](token)),
            },
            rounds=effort.rounds,
        )
        runner.run(client.aclose())
    ours = found[OURS]
    yield Section(
        name="repeated",
        title="RS256, a token seen before",
        measurements=tuple(found.values()),
        bars=(
            Bar.at_most(3e-6, "ours", ours),
            Bar.at_least(15, "faster than PyJWT", found["PyJWT"].over(ours), guard=5),
            Bar.at_most(1.5, "async to sync", found[ASYNC].over(ours), guard=4),
        ),
    )


ASYNC: Final = f"{OURS}, async"


def _deal(validate: Callable[[str], Any], workload: Workload) -> Callable[[], Any]:
    """Call a contender with a new token each time."""
    next_token = workload.next_token()
    return lambda: validate(next_token())
