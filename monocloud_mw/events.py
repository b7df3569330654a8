"""What an observer is told: frozen values, one class for each thing that happens.

::

    def count(event: Event) -> None:
        if isinstance(event, RequestRefused):
            refusals.labels(event.reason).inc()

    client = BackendClient(observer=count)

An observer is a function that takes any event, or an :class:`Observer` with a method for each kind. It is
called where the event happens, on the thread or event loop of the request: it must return quickly. What it
raises never reaches the request.

No event holds a token, a secret or a claim, except for what may be logged: issuer, key id, a digest of the
subject, and what a check expected and found. Text from outside is escaped (:func:`~.errors.quoted`).
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
    """Return a digest that tells one ``sub`` from another: hexadecimal, the same in every process.

    A subject that can be guessed can be found from its digest: treat it as pseudonymous, not as anonymous.
    """
    if not isinstance(subject, str):
        return None
    data = subject.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()[:DIGEST_CHARACTERS]


@attrs.frozen(kw_only=True)
class TokenAccepted:
    """An access token was accepted.

    Args:
        method: the HTTP method, escaped; empty where a client was called directly.
        path: the path, escaped; likewise.
        issuer: ``iss`` of the token, escaped; ``None`` where an introspected token has none.
        subject_digest: a digest of ``sub``; ``None`` where the token has none.
    """

    handler: ClassVar[str] = "token_accepted"

    method: str = ""
    path: str = ""
    issuer: str | None = None
    subject_digest: str | None = None


@attrs.frozen(kw_only=True)
class RequestRefused:
    """A request was refused, or an access token that was given to a client directly.

    Args:
        method: the HTTP method, escaped; empty where a client was called directly.
        path: the path, escaped; likewise.
        status: the HTTP status of the response.
        reason: a :class:`~.errors.Reason` where a token was refused, else the topic of the error:
            ``no_token``, ``malformed_header``, ``tenant_unavailable``, ``tenant_mistake``,
            ``client_refused``, ``configuration`` or ``internal``.
        message: what was wrong, as one sentence.
        expected: what the check expected, where that can be said.
        found: what it found instead, likewise.
        hint: the usual cause, where the token shows one.
        key_id: ``kid`` of the token, escaped, where it is known.
        issuer: ``iss`` of the token, escaped, where it is known.
        subject_digest: a digest of ``sub``, where the origin of the token is proven.
        docs: the address of the section of the documentation about this reason.
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
        usable: how many keys tokens can be verified with.
        skipped: how many keys of the set cannot be used.
        seconds: how long it took.
    """

    handler: ClassVar[str] = "keys_refreshed"

    usable: int
    skipped: int
    seconds: float


@attrs.frozen(kw_only=True)
class KeysRefused:
    """A key set of the tenant cannot be used, or keys in it: what was known before stays in use.

    Args:
        problem: what is wrong with it.
    """

    handler: ClassVar[str] = "keys_refused"

    problem: str


@attrs.frozen(kw_only=True)
class RefreshFailed:
    """The key set or the discovery document could not be loaded.

    Args:
        document: ``key set`` or ``discovery document``.
        problem: why.
        status: the HTTP status, ``None`` where there was none.
    """

    handler: ClassVar[str] = "refresh_failed"

    document: str
    problem: str
    status: int | None


@attrs.frozen(kw_only=True)
class ServingStale:
    """A refresh failed, and the last document that was loaded stays in use: once for each failed attempt.

    Args:
        document: ``key set`` or ``discovery document``.
        age_seconds: how old it is.
    """

    handler: ClassVar[str] = "serving_stale"

    document: str
    age_seconds: float


@attrs.frozen(kw_only=True)
class CircuitOpened:
    """Introspection failed so often that requests now fail at once.

    Args:
        problem: the last failure.
    """

    handler: ClassVar[str] = "circuit_opened"

    problem: str


@attrs.frozen(kw_only=True)
class CircuitClosed:
    """The introspection endpoint answers again."""

    handler: ClassVar[str] = "circuit_closed"


@attrs.frozen(kw_only=True)
class TokenIntrospected:
    """The tenant was asked about an access token.

    Args:
        outcome: ``active``, ``inactive`` or ``failed``.
        seconds: how long it took.
    """

    handler: ClassVar[str] = "token_introspected"

    outcome: str
    seconds: float


@attrs.frozen(kw_only=True)
class CacheFailed:
    """The claims cache failed; the request went on without it.

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
    """Does nothing with any event; a subclass overrides the methods for the events that it wants."""

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
        """Called when introspection begins to fail at once."""

    def circuit_closed(self, event: CircuitClosed) -> None:
        """Called when introspection works again."""

    def token_introspected(self, event: TokenIntrospected) -> None:
        """Called when the tenant was asked about a token."""

    def cache_failed(self, event: CacheFailed) -> None:
        """Called when the claims cache failed."""
