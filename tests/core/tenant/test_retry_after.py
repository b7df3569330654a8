"""``Retry-After``: both of its forms, and invalid values."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.core.tenant.retry_after import parse_retry_after
from monocloud_mw.errors import HttpError
from monocloud_mw.http import HttpResponse

NOW: Final = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
NOON: Final = "Tue, 14 Nov 2023 12:00:00 GMT"


def asked(value: str, date: str | None = None, *, status: int = 503) -> float | None:
    """Return the Retry-After of a response in seconds."""
    headers = {"Retry-After": value} if date is None else {"Retry-After": value, "Date": date}
    return parse_retry_after(HttpResponse(status=status, headers=headers), NOW)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 120\t", 120.0),
        ("007", 7.0),
        ("999999999", 999999999.0),
        ("9" * 10, 300.0),
        ("9" * 5000, 300.0),
    ],
    ids=["none", "some", "white space", "zeros", "many", "too many", "beyond int()"],
)
def test_seconds(value: str, expected: float) -> None:
    """Any number of digits is accepted."""
    assert asked(value) == expected


@pytest.mark.parametrize(
    ("value", "date", "expected"),
    [
        ("Tue, 14 Nov 2023 12:00:30 GMT", NOON, 30.0),
        ("Tue, 14 Nov 2023 11:59:30 GMT", NOON, -30.0),
        ("Tuesday, 14-Nov-23 12:00:30 GMT", NOON, 30.0),
        ("Tue Nov 14 12:00:30 2023", NOON, 30.0),
        ("Tue, 14 Nov 2023 13:00:30 +0100", NOON, 30.0),
        ("Tue, 14 Nov 2023 22:14:00 GMT", None, 40.0),
        ("Tue, 14 Nov 2023 22:14:00 GMT", "noon", 40.0),
        ("Tue, 14 Nov 2023 22:14:00 GMT", "x" * 65, 40.0),
    ],
    ids=["IMF", "past", "RFC 850", "asctime", "zone", "no Date", "no date in Date", "long Date"],
)
def test_dates(value: str, date: str | None, expected: float) -> None:
    """Dates are relative to the Date header, or else to the given time (RFC 9110 section 5.6.7)."""
    assert asked(value, date) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "5, 10",
        "\u0665",
        "soon",
        "Tue, 99 Nov 2023 12:00:00 GMT",
        "1" + " " * 70 + "x",
    ],
)
def test_what_is_neither_is_ignored(value: str) -> None:
    """An invalid value is ignored and the default applies."""
    assert asked(value) is None


def test_a_date_without_a_reference_is_ignored() -> None:
    """Without a Date header and a time, a date is ignored."""
    response = HttpResponse(status=503, headers={"retry-after": NOON})
    assert parse_retry_after(response) is None


@pytest.mark.parametrize("status", [200, 301, 404, 500, 502])
def test_other_statuses_are_ignored(status: int) -> None:
    """Only 429 (RFC 6585 section 4) and 503 have a Retry-After."""
    assert asked("7", status=status) is None
    assert asked("7", status=429) == 7.0


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text(value: str, date: str) -> None:
    """For any headers the result is a number that an error can have, or None."""
    seconds = asked(value, date)
    assert seconds is None or 1 <= (HttpError("", retry_after=seconds).retry_after or 0) <= 300
