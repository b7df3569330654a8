"""The errors of this package.

::

    MonoCloudError
    ├── ConfigurationError            an option is missing or invalid
    ├── CredentialsError              the request has no bearer token, or an invalid header
    ├── TokenError                    the token is refused (.code, .reason)
    └── AuthorizationServerError      a request to the tenant failed
        ├── OAuthResponseError        the tenant rejected the client (.error, .error_description, .status)
        └── HttpError                 the tenant is unreachable, or its response is invalid (.status)

Rules:

- no other exception leaves the package, whatever the input;
- a refused token has a stable, machine-readable :class:`Reason`. The caller gets the fixed sentence of that
  reason, never text from the token;
- no message or repr contains a token, a secret, or foreign text that is not escaped
  (:mod:`monocloud_mw.quoting`);
- errors can be copied and pickled, so that a failure shared by several callers is raised as a separate copy
  in each (:class:`monocloud_mw.core.effects.Failure`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import attrs

from .documentation import docs_address
from .reasons import REFUSALS, Reason

__all__ = [
    "AuthorizationServerError",
    "ConfigurationError",
    "CredentialsError",
    "HttpError",
    "MonoCloudError",
    "OAuthResponseError",
    "Problem",
    "Reason",
    "TokenError",
]


class MonoCloudError(Exception):
    """The base class of all errors of this package."""

    @property
    def topic(self) -> str:
        """The section of the troubleshooting page about this error: a stable identifier."""
        return "internal"

    @property
    def docs(self) -> str:
        """The address of the documentation about this error."""
        return docs_address(self.topic)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the state, without calling the constructor."""
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(kind: type[MonoCloudError], args: tuple[Any, ...], state: dict[str, Any]) -> MonoCloudError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class Problem(NamedTuple):
    """One problem of the configuration.

    ``option`` is the name of the option or rule, ``variable`` the full name of its environment variable, or
    ``None``, and ``message`` says what is wrong and what is expected.
    """

    option: str
    variable: str | None
    message: str

    def __str__(self) -> str:
        where = f"{self.option} ({self.variable})" if self.variable else self.option
        return f"{where}: {self.message}"


class ConfigurationError(MonoCloudError):
    """The configuration is invalid; ``problems`` lists all problems that were found."""

    def __init__(self, problems: Iterable[Problem] | str) -> None:
        self.problems: tuple[Problem, ...] = () if isinstance(problems, str) else tuple(problems)
        super().__init__(problems if isinstance(problems, str) else "; ".join(map(str, self.problems)))

    @property
    def topic(self) -> str:
        """The section of the troubleshooting page about this error."""
        return "configuration"


class CredentialsError(MonoCloudError):
    """The request has no bearer token, or its ``Authorization`` header is malformed.

    ``malformed`` is false without a bearer token (no header, or another scheme: 401), and true if a
    ``Bearer`` header violates the grammar of RFC 6750 section 2.1 (400). ``hint`` is the likely cause, or
    ``None``.
    """

    def __init__(self, message: str, *, malformed: bool = False, hint: str | None = None) -> None:
        self.malformed = malformed
        self.hint = hint
        super().__init__(message)

    @property
    def topic(self) -> str:
        """The section of the troubleshooting page about this error."""
        return "malformed_header" if self.malformed else "no_token"


@attrs.frozen
class _HiddenValue:
    """A claim that an error keeps for the application; its repr hides the value."""

    value: str | None = attrs.field(repr=False)


class TokenError(MonoCloudError):
    """The access token is refused.

    Attributes:
        reason: the check that failed.
        code: ``invalid_token``, ``inactive_token``, ``insufficient_scope`` or ``insufficient_groups``.
        description: the fixed sentence of the reason; the only part that the caller gets.
        detail: details for developers, with foreign text escaped; for the log.
        expected: what the check expected (scopes, audiences, a time, ...), escaped, or ``None``.
        found: what the token has instead, escaped, or ``None``.
        hint: the likely cause, or ``None``. ``expected``, ``found`` and ``hint`` are logged and are not part
            of the error's message.
        scopes: the required scopes, if a scope or group is missing.
        key_id: the token's ``kid``, escaped, if known; for the log.
        issuer: the token's ``iss``, escaped, if known; for the log.
        subject: the token's ``sub``, unescaped, if the token is proven to be from the tenant: for
            ``on_error`` and exception handlers. Messages and reprs do not contain it; the log has its digest.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str | None = None,
        *,
        scopes: Iterable[str] = (),
        key_id: str | None = None,
        issuer: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        hint: str | None = None,
        subject: str | None = None,
    ) -> None:
        self.reason = reason
        self.code, self.description = REFUSALS[reason]
        self.detail = detail
        self.expected = expected
        self.found = found
        self.hint = hint
        self.scopes = tuple(scopes)
        self.key_id = key_id
        self.issuer = issuer
        self.subject = subject
        super().__init__(self.description if detail is None else f"{self.description}: {detail}")

    @property
    def topic(self) -> str:
        """The section of the troubleshooting page about this error: its reason."""
        return self.reason.value

    @property
    def subject(self) -> str | None:
        """The token's ``sub``, if the token is proven to be from the tenant."""
        return self._subject.value

    @subject.setter
    def subject(self, subject: object) -> None:
        self._subject = _HiddenValue(subject if isinstance(subject, str) else None)


class AuthorizationServerError(MonoCloudError):
    """The tenant could not be reached, returned an invalid response, or rejected the API's client."""

    @property
    def topic(self) -> str:
        """The section of the troubleshooting page about this error."""
        return "tenant_unavailable"


class OAuthResponseError(AuthorizationServerError):
    """The tenant rejected the API's own request (RFC 6749 section 5.2), for example its client credentials.

    ``error`` and ``error_description`` are the tenant's, escaped; ``status`` is the HTTP status.
    """

    def __init__(
        self, message: str, *, error: str | None, error_description: str | None, status: int
    ) -> None:
        self.error = error
        self.error_description = error_description
        self.status = status
        super().__init__(message)

    @property
    def topic(self) -> str:
        """The section of the troubleshooting page about this error."""
        return "client_refused"


class HttpError(AuthorizationServerError):
    """The tenant could not be reached, or returned an invalid response.

    Attributes:
        status: the HTTP status, or ``None`` without a response (network failure, timeout).
        retry_after: seconds after which to try again, or ``None`` if unknown: the tenant's ``Retry-After``
            (RFC 9110 section 10.2.3), or the time until the next attempt. Always between
            ``MIN_RETRY_AFTER_SECONDS`` and ``MAX_RETRY_AFTER_SECONDS``.
        advice: what to change, if trying again does not help because the request or configuration is wrong.
        temporary: whether trying again later may help. False with an ``advice`` and for client errors (4xx),
            except for those that are temporary by definition.
        local: whether the request was not sent because all connections (or worker threads) of this process
            were in use for too long. That does not count as a failure of the tenant: it opens no circuit, is
            no failed refresh and starts no cool-down. The caller may try again at once, so ``retry_after`` is
            ``MIN_RETRY_AFTER_SECONDS``.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        advice: str | None = None,
        local: bool = False,
    ) -> None:
        self.status = status
        self.local = local
        if local and retry_after is None:
            retry_after = MIN_RETRY_AFTER_SECONDS
        self.retry_after = None if retry_after is None else _bounded(retry_after)
        self.advice = advice
        self.temporary = advice is None and (
            status is None or not 400 <= status < 500 or status in _TEMPORARY_CLIENT_ERRORS
        )
        super().__init__(message if advice is None else f"{message}; {advice}")

    @property
    def topic(self) -> str:
        """The section of the troubleshooting page about this error; it depends on ``temporary``."""
        return "tenant_unavailable" if self.temporary else "tenant_mistake"

    def as_outage(self) -> HttpError:
        """Return the error as a temporary one without advice, for a request that is known to be valid."""
        message = str(self) if self.advice is None else str(self).removesuffix(f"; {self.advice}")
        outage = HttpError(message, status=self.status, retry_after=self.retry_after)
        outage.temporary = True
        return outage


MIN_RETRY_AFTER_SECONDS: Final = 1.0
MAX_RETRY_AFTER_SECONDS: Final = 300.0
"""The upper limit for ``Retry-After``; the API tries again after this time at the latest."""


def _bounded(retry_after: float) -> float:
    return max(MIN_RETRY_AFTER_SECONDS, min(float(retry_after), MAX_RETRY_AFTER_SECONDS))


# Temporary client errors (RFC 9110 section 15.5.9, RFC 8470 section 5.2, RFC 6585 section 4).
_TEMPORARY_CLIENT_ERRORS: Final = frozenset({408, 425, 429})
