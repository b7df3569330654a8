"""OpenTelemetry metrics and span attributes, read back from the SDK's in-memory exporters."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, Final

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from monocloud_mw import BackendClient, Guard, Refused, Requirements
from monocloud_mw.events import (
    CacheFailed,
    CircuitClosed,
    CircuitOpened,
    Event,
    KeysRefreshed,
    KeysRefused,
    RefreshFailed,
    RequestRefused,
    ServingStale,
    TokenAccepted,
    TokenIntrospected,
    subject_digest,
)
from monocloud_mw.protect.guard import run_check
from monocloud_mw.telemetry import TelemetryObserver

from .attacks.attack import GOOD, SUBJECT, options
from .attacks.exposure import pieces_of, seen_in
from .project.sources import ROOT

Point = tuple[str, dict[str, Any], float]


def _measured(*events: Event) -> list[Point]:
    """Return the exported metrics of events: name, attributes and value."""
    reader = InMemoryMetricReader()
    observer = TelemetryObserver(MeterProvider([reader]))
    for event in events:
        getattr(observer, event.handler)(event)
    return _points(reader)


def _points(reader: InMemoryMetricReader) -> list[Point]:
    data = reader.get_metrics_data()
    found: list[Point] = []
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    value = getattr(point, "sum", None)
                    value = point.value if value is None else value  # type: ignore[union-attr]
                    found.append((metric.name, dict(point.attributes or {}), value))
    return found


def _refused(**values: Any) -> RequestRefused:
    return RequestRefused(**{"status": 401, "reason": "expired", "message": "x", "docs": "x", **values})


MEASURED: Final[dict[str, tuple[tuple[Event, ...], list[Point]]]] = {
    "accepted": (
        (TokenAccepted(method="'GET'", path="'/a'"), TokenAccepted(method="'GET'", path="'/b'")),
        [("monocloud.tokens.accepted", {"http.request.method": "GET"}, 2)],
    ),
    "accepted without a request": ((TokenAccepted(),), [("monocloud.tokens.accepted", {}, 1)]),
    "refused": (
        (_refused(method="'POST'", path="'/a'", key_id="'k'"),),
        [
            (
                "monocloud.requests.refused",
                {"http.request.method": "POST", "http.response.status_code": 401, "error.type": "expired"},
                1,
            )
        ],
    ),
    "refused with a made-up method": (
        (_refused(method="'X1'"), _refused(method="'X2'"), _refused(method='"\'"')),
        [
            (
                "monocloud.requests.refused",
                {"http.request.method": "_OTHER", "http.response.status_code": 401, "error.type": "expired"},
                2,
            ),
            (
                "monocloud.requests.refused",
                {"http.response.status_code": 401, "error.type": "expired"},
                1,
            ),
        ],
    ),
    "keys refreshed": (
        (KeysRefreshed(usable=3, skipped=1, seconds=0.5),),
        [
            ("monocloud.keys.refreshes", {"monocloud.document": "key set"}, 1),
            ("monocloud.keys.refresh.duration", {}, 0.5),
            ("monocloud.keys.usable", {}, 3),
        ],
    ),
    "keys refused": ((KeysRefused(problem="x"),), [("monocloud.keys.refused", {}, 1)]),
    "refresh failed": (
        (
            RefreshFailed(document="key set", problem="x", status=503),
            RefreshFailed(document="discovery document", problem="x", status=None),
        ),
        [
            ("monocloud.keys.refreshes", {"monocloud.document": "key set", "error.type": "503"}, 1),
            (
                "monocloud.keys.refreshes",
                {"monocloud.document": "discovery document", "error.type": "no_response"},
                1,
            ),
        ],
    ),
    "serving stale": (
        (ServingStale(document="key set", age_seconds=400.0),),
        [("monocloud.stale.served", {"monocloud.document": "key set"}, 1)],
    ),
    "circuit": (
        (CircuitOpened(problem="x"),),
        [("monocloud.circuit.open", {}, 1)],
    ),
    "circuit closed": (
        (CircuitOpened(problem="x"), CircuitClosed()),
        [("monocloud.circuit.open", {}, 0)],
    ),
    "introspected": (
        (TokenIntrospected(outcome="active", seconds=0.25), TokenIntrospected(outcome="active", seconds=0.5)),
        [("monocloud.introspection.duration", {"monocloud.outcome": "active"}, 0.75)],
    ),
    "cache failed": (
        (CacheFailed(operation="get", error="OSError"),),
        [("monocloud.cache.failures", {"monocloud.operation": "get", "error.type": "OSError"}, 1)],
    ),
}


@pytest.mark.parametrize(
    "events",
    [
        [KeysRefreshed(usable=1, skipped=0, seconds=seconds) for seconds in (0.02, 0.2, 2.0)],
        [TokenIntrospected(outcome="active", seconds=seconds) for seconds in (0.02, 0.2, 2.0)],
    ],
    ids=["refreshes", "introspections"],
)
def test_durations_of_milliseconds_and_of_seconds_are_told_apart(events: list[Event]) -> None:
    """The boundaries of a histogram are seconds, so a quantile says how long an exchange took."""
    reader = InMemoryMetricReader()
    observer = TelemetryObserver(MeterProvider([reader]))
    for event in events:
        getattr(observer, event.handler)(event)
    data: Any = reader.get_metrics_data()
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    counts = [
        point.bucket_counts
        for metric in metrics
        for point in metric.data.data_points
        if hasattr(point, "bucket_counts")
    ]
    assert [sorted(each, reverse=True)[:4] for each in counts] == [[1, 1, 1, 0]]


@pytest.mark.parametrize(("events", "points"), MEASURED.values(), ids=MEASURED)
def test_an_event_becomes_a_metric(events: tuple[Event, ...], points: list[Point]) -> None:
    """Attributes follow the semantic conventions if these define one."""
    assert _measured(*events) == points


def test_requests_are_measured_and_described_on_their_span() -> None:
    """Neither metrics nor spans contain the token or its claims."""
    reader, spans = InMemoryMetricReader(), InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracer = provider.get_tracer("test")
    observer = TelemetryObserver(MeterProvider([reader]))
    with BackendClient(options(observer=observer)) as client:
        guard = Guard(client)
        for scopes in ("", "admin"):
            check = guard.check(
                None, [f"Bearer {GOOD}"], Requirements.of(scopes or ()), method="GET", url="/x"
            )
            with tracer.start_as_current_span(scopes or "none"), suppress(Refused):
                run_check(check)
    digest = subject_digest(SUBJECT)
    exported = {span.name: dict(span.attributes or {}) for span in spans.get_finished_spans()}
    assert exported == {
        "none": {"monocloud.outcome": "accepted", "enduser.pseudo.id": digest},
        "admin": {
            "monocloud.outcome": "refused",
            "monocloud.reason": "insufficient_scope",
            "enduser.pseudo.id": digest,
        },
    }
    points = _points(reader)
    assert {name for name, *_ in points} >= {"monocloud.tokens.accepted", "monocloud.requests.refused"}
    assert seen_in(repr((exported, points)), pieces_of(*GOOD.split("."), SUBJECT)) == []


def test_a_span_that_is_not_recorded_is_left_alone() -> None:
    """Without a recording span no attributes are set."""
    assert not trace.get_current_span().is_recording()
    assert _measured(TokenAccepted(subject_digest="x")) == [("monocloud.tokens.accepted", {}, 1)]


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    """The dashboard uses Prometheus's names of existing metrics."""
    dashboard = json.loads((ROOT / "docs/examples/grafana_dashboard.json").read_text())
    asked = set(re.findall(r"monocloud_\w+?(?=[\[{)])", json.dumps(dashboard))) - {"monocloud_outcome"}
    measured = {name for events, _ in MEASURED.values() for name, *_ in _measured(*events)}
    stems = {name.replace(".", "_") for name in measured}
    assert [name for name in asked if re.sub(r"(_seconds_bucket|_total)$", "", name) not in stems] == []
    assert len(asked) == len(stems) - 1  # all except the duration of loads


def test_the_page_has_every_metric() -> None:
    """The page has exactly the existing metrics."""
    page = (ROOT / "docs/how-to/observability.md").read_text()
    listed = set(re.findall(r"^\| `(monocloud[.\w]+)`", page, re.MULTILINE))
    assert listed == {name for events, _ in MEASURED.values() for name, *_ in _measured(*events)}
