"""Recognising CORS preflight requests."""

from __future__ import annotations

import pytest

from monocloud_mw.protect.cors import is_cors_preflight


@pytest.mark.parametrize(
    ("method", "origin", "requested", "expected"),
    [
        ("OPTIONS", "https://a.example", "POST", True),
        ("OPTIONS", b"https://a.example", b"POST", True),
        ("options", "https://a.example", "POST", False),
        ("GET", "https://a.example", "POST", False),
        ("OPTIONS", None, "POST", False),
        ("OPTIONS", "", "POST", False),
        ("OPTIONS", "https://a.example", None, False),
        ("OPTIONS", "https://a.example", "", False),
    ],
)
def test_a_preflight_needs_method_and_both_headers(
    method: str, origin: str | None, requested: str | None, expected: bool
) -> None:
    """A preflight is an OPTIONS request with the headers Origin and Access-Control-Request-Method."""
    assert is_cors_preflight(method, origin, requested) is expected
