"""Looking up a path is cheap, whatever the path, compared with accepting a new valid token."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import pytest

from monocloud_mw import BackendClient, Presented, Rule
from monocloud_mw.protect.paths import MAX_PATH_CHARACTERS
from monocloud_mw.protect.policy import Policy

from .api import NEEDED
from .attack import GOOD, JWKS, options

MOST: Final = 5.0  # times the cost of a new valid token
UNITS: Final = [
    *(
        "/",
        "/a",
        "/a/",
        "%25",
        "%",
        "%2f",
        "%2e%2e/",
        "..%2f",
        "/../",
        "/./",
        "\\",
        "%5c",
        ";",
        "/;x",
        "?",
        "#",
    ),
    *("a", "\u00e9", "/x", "/a/b", "-", "%2523", "://a", "/api", "%41", "#?", "/x/y"),
]
RULES: Final = [
    Rule("/healthz", public=True),
    Rule("/static/<path:file>", public=True),
    Rule("/tags/<name>/posts", public=True),
    Rule("/orders/<int:number>", groups="staff"),
    Rule("/<path:a>/x/<path:b>/y", groups="a"),
    Rule("/<path:folder>/edit", groups="editors"),
    *(Rule(f"/part{number}/<path:rest>", groups="parts") for number in range(20)),
]
MADE: Final = {
    **{f"{a}{b}": a + b for a, b in itertools.product(UNITS, UNITS)},
}


def _seconds(call: Callable[[], Any], times: int) -> float:
    """Return the least time of several calls, without the cost of measuring coverage."""
    tracing, quickest = sys.gettrace(), 1e9
    sys.settrace(None)
    try:
        for _ in range(times):
            start = time.thread_time()
            call()
            quickest = min(quickest, time.thread_time() - start)
    finally:
        sys.settrace(tracing)
    return quickest


@pytest.fixture(scope="module")
def good() -> float:
    """Return the seconds that a valid token takes when it is not cached."""
    return _good_seconds()


def _good_seconds() -> float:
    with BackendClient(options(jwt_cache_size=0, jwks_resolver=lambda: JWKS)) as client:
        return _seconds(lambda: client.authenticate(Presented(GOOD), NEEDED), 100)


@pytest.mark.parametrize("length", [64, 256, 512, 1024, MAX_PATH_CHARACTERS])
@pytest.mark.parametrize("mount", ["", "/api"])
def test_no_path_costs_more_than_five_good_tokens(good: float, mount: str, length: int) -> None:
    """Looking up a new path takes at most five times as long as accepting a new token."""
    policy = Policy(RULES)
    numbers = itertools.count()

    def look_up(unit: str, front: str) -> Any:
        path = f"{front}{next(numbers)}/{unit * (length // len(unit))}"  # a new path for each call
        return policy.requirements_for("GET", path[: length - len(mount)], prefix=mount)

    for unit, front in itertools.product(MADE.values(), ["/", "/static/"]):
        for times in (1, 20, 200):  # another process may have been running
            seconds = _seconds(lambda: look_up(unit, front), times)  # noqa: B023
            if seconds <= MOST * good:
                break
            good = max(good, _good_seconds())
        else:
            pytest.fail(f"{front}{unit} costs {seconds / good:.1f} new tokens")
