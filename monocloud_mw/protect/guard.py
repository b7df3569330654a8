"""Turns a request into its claims, or into a refusal with an error response; shared by all adapters.

Adapters only convert requests and responses of their framework. The steps between are here:

1. get the token from the ``Authorization`` headers or the application's ``token_resolver``;
2. get the caller's certificate from the application's ``certificate_resolver``;
3. validate with the :class:`~monocloud_mw.BackendClient` or :class:`~monocloud_mw.AsyncBackendClient`;
4. on failure: build the response, log it, call ``on_error``;
5. notify the client's observer, if there is one.

:meth:`Guard.check` is a generator. It yields the results of the application's functions and of an async
client, which may be awaitables, and is sent the awaited values. :func:`run_check` drives it on a thread,
:func:`run_check_async` on an event loop.

A request passes only if the generator returns. A refusal is raised as :class:`Refused`, so that an adapter
that does not handle it fails closed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from types import CoroutineType
from typing import Any, TypeAlias

from ..claims import AccessTokenClaims
from ..core.token.presented import Presented
from ..core.token.requirements import Requirements, check_requirements
from ..errors import ConfigurationError, CredentialsError, MonoCloudError, TokenError
from ..events import Event
from ..log_limits import LimitedLog
from .adapter_checks import AsyncAuthenticator, Authenticator, require_claims
from .authorization import parse_authorization
from .logs import describe_acceptance, log_refusal, new_log
from .resolvers import Resolver, parse_certificate, parse_token, resolving
from .responses import ErrorResponse, error_response

__all__ = [
    "Caller",
    "Check",
    "Guard",
    "OnError",
    "Refused",
    "find_caller",
    "refuse",
    "replace_callers",
    "run_check",
    "run_check_async",
]

Check: TypeAlias = Generator[Any, Any, AccessTokenClaims | None]
OnError: TypeAlias = Callable[[MonoCloudError, ErrorResponse, Any], Any]


Caller: TypeAlias = Callable[[Requirements, bool], AccessTokenClaims]

_find: Callable[[], Caller | None] | None = None


def replace_callers(find: Callable[[], Caller | None] | None) -> None:
    """Replace the checks in this process for which a test has a caller.

    For :class:`monocloud_mw.testing.as_caller` only; no request, environment variable or option can set it.

    Args:
        find: returns the caller for the running task or thread, or ``None`` to check its requests; ``None``
            to check all requests. A caller is called with the requirements and whether all groups must match;
            it returns claims, or raises a ``TokenError`` for a missing scope or group.
    """
    global _find
    _find = find


def find_caller() -> Caller | None:
    """Return the caller that ``as_caller`` has set for the running task or thread, or ``None``."""
    return None if _find is None else _find()


class Refused(Exception):  # noqa: N818  it carries a response and is not a programming error
    """Raised for a refused request.

    Attributes:
        error: the reason.
        response: the response for the caller, unless ``answer`` is set.
        answer: the framework's response that ``on_error`` returned, if any.
    """

    def __init__(self, error: MonoCloudError, response: ErrorResponse, answer: Any = None) -> None:
        self.error = error
        self.response = answer if isinstance(answer, ErrorResponse) else response
        self.answer = None if isinstance(answer, ErrorResponse) else answer
        super().__init__(str(error))


class Guard:
    """Checks requests for one adapter.

    Args:
        client: validates tokens.
        token_resolver: called with the request; returns the access token, instead of the ``Authorization``
            headers.
        certificate_resolver: called with the request; returns the caller's certificate (:mod:`.resolvers`).
        on_error: called with the error, the default response and the request; returns the response to send,
            as an :class:`ErrorResponse` or a response of the framework, or ``None`` for the default. Its
            exceptions reach the framework; the request is refused in any case.
    """

    __slots__ = ("_certificate_resolver", "_log", "_on_error", "_token_resolver", "client")

    def __init__(
        self,
        client: Authenticator | AsyncAuthenticator,
        *,
        token_resolver: Resolver | None = None,
        certificate_resolver: Resolver | None = None,
        on_error: OnError | None = None,
    ) -> None:
        self.client = client
        self._token_resolver = token_resolver
        self._certificate_resolver = certificate_resolver
        self._on_error = on_error
        self._log = new_log()

    @property
    def _notify(self) -> Callable[[Event], None] | None:
        """The function that passes events to the client's observer; ``None`` without one."""
        return getattr(self.client, "notify", None)

    @property
    def _match_all_groups(self) -> bool:
        options = getattr(self.client, "options", None)
        return bool(options and options.groups_match_all)

    def check(
        self,
        request: Any,
        authorization: Sequence[str],
        requirements: Requirements,
        *,
        method: str = "",
        url: str = "",
        optional: bool = False,
        known: AccessTokenClaims | None = None,
    ) -> Check:
        """Return the claims of a request, or ``None`` for an anonymous one if the token is ``optional``.

        Args:
            request: the adapter's request; passed to resolvers and ``on_error``.
            authorization: the values of its ``Authorization`` headers, in the order of arrival.
            requirements: scopes and groups that the token must have.
            method: its HTTP method, for the log.
            url: its URL or path, for the log.
            optional: let requests without a token pass; a token that is sent is still checked.
            known: the claims from an earlier check of this request; then only the requirements are checked.

        Raises:
            Refused: the request is refused.
        """
        refusal: MonoCloudError
        try:
            if known is not None:
                check_requirements(known, requirements, match_all=self._match_all_groups)
                return known
            if _find is not None and (caller := _find()) is not None:
                claims = caller(requirements, self._match_all_groups)
            else:
                if self._token_resolver is None:
                    token = parse_authorization(authorization)
                else:
                    with resolving("token_resolver"):
                        answer = yield self._token_resolver(request)
                    token = parse_token(answer)
                certificate = None
                if self._certificate_resolver is not None:
                    with resolving("certificate_resolver"):
                        answer = yield self._certificate_resolver(request)
                    certificate = parse_certificate(answer)
                presented = Presented(token, "Bearer", certificate, method, url)
                answer = self.client.authenticate(presented, requirements)
                claims = answer if isinstance(answer, AccessTokenClaims) else require_claims((yield answer))
        except MonoCloudError as error:
            if optional and isinstance(error, CredentialsError) and not error.malformed:
                return None
            refusal = error
        except Exception as error:  # noqa: BLE001  raised by a custom client
            refusal = ConfigurationError(
                f"client raised {type(error).__name__}, which is not a MonoCloudError"
            )
            refusal.__cause__ = error
        else:
            notify = self._notify
            if notify is not None:
                notify(describe_acceptance(claims, method, url))
            return claims
        refused = self.refuse(refusal, method=method, url=url)
        if self._on_error is not None:
            answer = yield self._on_error(refusal, refused.response, request)
            raise Refused(refusal, refused.response, answer)
        raise refused

    def check_again(
        self, claims: AccessTokenClaims, requirements: Requirements, *, method: str = "", url: str = ""
    ) -> None:
        """Check the requirements of another view or dependency against the claims of a validated token.

        The token is not validated again, because a single-use proof would fail. ``on_error`` is not called.

        Raises:
            Refused: the token lacks a scope or group.
        """
        try:
            check_requirements(claims, requirements, match_all=self._match_all_groups)
        except TokenError as error:
            raise self.refuse(error, method=method, url=url) from error

    def refuse(self, error: MonoCloudError, *, method: str = "", url: str = "") -> Refused:
        """Log an error, notify the client's observer, and return the refusal; ``on_error`` is not called."""
        return refuse(error, method=method, url=url, log=self._log, notify=self._notify)


def refuse(
    error: MonoCloudError,
    *,
    method: str = "",
    url: str = "",
    log: LimitedLog | None = None,
    notify: Callable[[Event], None] | None = None,
) -> Refused:
    """Log an error, notify the observer, and return the refusal with its response.

    Args:
        error: the reason for the refusal.
        method: the HTTP method of the request, for the log.
        url: its URL or path, for the log.
        log: limits the number of records; without it, all are written.
        notify: passes the event to the observer, if there is one.
    """
    response = error_response(error)
    described = log_refusal(error, method=method, path=url, status=response.status, log=log)
    if notify is not None:
        notify(described)
    return Refused(error, response)


def run_check(check: Check) -> AccessTokenClaims | None:
    """Run a check on a thread; an awaitable is a configuration error.

    Args:
        check: from :meth:`Guard.check`.

    Returns:
        The claims, or ``None`` for an anonymous request if the token is optional.

    Raises:
        Refused: the request is refused.
        ConfigurationError: ``on_error`` is async.
    """
    answer: Any = None
    failure: Exception | None = None
    while True:
        try:
            answer = check.send(answer) if failure is None else check.throw(failure)
        except StopIteration as end:
            claims: AccessTokenClaims | None = end.value
            return claims
        failure = None
        if isinstance(answer, Awaitable):
            if isinstance(answer, CoroutineType):
                answer.close()  # avoids the warning that it was never awaited
            failure = ConfigurationError(
                "a resolver, on_error or the client is async, but no event loop runs: use sync ones"
            )


async def run_check_async(check: Check) -> AccessTokenClaims | None:
    """Run a check on an event loop; sync functions run inline.

    Args:
        check: from :meth:`Guard.check`.

    Returns:
        The claims, or ``None`` for an anonymous request if the token is optional.

    Raises:
        Refused: the request is refused.
    """
    answer: Any = None
    failure: Exception | None = None
    while True:
        try:
            answer = check.send(answer) if failure is None else check.throw(failure)
        except StopIteration as end:
            claims: AccessTokenClaims | None = end.value
            return claims
        failure = None
        if isinstance(answer, (CoroutineType, Awaitable)):
            try:
                answer = await answer
            except Exception as error:  # noqa: BLE001  handled by the check
                failure = error
