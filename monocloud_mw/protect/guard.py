"""From a request to its claims, or to the response that refuses it: what every adapter shares.

An adapter translates a request of its framework in, and claims or an error response out. Everything between
is here, once:

1. the token: from the ``Authorization`` headers, or from the application's ``token_resolver``;
2. the caller's certificate, from the application's ``certificate_resolver``;
3. the check, by the client: :class:`~monocloud_mw.BackendClient` or its asynchronous twin;
4. a refusal: its response, its log record, and ``on_error``;
5. what the observer of the client is told, where there is one.

:meth:`Guard.check` is a generator. It yields what a function of the application or of the client returned,
which may be awaitable, and is sent the result. :func:`run` serves threads, :func:`run_async` event loops.

A request passes only if the generator returns. A refusal is raised, as :class:`Refused`, so that an adapter
that forgets about refusals fails closed.
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
    "replace_caller",
    "run",
    "run_async",
]

Check: TypeAlias = Generator[Any, Any, AccessTokenClaims | None]
OnError: TypeAlias = Callable[[MonoCloudError, ErrorResponse, Any], Any]


Caller: TypeAlias = Callable[[Requirements, bool], AccessTokenClaims]

_caller: Caller | None = None


def replace_caller(caller: Caller | None) -> Caller | None:
    """Let a test say who calls, in place of every check in this process, and return who it was before.

    For :class:`monocloud_mw.testing.as_caller` only: no request, environment variable or option leads here.

    Args:
        caller: given what a request needs, and whether all groups must match; returns claims, or raises the
            ``TokenError`` of a requirement that they do not meet.
    """
    global _caller
    previous, _caller = _caller, caller
    return previous


def find_caller() -> Caller | None:
    """Return who a test says calls, or ``None``: everywhere but in a block of ``as_caller``."""
    return _caller


class Refused(Exception):  # noqa: N818  it is a response, not a mistake of anybody's code
    """A request that must not pass.

    Attributes:
        error: why.
        response: what the caller is sent, unless ``answer`` says otherwise.
        answer: what ``on_error`` returned, where that is a response in the form of the framework.
    """

    def __init__(self, error: MonoCloudError, response: ErrorResponse, answer: Any = None) -> None:
        self.error = error
        self.response = answer if isinstance(answer, ErrorResponse) else response
        self.answer = None if isinstance(answer, ErrorResponse) else answer
        super().__init__(str(error))


class Guard:
    """Checks requests for one adapter.

    Args:
        client: validates what a request presents.
        token_resolver: the request to its access token, instead of the ``Authorization`` headers.
        certificate_resolver: the request to the caller's certificate (:mod:`.resolvers`).
        on_error: called with the error, the default response and the request; returns the response to send,
            as an :class:`ErrorResponse` or in the form of the framework, or ``None`` for the default. What it
            raises reaches the framework; the request never passes.
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
        """Where the client has an observer, what tells it; a client of another make needs none."""
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
        """Return the claims of a request, or ``None`` for an anonymous one where a token is ``optional``.

        Args:
            request: in the form of the adapter; handed to resolvers and ``on_error``.
            authorization: the values of its ``Authorization`` headers, in the order of arrival.
            requirements: what it needs.
            method: its HTTP method, for the log.
            url: its URL or path, for the log.
            optional: let a request without credentials pass; a token that is there is checked.
            known: the claims that an earlier check of this request has returned: only the requirements of
                another view are compared with them.

        Raises:
            Refused: it must not pass.
        """
        refusal: MonoCloudError
        try:
            if known is not None:
                check_requirements(known, requirements, match_all=self._match_all_groups)
                return known
            if _caller is not None:
                return _caller(requirements, self._match_all_groups)
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
            claims = require_claims((yield self.client.authenticate(presented, requirements)))
        except MonoCloudError as error:
            if optional and isinstance(error, CredentialsError) and not error.malformed:
                return None
            refusal = error
        except Exception as error:  # noqa: BLE001  of a client that is not from this package
            refusal = ConfigurationError(f"client raised {type(error).__name__}, which is no MonoCloudError")
            refusal.__cause__ = error
        else:
            notify = self._notify
            if notify is not None:
                notify(describe_acceptance(claims, method, url))
            return claims
        refused = self._refuse(refusal, method, url)
        if self._on_error is not None:
            answer = yield self._on_error(refusal, refused.response, request)
            raise Refused(refusal, refused.response, answer)
        raise refused

    def check_again(
        self, claims: AccessTokenClaims, requirements: Requirements, *, method: str = "", url: str = ""
    ) -> None:
        """Check what another view or dependency asks of a token that this request has been checked with.

        The token is not validated again: a proof that may be used once has been used.

        Raises:
            Refused: it lacks a scope or group; without an answer of ``on_error``.
        """
        try:
            check_requirements(claims, requirements, match_all=self._match_all_groups)
        except TokenError as error:
            raise self._refuse(error, method, url) from error

    def _refuse(self, error: MonoCloudError, method: str, url: str) -> Refused:
        return refuse(error, method=method, url=url, log=self._log, notify=self._notify)


def refuse(
    error: MonoCloudError,
    *,
    method: str = "",
    url: str = "",
    log: LimitedLog | None = None,
    notify: Callable[[Event], None] | None = None,
) -> Refused:
    """Log an error, tell the observer of it, and return the refusal with its response.

    Args:
        error: why the request must not pass.
        method: its HTTP method, for the log.
        url: its URL or path, for the log.
        log: leaves records out where there are too many; without it none is left out.
        notify: tells the observer, where there is one.
    """
    response = error_response(error)
    described = log_refusal(error, method=method, path=url, status=response.status, log=log)
    if notify is not None:
        notify(described)
    return Refused(error, response)


def run(check: Check) -> AccessTokenClaims | None:
    """Run a check on a thread, where nothing can be awaited: an awaitable is a wrong configuration.

    Raises:
        Refused: the request must not pass.
        ConfigurationError: ``on_error`` is asynchronous.
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
        if not isinstance(answer, AccessTokenClaims) and isinstance(answer, Awaitable):
            if isinstance(answer, CoroutineType):
                answer.close()  # or Python would warn that it was never awaited
            failure = ConfigurationError(
                "a resolver, on_error or the client is async, and no event loop runs"
            )


async def run_async(check: Check) -> AccessTokenClaims | None:
    """Run a check on an event loop; what is synchronous runs inline.

    Raises:
        Refused: the request must not pass.
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
            except Exception as error:  # noqa: BLE001  the check decides what it means
                failure = error
