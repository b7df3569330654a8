"""The events for observers: frozen values, one class for each kind of event.

::

    def count(event: Event) -> None:
        if isinstance(event, RequestRefused):
            refusals.labels(event.reason).inc()

    client = BackendClient(observer=count)

An observer is a function that takes any event, or an :class:`Observer` with a method for each kind. It is
called on the thread or event loop of the request and must return quickly. Its exceptions are logged and do
not affect the request.

Events contain no token, secret or claim, except for values that are also logged: issuer, key id, a digest of
the subject, and what a check expected and found. Foreign text is escaped (:mod:`.quoting`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import ClassVar, Final, TypeAlias

import attrs

__all__ = [
    "CacheFailed",
    "CircuitClosed",
    "CircuitOpened",
    "Event",
    "KeysRefreshed",
    "KeysRefused",
    "Observer",
    "ObserverFunction",
    "RefreshFailed",
    "RequestRefused",
    "ServingStale",
    "TokenAccepted",
    "TokenIntrospected",
    "subject_digest",
]

DIGEST_CHARACTERS: Final = 16


def subject_digest(subject: object) -> str | None:
    """Return a hexadecimal digest that identifies a ``sub``; it is the same in every process.

    A subject can be found from its digest by guessing: treat the digest as pseudonymous, not as anonymous.
    """
    if not isinstance(subject, str):
        return None
    data = subject.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()[:DIGEST_CHARACTERS]


@attrs.frozen(kw_only=True)
class TokenAccepted:
    """An access token was accepted.

    Args:
        method: the HTTP method, escaped; empty if a client was called directly.
        path: the path, escaped; empty if a client was called directly.
        issuer: ``iss`` of the token, escaped; ``None`` if an introspected token has none.
        subject_digest: a digest of ``sub``; ``None`` if the token has none.
    """

    handler: ClassVar[str] = "token_accepted"

    method: str = ""
    path: str = ""
    issuer: str | None = None
    subject_digest: str | None = None


@attrs.frozen(kw_only=True)
class RequestRefused:
    """A request was refused, or a directly called client refused an access token.

    Args:
        method: the HTTP method, escaped; empty if a client was called directly.
        path: the path, escaped; empty if a client was called directly.
        status: the HTTP status of the response.
        reason: the :class:`~.errors.Reason` of a refused token, or the topic of another error:
            ``no_token``, ``malformed_header``, ``tenant_unavailable``, ``tenant_mistake``,
            ``client_refused``, ``configuration`` or ``internal``.
        message: what is wrong, as one sentence.
        expected: what the check expected, or ``None``.
        found: what the token has instead, or ``None``.
        hint: the likely cause, or ``None``.
        key_id: ``kid`` of the token, escaped, if known.
        issuer: ``iss`` of the token, escaped, if known.
        subject_digest: a digest of ``sub``, if the token is proven to be from the tenant.
        docs: the address of the documentation about this reason.
    """

    handler: ClassVar[str] = "request_refused"

    method: str = ""
    path: str = ""
    status: int
    reason: str
    message: str
    expected: str | None = None
    found: str | None = None
    hint: str | None = None
    key_id: str | None = None
    issuer: str | None = None
    subject_digest: str | None = None
    docs: str


@attrs.frozen(kw_only=True)
class KeysRefreshed:
    """The tenant's key set was loaded.

    Args:
        usable: the number of keys that can verify tokens.
        skipped: the number of keys that cannot be used.
        seconds: the duration in seconds.
    """

    handler: ClassVar[str] = "keys_refreshed"

    usable: int
    skipped: int
    seconds: float


@attrs.frozen(kw_only=True)
class KeysRefused:
    """A key set of the tenant, or some of its keys, cannot be used; previously loaded keys stay in use.

    Args:
        problem: what is wrong with the key set.
    """

    handler: ClassVar[str] = "keys_refused"

    problem: str


@attrs.frozen(kw_only=True)
class RefreshFailed:
    """The key set or the discovery document could not be loaded.

    Args:
        document: ``key set`` or ``discovery document``.
        problem: the cause.
        status: the HTTP status, or ``None`` without a response.
    """

    handler: ClassVar[str] = "refresh_failed"

    document: str
    problem: str
    status: int | None


@attrs.frozen(kw_only=True)
class ServingStale:
    """A refresh failed and the last loaded document stays in use; emitted once for each failed attempt.

    Args:
        document: ``key set`` or ``discovery document``.
        age_seconds: the age of the document in seconds.
    """

    handler: ClassVar[str] = "serving_stale"

    document: str
    age_seconds: float


@attrs.frozen(kw_only=True)
class CircuitOpened:
    """The introspection circuit opened after failures; introspections now fail without a request.

    Args:
        problem: the last failure.
    """

    handler: ClassVar[str] = "circuit_opened"

    problem: str


@attrs.frozen(kw_only=True)
class CircuitClosed:
    """The introspection circuit closed; introspection works again."""

    handler: ClassVar[str] = "circuit_closed"


@attrs.frozen(kw_only=True)
class TokenIntrospected:
    """An access token was introspected at the tenant.

    Args:
        outcome: ``active``, ``inactive`` or ``failed``.
        seconds: the duration in seconds.
    """

    handler: ClassVar[str] = "token_introspected"

    outcome: str
    seconds: float


@attrs.frozen(kw_only=True)
class CacheFailed:
    """The claims cache failed; the request continued without it.

    Args:
        operation: ``get``, ``set`` or ``delete``.
        error: the name of the exception's class.
    """

    handler: ClassVar[str] = "cache_failed"

    operation: str
    error: str


Event: TypeAlias = (
    TokenAccepted
    | RequestRefused
    | KeysRefreshed
    | KeysRefused
    | RefreshFailed
    | ServingStale
    | CircuitOpened
    | CircuitClosed
    | TokenIntrospected
    | CacheFailed
)

ObserverFunction: TypeAlias = Callable[[Event], None]


class Observer:
    """Base class for observers: override the methods for the events you need; the others do nothing."""

    def token_accepted(self, event: TokenAccepted) -> None:
        """Called for each access token that was accepted."""

    def request_refused(self, event: RequestRefused) -> None:
        """Called for each request that was refused."""

    def keys_refreshed(self, event: KeysRefreshed) -> None:
        """Called when the tenant's key set was loaded."""

    def keys_refused(self, event: KeysRefused) -> None:
        """Called when a key set, or keys in it, cannot be used."""

    def refresh_failed(self, event: RefreshFailed) -> None:
        """Called when the key set or the discovery document could not be loaded."""

    def serving_stale(self, event: ServingStale) -> None:
        """Called when a document stays in use because its refresh failed."""

    def circuit_opened(self, event: CircuitOpened) -> None:
        """Called when the introspection circuit opens."""

    def circuit_closed(self, event: CircuitClosed) -> None:
        """Called when the introspection circuit closes."""

    def token_introspected(self, event: TokenIntrospected) -> None:
        """Called for each token that was introspected at the tenant."""

    def cache_failed(self, event: CacheFailed) -> None:
        """Called when the claims cache failed."""
