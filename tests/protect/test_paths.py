"""Interpretations of a path: every path that an application might make of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.protect.paths import (
    MAX_INTERPRETATIONS,
    cut_at_prefix,
    list_known_prefixes,
    mask_raw_path,
    read_uncut,
    strip_prefix,
    trace_interpretations,
)

HIDDEN_ADMIN = {
    "repeated slashes": "//admin",
    "repeated slashes inside": "/x/..//admin",
    "dot segment": "/./admin",
    "parent segment": "/public/../admin",
    "more parents than there are": "/../../admin",
    "trailing dot": "/admin/.",
    "trailing parent": "/admin/x/..",
    "encoded slash": "/x%2f..%2fadmin",
    "encoded letter": "/%61dmin",
    "twice encoded letter": "/%2561dmin",
    "thrice encoded letter": "/%252561dmin",
    "encoded dots": "/public/%2e%2e/admin",
    "twice encoded dots": "/public/%252e%252e/admin",
    "backslash": "\\admin",
    "backslash parent": "/public\\..\\admin",
    "encoded backslash": "/public%5c..%5cadmin",
    "parameters": "/admin;a=b",
    "empty parameters": "/admin;",
    "parameters in between": "/x;y/../admin",
    "parameters on the dots": "/public/..;/admin",
    "encoded parameters": "/admin%3ba=b",
    "query": "/admin?x",
    "encoded query": "/admin%3Fx",
    "fragment": "/admin#x",
    "encoded fragment": "/admin%23x",
    "authority": "//host/admin",
    "authority of three slashes": "///admin",
    "absolute form": "http://host/admin",
    "absolute form after a slash": "/http://host/admin",
    "no slash in front": "admin",
    "prefix": "/api/admin",
    "prefix behind repeated slashes": "//api//admin",
    "encoded prefix": "/%61pi/admin",
}
UNREADABLE_PATHS = {
    "NUL": "/admin\x00",
    "encoded NUL": "/admin%00.js",
    "line break": "/admin\n",
    "encoded line break": "/admin%0A",
    "tab": "/ad\tmin",
    "delete": "/admin\x7f",
    "replacement character": "/adm\ufffdin",
    "surrogate": "/adm\udcffin",
    "encoded bytes that are not UTF-8": "/adm%ffin",
    "overlong slash": "/public/..%c0%afadmin",
    "many readings": "/a//./../b;c/%2e%2e%2f%5c%3b%3fx",
    "decoding without end": "/%" + "25" * MAX_INTERPRETATIONS + "41",
}


@pytest.mark.parametrize("path", HIDDEN_ADMIN.values(), ids=HIDDEN_ADMIN)
def test_a_disguised_path_is_among_the_interpretations(path: str) -> None:
    """Every known disguise of /admin has /admin among its interpretations, up to a trailing slash."""
    readings = trace_interpretations([path], ["/api"])
    assert readings is not None
    assert "/admin" in [reading.rstrip("/") for reading in readings]


@pytest.mark.parametrize("path", UNREADABLE_PATHS.values(), ids=UNREADABLE_PATHS)
def test_paths_that_no_normal_client_sends_are_unreadable(path: str) -> None:
    """Control characters, invalid UTF-8 and deeply nested encodings have no interpretations."""
    assert trace_interpretations([path]) is None


@pytest.mark.parametrize(
    "path",
    ["/", "/healthz", "/a/b/", "/caf\xe9/\u65e5\u672c", "/a b", "/100%", "/x.y/..z/...", "/~a!$&'()*+,=:@"],
)
def test_a_plain_path_has_one_interpretation(path: str) -> None:
    """Ordinary paths have one interpretation, whatever letters they contain."""
    assert list(trace_interpretations([path]) or ()) == [path]


def test_the_path_as_given_comes_first() -> None:
    """The path as the server gave it is always the first interpretation."""
    readings = trace_interpretations(["/a/../b"])
    assert list(readings or ()) == ["/a/../b", "/b"]


@pytest.mark.parametrize(("path", "without"), [("/a/b/..", "/a/"), ("/a/.", "/a/"), ("/a/b/../.", "/a/")])
def test_dot_segments_at_the_end_leave_a_slash(path: str, without: str) -> None:
    """They name a directory (RFC 3986 section 5.2.4), in which some frameworks find an empty variable."""
    assert list(trace_interpretations([path]) or ()) == [path, without]


@given(st.text(alphabet="/.\\;%25aeF?#:\u00e9\x00", max_size=40), st.sampled_from(["", "/a", "/a/e/"]))
def test_interpretations_are_closed(path: str, prefix: str) -> None:
    """Interpreting an interpretation gives no new paths, and their number is bounded."""
    readings = trace_interpretations([path], [prefix])
    if readings is None:
        return
    assert len(readings) <= MAX_INTERPRETATIONS
    assert len(readings) == len(set(readings))
    for reading in readings:
        assert unquote(reading) in readings
        assert reading.replace("\\", "/") in readings
        assert reading.split("?")[0].split("#")[0] in readings
        assert strip_prefix(reading, prefix) in readings


@pytest.mark.parametrize(
    ("path", "prefix", "expected"),
    [
        ("/api/orders", "/api", "/orders"),
        ("/api/orders", "/api/", "/orders"),
        ("/api", "/api", ""),
        ("/api/", "/api", "/"),
        ("/apiary", "/api", "/apiary"),
        ("/orders", "/api", "/orders"),
        ("/orders", "", "/orders"),
        ("/orders", "/", "/orders"),
    ],
)
def test_a_prefix_ends_with_a_segment(path: str, prefix: str, expected: str) -> None:
    """A prefix is stripped only at the end of a segment."""
    assert strip_prefix(path, prefix) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("/m/a", "/m/a"), ("/m/%61%2Fb", "/m/a/b"), ("/caf%C3%A9", "/café"), ("", "\ufffd")],
)
def test_the_path_of_the_request_line_is_decoded(raw: str, expected: str) -> None:
    """Without it, a path that was cut for a mount is unreadable."""
    assert read_uncut(raw) == expected


@pytest.mark.parametrize(
    ("path", "prefix", "expected"),
    [
        ("/apiadmin", "/api", "/admin"),
        ("/api;x/admin", "/api", "/;x/admin"),
        ("/x/api/admin", "/api", "/admin"),
        ("/x/apiadmin", "/api", "/admin"),
        ("/x/api", "/api", "/"),
        ("/x/api/api/admin", "/api", "/api/admin"),
        ("/apix/api/admin", "/api/", "/admin"),
        ("//api/admin", "/api", "/admin"),
        ("/api/x/api/admin", "/api", ""),
        ("/api", "/api/", ""),
        ("/api", "/api", ""),
        ("/orders", "/api", ""),
        ("/api/orders", "", ""),
    ],
)
def test_frameworks_that_cut_the_prefix_anywhere_add_an_interpretation(
    path: str, prefix: str, expected: str
) -> None:
    """Only a path outside the prefix has such a second interpretation."""
    assert cut_at_prefix(path, prefix) == expected


@pytest.mark.parametrize(
    ("raw", "masked"),
    [
        ("/caf%C3%A9", ""),
        ("/plain", ""),
        ("/a%2Fb", "/a%2Fb"),
        ("/caf%c3%a9/a%2fb", "/caf\xe9/a%2fb"),
        ("/%2e%2E/%5c%3b%3f%23%25", "/%2e%2E/%5c%3b%3f%23%25"),
        ("/%FF%2f", "/\ufffd%2f"),
    ],
)
def test_a_raw_path_is_decoded_except_where_it_changes_the_structure(raw: str, masked: str) -> None:
    """Characters that stay encoded are those that change the structure for routers that decode afterwards."""
    assert mask_raw_path(raw) == masked


@pytest.mark.parametrize(
    ("app", "prefixes"),
    [
        (SimpleNamespace(root_path="/api"), ["/api"]),
        (SimpleNamespace(app=SimpleNamespace(root_path="/api")), ["/api"]),
        (SimpleNamespace(root_path="/a", app=SimpleNamespace(root_path="/b")), ["/a", "/b"]),
        (SimpleNamespace(root_path=""), []),
        (SimpleNamespace(root_path=b"/api"), []),
        (SimpleNamespace(root_path="/srv/app", import_name="main"), []),
        (None, []),
    ],
    ids=["framework", "wrapped", "both", "empty", "bytes", "Flask", "none"],
)
def test_the_prefix_an_application_strips_is_recognised(app: Any, prefixes: list[str]) -> None:
    """The prefix in root_path is recognised, as FastAPI sets it; a directory of that name is not."""
    assert list_known_prefixes(app) == prefixes
