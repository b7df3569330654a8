"""Writes refused requests to the logger ``monocloud_mw``, and describes them to observers.

- DEBUG: a request without a token. INFO: an invalid token. Both are errors of the caller.
- WARNING: the tenant cannot be reached.
- ERROR, with what to do: an invalid configuration, rejected client credentials, or a document of the tenant
  that retrying does not fix.

Each record is one line; its facts are also attributes of the record, for JSON logs. Tokens and secrets are
never logged, foreign text is escaped, and the only claims are those of
:class:`~monocloud_mw.events.RequestRefused`.
"""

from __future__ import annotations

import logging
import traceback
from typing import Final

import attrs

from ..claims import AccessTokenClaims
from ..errors import (
    AuthorizationServerError,
    ConfigurationError,
    CredentialsError,
    HttpError,
    MonoCloudError,
    OAuthResponseError,
    TokenError,
)
from ..events import RequestRefused, TokenAccepted, subject_digest
from ..log_limits import LimitedLog
from ..options import VARIABLE_PREFIX
from ..quoting import quoted

__all__ = ["describe_acceptance", "describe_refusal", "log_refusal", "new_log", "render_refusal"]

_LOGGER: Final = logging.getLogger("monocloud_mw")

CLIENT_ADVICE: Final = (
    f"check client_id ({VARIABLE_PREFIX}CLIENT_ID), client_secret ({VARIABLE_PREFIX}CLIENT_SECRET) and "
    f"client_auth_method ({VARIABLE_PREFIX}CLIENT_AUTH_METHOD), and that the client may introspect tokens"
)


def new_log() -> LimitedLog:
    """Return a rate-limited log for refused requests."""
    return LimitedLog(_LOGGER)


def describe_acceptance(claims: AccessTokenClaims, method: str = "", path: str = "") -> TokenAccepted:
    """Return the event for an accepted token."""
    issuer = claims.get("iss")
    return TokenAccepted(
        method=quoted(method) if method else "",
        path=quoted(path) if path else "",
        issuer=None if issuer is None else quoted(issuer),
        subject_digest=subject_digest(claims.get("sub")),
    )


def describe_refusal(
    error: Exception, *, method: str = "", path: str = "", status: int = 0
) -> RequestRefused:
    """Return the event for a refused request, from which the log record is written."""
    message, expected, found, hint = str(error), None, None, None
    key_id = issuer = digest = None
    if isinstance(error, TokenError):
        expected, found, hint = error.expected, error.found, error.hint
        message = error.description if expected else message  # the detail repeats expected and found
        key_id, issuer, digest = error.key_id, error.issuer, subject_digest(error.subject)
    elif isinstance(error, CredentialsError):
        hint = error.hint
    elif isinstance(error, OAuthResponseError):
        hint = CLIENT_ADVICE
    elif isinstance(error, ConfigurationError):
        message += _origin(error.__cause__)
    elif not isinstance(error, MonoCloudError):
        message = type(error).__name__ + _origin(error)
    known = error if isinstance(error, MonoCloudError) else MonoCloudError()
    return RequestRefused(
        method=quoted(method) if method else "",
        path=quoted(path) if path else "",
        status=status,
        reason=known.topic,
        message=message,
        expected=expected,
        found=found,
        hint=hint,
        key_id=key_id,
        issuer=issuer,
        subject_digest=digest,
        docs=known.docs,
    )


def log_refusal(
    error: Exception, *, method: str = "", path: str = "", status: int = 0, log: LimitedLog | None = None
) -> RequestRefused:
    """Log a refused request and return its event.

    Args:
        error: the reason for the refusal.
        method: the HTTP method of the request.
        path: its path.
        status: the HTTP status of the response.
        log: limits the number of similar records; without it, all are written.
    """
    refusal = describe_refusal(error, method=method, path=path, status=status)
    level, what = _level_of(error)
    log = log or new_log()
    if log.is_enabled_for(level):
        extra = attrs.asdict(refusal, filter=_is_extra)
        log.write(level, refusal.reason, "%s: %s", what, render_refusal(refusal), extra=extra)
    return refusal


def render_refusal(refusal: RequestRefused) -> str:
    """Return the log line of a refused request."""
    facts = (
        ("expected", refusal.expected),
        ("found", refusal.found),
        ("key id", refusal.key_id),
        ("issuer", refusal.issuer),
        ("subject digest", refusal.subject_digest),
    )
    told = ", ".join(f"{name} {value}" for name, value in facts if value is not None)
    request = f"{refusal.method} {refusal.path} answered with {refusal.status}" if refusal.path else None
    parts = (f"{refusal.message} [{refusal.reason}]", told, refusal.hint, request, f"see {refusal.docs}")
    return "; ".join(filter(None, parts))


def _is_extra(field: attrs.Attribute[object], _value: object) -> bool:
    return field.name != "message"  # logging reserves this attribute


def _level_of(error: Exception) -> tuple[int, str]:
    if isinstance(error, CredentialsError):
        return logging.DEBUG, "Request refused"
    if isinstance(error, TokenError):
        return logging.INFO, "Access token refused"
    is_outage = isinstance(error, HttpError) and error.temporary
    is_outage = is_outage or type(error) is AuthorizationServerError
    return logging.WARNING if is_outage else logging.ERROR, "Access token not checked"


def _origin(error: BaseException | None) -> str:
    """Return where third-party code raised an error; its message may contain a token and is left out."""
    if error is None or isinstance(error, MonoCloudError):
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    return f" (raised at {frames[-1].filename}:{frames[-1].lineno})" if frames else ""
