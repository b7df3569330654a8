"""OpenTelemetry metrics and span attributes, made of events.

::

    client = BackendClient(observer=TelemetryObserver())

Without arguments it uses the global providers, which ``opentelemetry-instrument`` sets up. Where an attribute
has a name in the semantic conventions, it has that one here: ``http.request.method``,
``http.response.status_code``, ``error.type`` and ``enduser.pseudo.id``. All others begin with ``monocloud.``.

====================================  =========  =============================================================
metric                                kind       attributes
====================================  =========  =============================================================
``monocloud.tokens.accepted``         counter    ``http.request.method``
``monocloud.requests.refused``        counter    ``error.type`` (the reason), ``http.response.status_code``,
                                                 ``http.request.method``
``monocloud.keys.refreshes``          counter    ``monocloud.document``; ``error.type`` where it failed
``monocloud.keys.refresh.duration``   histogram  none; seconds
``monocloud.keys.usable``             gauge      none
``monocloud.keys.refused``            counter    none
``monocloud.stale.served``            counter    ``monocloud.document``
``monocloud.introspection.duration``  histogram  ``monocloud.outcome``; seconds
``monocloud.circuit.open``            gauge      none; 1 while it is open
``monocloud.cache.failures``          counter    ``monocloud.operation``, ``error.type``
====================================  =========  =============================================================

No attribute of a metric is text from outside, so their number is bounded. A span has, beside the reason, a
digest of the subject; never a token, a path or another claim. Needs the extra ``telemetry``.
"""

from __future__ import annotations

from typing import Final

try:
    from opentelemetry import metrics, trace
except ImportError as error:
    raise ImportError("Telemetry needs OpenTelemetry: pip install 'monocloud-mw[telemetry]'") from error

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
"""Any other method is ``_OTHER``, as the semantic conventions ask: callers can make up any number of them."""


class TelemetryObserver(Observer):
    """Turns events into metrics, and into attributes of the span of the request.

    Args:
        meter_provider: makes the metrics; the global one by default.
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
            "monocloud.keys.refresh.duration", "s", "How long it took to load the key set"
        )
        self._usable_keys = meter.create_gauge("monocloud.keys.usable", "{key}", "Keys of the last key set")
        self._refused_keys = meter.create_counter(
            "monocloud.keys.refused", "{document}", "Key sets that cannot be used, or have such keys"
        )
        self._stale = meter.create_counter(
            "monocloud.stale.served", "{refresh}", "Refreshes that failed while an older document served on"
        )
        self._introspection_seconds = meter.create_histogram(
            "monocloud.introspection.duration", "s", "How long introspection took"
        )
        self._circuit_open = meter.create_gauge(
            "monocloud.circuit.open", "1", "Whether introspection fails at once"
        )
        self._cache_failures = meter.create_counter(
            "monocloud.cache.failures", "{operation}", "Operations of the claims cache that failed"
        )

    def token_accepted(self, event: TokenAccepted) -> None:
        """Count it, and name the caller's digest in the span."""
        self._accepted.add(1, _method(event.method))
        _set_on_span("accepted", event.subject_digest)

    def request_refused(self, event: RequestRefused) -> None:
        """Count it by reason, and name the reason in the span."""
        attributes: dict[str, str | int] = {
            **_method(event.method),
            "http.response.status_code": event.status,
            "error.type": event.reason,
        }
        self._refused.add(1, attributes)
        _set_on_span("refused", event.subject_digest, event.reason)

    def keys_refreshed(self, event: KeysRefreshed) -> None:
        """Count it, with its duration and the number of keys."""
        self._refreshes.add(1, {"monocloud.document": "key set"})
        self._refresh_seconds.record(event.seconds)
        self._usable_keys.set(event.usable)

    def keys_refused(self, event: KeysRefused) -> None:  # noqa: ARG002  its text may be long
        """Count it."""
        self._refused_keys.add(1)

    def refresh_failed(self, event: RefreshFailed) -> None:
        """Count it by document, and by status where there was one."""
        error = "no_response" if event.status is None else str(event.status)
        self._refreshes.add(1, {"monocloud.document": event.document, "error.type": error})

    def serving_stale(self, event: ServingStale) -> None:
        """Count it by document."""
        self._stale.add(1, {"monocloud.document": event.document})

    def circuit_opened(self, event: CircuitOpened) -> None:  # noqa: ARG002
        """Set the gauge."""
        self._circuit_open.set(1)

    def circuit_closed(self, event: CircuitClosed) -> None:  # noqa: ARG002
        """Set the gauge."""
        self._circuit_open.set(0)

    def token_introspected(self, event: TokenIntrospected) -> None:
        """Record how long it took, by outcome."""
        self._introspection_seconds.record(event.seconds, {"monocloud.outcome": event.outcome})

    def cache_failed(self, event: CacheFailed) -> None:
        """Count it by operation."""
        self._cache_failures.add(1, {"monocloud.operation": event.operation, "error.type": event.error})


def _method(method: str) -> dict[str, str]:
    """Return the attribute of a method, which is quoted in an event, or none without a request."""
    name = method.strip("'\"")
    return {"http.request.method": name if name in METHODS else "_OTHER"} if name else {}


def _set_on_span(outcome: str, subject_digest: str | None, reason: str | None = None) -> None:
    """Set attributes of the current span; where there is none, or it is not recorded, that does nothing."""
    span = trace.get_current_span()
    span.set_attribute("monocloud.outcome", outcome)
    if reason is not None:
        span.set_attribute("monocloud.reason", reason)
    if subject_digest is not None:
        span.set_attribute("enduser.pseudo.id", subject_digest)
