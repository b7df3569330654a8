"""OpenTelemetry metrics and span attributes from events.

::

    client = BackendClient(observer=TelemetryObserver())

Without arguments it uses the global providers, which ``opentelemetry-instrument`` sets up. Attributes have
the names of the semantic conventions where these define one: ``http.request.method``,
``http.response.status_code``, ``error.type`` and ``enduser.pseudo.id``. All others begin with ``monocloud.``.

====================================  =========  =============================================================
metric                                kind       attributes
====================================  =========  =============================================================
``monocloud.tokens.accepted``         counter    ``http.request.method``
``monocloud.requests.refused``        counter    ``error.type`` (the reason), ``http.response.status_code``,
                                                 ``http.request.method``
``monocloud.keys.refreshes``          counter    ``monocloud.document``; ``error.type`` if it failed
``monocloud.keys.refresh.duration``   histogram  none; seconds
``monocloud.keys.usable``             gauge      none
``monocloud.keys.refused``            counter    none
``monocloud.stale.served``            counter    ``monocloud.document``
``monocloud.introspection.duration``  histogram  ``monocloud.outcome``; seconds
``monocloud.circuit.open``            gauge      none; 1 while it is open
``monocloud.cache.failures``          counter    ``monocloud.operation``, ``error.type``
====================================  =========  =============================================================

Metric attributes are never foreign text, so their cardinality is bounded. Spans get the reason and a digest
of the subject, but no token, path or other claim. Needs the extra ``telemetry``.
"""

from __future__ import annotations

from typing import Final

try:
    from opentelemetry import metrics, trace
except ImportError as error:
    raise ImportError(
        "monocloud_mw.telemetry needs OpenTelemetry: pip install 'monocloud-mw[telemetry]'"
    ) from error

from .events import (
    CacheFailed,
    CircuitClosed,
    CircuitOpened,
    KeysRefreshed,
    KeysRefused,
    Observer,
    RefreshFailed,
    RequestRefused,
    ServingStale,
    TokenAccepted,
    TokenIntrospected,
)
from .version import __version__

__all__ = ["TelemetryObserver"]

SCOPE: Final = "monocloud_mw"

METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)
"""Other methods become ``_OTHER``, as the semantic conventions require: callers can invent methods."""

BOUNDARIES_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Those of the semantic conventions for HTTP. The default ones of OpenTelemetry are for milliseconds."""


class TelemetryObserver(Observer):
    """Records events as metrics and as attributes of the request's span.

    Args:
        meter_provider: provider of the metrics; default: the global one.
    """

    def __init__(self, meter_provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter(SCOPE, __version__, meter_provider)
        self._accepted = meter.create_counter(
            "monocloud.tokens.accepted", "{token}", "Access tokens that were accepted"
        )
        self._refused = meter.create_counter(
            "monocloud.requests.refused", "{request}", "Requests that were refused, by reason"
        )
        self._refreshes = meter.create_counter(
            "monocloud.keys.refreshes", "{refresh}", "Loads of the tenant's documents"
        )
        self._refresh_seconds = meter.create_histogram(
            "monocloud.keys.refresh.duration",
            "s",
            "Time to load the key set",
            explicit_bucket_boundaries_advisory=BOUNDARIES_SECONDS,
        )
        self._usable_keys = meter.create_gauge(
            "monocloud.keys.usable", "{key}", "Usable keys in the last key set"
        )
        self._refused_keys = meter.create_counter(
            "monocloud.keys.refused", "{document}", "Key sets with keys that cannot be used"
        )
        self._stale = meter.create_counter(
            "monocloud.stale.served",
            "{refresh}",
            "Failed refreshes after which an older document stayed in use",
        )
        self._introspection_seconds = meter.create_histogram(
            "monocloud.introspection.duration",
            "s",
            "Time to introspect a token",
            explicit_bucket_boundaries_advisory=BOUNDARIES_SECONDS,
        )
        self._circuit_open = meter.create_gauge(
            "monocloud.circuit.open", "1", "Whether the introspection circuit is open"
        )
        self._cache_failures = meter.create_counter(
            "monocloud.cache.failures", "{operation}", "Failed operations of the claims cache"
        )

    def token_accepted(self, event: TokenAccepted) -> None:
        """Count the token and set the subject digest on the span."""
        self._accepted.add(1, _method(event.method))
        _set_on_span("accepted", event.subject_digest)

    def request_refused(self, event: RequestRefused) -> None:
        """Count the request by reason and set the reason on the span."""
        attributes: dict[str, str | int] = {
            **_method(event.method),
            "http.response.status_code": event.status,
            "error.type": event.reason,
        }
        self._refused.add(1, attributes)
        _set_on_span("refused", event.subject_digest, event.reason)

    def keys_refreshed(self, event: KeysRefreshed) -> None:
        """Count the refresh and record its duration and the number of keys."""
        self._refreshes.add(1, {"monocloud.document": "key set"})
        self._refresh_seconds.record(event.seconds)
        self._usable_keys.set(event.usable)

    def keys_refused(self, event: KeysRefused) -> None:  # noqa: ARG002
        """Count the key set."""
        self._refused_keys.add(1)

    def refresh_failed(self, event: RefreshFailed) -> None:
        """Count the failure by document and status."""
        error = "no_response" if event.status is None else str(event.status)
        self._refreshes.add(1, {"monocloud.document": event.document, "error.type": error})

    def serving_stale(self, event: ServingStale) -> None:
        """Count the failed refresh by document."""
        self._stale.add(1, {"monocloud.document": event.document})

    def circuit_opened(self, event: CircuitOpened) -> None:  # noqa: ARG002
        """Set the gauge."""
        self._circuit_open.set(1)

    def circuit_closed(self, event: CircuitClosed) -> None:  # noqa: ARG002
        """Set the gauge."""
        self._circuit_open.set(0)

    def token_introspected(self, event: TokenIntrospected) -> None:
        """Record the duration by outcome."""
        self._introspection_seconds.record(event.seconds, {"monocloud.outcome": event.outcome})

    def cache_failed(self, event: CacheFailed) -> None:
        """Count the failure by operation."""
        self._cache_failures.add(1, {"monocloud.operation": event.operation, "error.type": event.error})


def _method(method: str) -> dict[str, str]:
    """Return the attribute for an event's method, which is quoted; none without a request."""
    name = method.strip("'\"")
    return {"http.request.method": name if name in METHODS else "_OTHER"} if name else {}


def _set_on_span(outcome: str, subject_digest: str | None, reason: str | None = None) -> None:
    """Set attributes of the current span; do nothing without a recorded span."""
    span = trace.get_current_span()
    span.set_attribute("monocloud.outcome", outcome)
    if reason is not None:
        span.set_attribute("monocloud.reason", reason)
    if subject_digest is not None:
        span.set_attribute("enduser.pseudo.id", subject_digest)
