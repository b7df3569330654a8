"""The failure rate: whether nearly all requests fail."""

from __future__ import annotations

import pytest

from monocloud_mw.core.tenant.failure_rate import WINDOW_SECONDS, FailureRate


def rate_of(successes: int, failures: int, now: float = 0.0) -> FailureRate:
    """Return a rate with the given numbers of successes and failures."""
    rate = FailureRate()
    for _ in range(successes):
        rate.record_success(now)
    for _ in range(failures):
        rate.record_failure(now)
    return rate


@pytest.mark.parametrize(
    ("successes", "failures", "high"),
    [
        (0, 0, False),
        (0, 9, False),
        (0, 10, True),
        (1, 37, False),
        (1, 38, True),
        (10, 208, False),
        (10, 209, True),
        (149, 298, False),
        (100, 0, False),
    ],
)
def test_the_rate_is_high_where_nearly_everything_fails(successes: int, failures: int, high: bool) -> None:
    """The rate is high after ten failures without a success, or nineteen for each success."""
    assert rate_of(successes, failures).is_high(10, 0.0) is high


@pytest.mark.parametrize("kept_for", [WINDOW_SECONDS / 2, WINDOW_SECONDS - 0.001])
def test_what_happened_lately_counts(kept_for: float) -> None:
    """The newer half of the window always counts, the older half until the newer one is full."""
    assert rate_of(0, 10).is_high(10, kept_for)
    assert not rate_of(1, 10).is_high(10, kept_for)


@pytest.mark.parametrize("later", [WINDOW_SECONDS, 10 * WINDOW_SECONDS])
def test_what_happened_long_ago_does_not_count(later: float) -> None:
    """Successes and failures outside the window do not count."""
    assert not rate_of(0, 10).is_high(10, later)
    rate = rate_of(100, 0)
    for _ in range(10):
        rate.record_failure(later)
    assert rate.is_high(10, later)


def test_the_window_moves_on_by_halves() -> None:
    """Under steady traffic the older half is dropped when the newer half is full."""
    rate, half = rate_of(100, 0), WINDOW_SECONDS / 2
    for _ in range(10):
        rate.record_failure(half)
    assert not rate.is_high(10, half)
    assert rate.is_high(10, 2 * half)
