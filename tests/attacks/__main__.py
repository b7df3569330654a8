"""Compare the cost of refusing each attack with that of accepting a new valid token.

All attacks are timed briefly. The most expensive ones are then measured carefully, in turns with the valid
token of the same key, so that changes of the machine's speed affect both alike.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from monocloud_mw import BackendClient, MonoCloudError, Presented

from ..benchmarks.harness import compare, repeat
from .api import NEEDED
from .attack import Attack, options
from .table import ATTACKS

BRIEFLY: Final = 20  # calls, of which the fastest is used
BOUND: Final = 3.0  # times the cost of a valid token: anything above is a defect


def main() -> int:
    """Print the table; return 1 if an attack costs more than the bound."""
    parser = argparse.ArgumentParser(prog="make cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="how often the worst are measured")
    parser.add_argument("--worst", type=int, default=12, help="how many of them")
    arguments = parser.parse_args()
    settled = {"jwks_cache_duration": 86400, "metadata_cache_duration": 86400, "refresh_cooldown": 3600}
    with BackendClient(options(jwt_cache_size=0, **settled)) as client:
        print(f"{len(ATTACKS)} attacks, each timed {BRIEFLY} times beside a good token", flush=True)
        ratios = {name: _brief_ratio(client, attack) for name, attack in ATTACKS.items()}
        cheaper = sum(ratio <= 1 for ratio in ratios.values())
        print(f"{cheaper} are refused faster than a good token is accepted; these are the worst:\n")
        print(f"{'attack':58} {'refused':>10} {'good':>10} {'ratio':>7}", flush=True)
        worst = 0.0
        for name in sorted(ratios, key=ratios.__getitem__, reverse=True)[: arguments.worst]:
            worst = max(worst, _print_row(client, name, arguments.rounds))
    print(f"\nThe worst refusal costs {worst:.2f} times what a good token does; the bound is {BOUND:g}.")
    return 0 if worst <= BOUND else 1


def _call(client: BackendClient, token: str, certificate: bytes | None) -> Callable[[], None]:
    credentials = Presented(token, client_certificate=certificate)

    def authenticate() -> None:
        with contextlib.suppress(MonoCloudError):
            client.authenticate(credentials, NEEDED)

    return authenticate


def _brief_ratio(client: BackendClient, attack: Attack) -> float:
    refuse = _call(client, attack.token, attack.certificate)
    accept = _call(client, attack.control, attack.certificate)
    times = [(_seconds(refuse), _seconds(accept)) for _ in range(BRIEFLY)]
    return min(seconds for seconds, _ in times) / min(seconds for _, seconds in times)


def _seconds(call: Callable[[], None]) -> float:
    start = time.thread_time_ns()
    call()
    return max(1, time.thread_time_ns() - start) / 1e9


def _print_row(client: BackendClient, name: str, rounds: int) -> float:
    attack = ATTACKS[name]
    call = partial(_call, client, certificate=attack.certificate)
    contenders = {"refused": repeat(call(attack.token)), "good": repeat(call(attack.control))}
    measured = compare(contenders, rounds=rounds)
    refused, good = measured["refused"], measured["good"]
    ratio = refused.over(good).median
    microseconds = f"{refused.median * 1e6:7.0f} us {good.median * 1e6:7.0f} us"
    print(f"{ascii(name)[1:-1][:58]:58} {microseconds} {ratio:7.2f}", flush=True)
    return ratio


if __name__ == "__main__":
    sys.exit(main())
