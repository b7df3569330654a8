"""The guard: from the credentials of a request to claims or an error response, sync and async."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from monocloud_mw import AccessTokenClaims, ErrorResponse, Guard, Presented, Refused, Requirements
from monocloud_mw.errors import (
    ConfigurationError,
    CredentialsError,
    HttpError,
    MonoCloudError,
    Reason,
    TokenError,
)
from monocloud_mw.protect.guard import Check, replace_callers, run_check, run_check_async

Run = Callable[[Check], AccessTokenClaims | None]

CLAIMS = AccessTokenClaims({"sub": "alice"})
ANYTHING = Requirements()


@attrs.define
class Client:
    """A client that records its arguments and returns or raises a given answer."""

    answer: Any = CLAIMS
    seen: list[tuple[Presented, Requirements]] = attrs.Factory(list)

    def authenticate(self, presented: Presented, requirements: Requirements) -> Any:
        """Return or raise the answer."""
        self.seen.append((presented, requirements))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class AsyncClient(Client):
    """The same client with an async method."""

    async def authenticate(self, presented: Presented, requirements: Requirements) -> Any:
        """Return or raise the answer after giving other tasks a turn."""
        await asyncio.sleep(0)
        return super().authenticate(presented, requirements)


@pytest.fixture(params=["threads", "asyncio"])
def run_either(request: pytest.FixtureRequest) -> Run:
    """Run a check synchronously or on an event loop."""
    return run_check if request.param == "threads" else lambda check: asyncio.run(_run_async(check))


async def _run_async(check: Check) -> AccessTokenClaims | None:
    return await run_check_async(check)


def _refusal(run_either: Run, check: Check) -> Refused:
    with pytest.raises(Refused) as caught:
        run_either(check)
    return caught.value


def test_the_header_is_read_by_default(run_either: Run) -> None:
    """By default the token comes from the Authorization header, and the client gets all credentials."""
    client, needed = Client(), Requirements.of("a")
    check = Guard(client).check(None, ["Bearer abc"], needed, method="GET", url="/x")
    assert run_either(check) is CLAIMS
    assert client.seen == [(Presented("abc", "Bearer", None, "GET", "/x"), needed)]


def test_resolvers_are_given_the_request_and_replace_the_header(run_either: Run) -> None:
    """A token resolver gets the request; the header is then ignored."""
    client = Client()
    guard = Guard(
        client,
        token_resolver=lambda request: request["token"],
        certificate_resolver=lambda request: request["certificate"],
    )
    request = {"token": "abc", "certificate": b"der"}
    assert run_either(guard.check(request, ["Bearer other", "Bearer headers"], ANYTHING)) is CLAIMS
    assert client.seen[0][0] == Presented("abc", client_certificate=b"der")


@pytest.mark.parametrize("answer", [" abc\r\n", "abc"])
def test_a_resolved_token_is_trimmed(run_either: Run, answer: str) -> None:
    """White space around a resolved token is removed."""
    client = Client()
    run_either(Guard(client, token_resolver=lambda _: answer).check(None, [], ANYTHING))
    assert client.seen[0][0].token == "abc"


@pytest.mark.parametrize("answer", [None, "", " \t\n"])
def test_no_resolved_token_means_no_credentials(run_either: Run, answer: str | None) -> None:
    """A resolver that returns None or blank text means no credentials, even if the header has a token."""
    guard = Guard(Client(), token_resolver=lambda _: answer)
    refused = _refusal(run_either, guard.check(None, ["Bearer abc"], ANYTHING))
    assert str(refused.error) == "The request has no access token"
    assert refused.response.status == 401


@pytest.mark.parametrize(
    ("answer", "certificate"),
    [(None, None), ("", None), (" ", None), (b"", None), (" PEM\n", "PEM"), (b" der ", b" der ")],
)
def test_a_resolved_certificate_is_trimmed(
    run_either: Run, answer: str | bytes | None, certificate: str | bytes | None
) -> None:
    """Text is trimmed and blank text means no certificate; bytes are unchanged, since DER may end in any
    byte.
    """
    client = Client()
    run_either(Guard(client, certificate_resolver=lambda _: answer).check(None, ["Bearer abc"], ANYTHING))
    assert client.seen[0][0].client_certificate == certificate


@pytest.mark.parametrize(
    ("name", "answer", "kinds"),
    [
        *(("token_resolver", answer, "a string or None") for answer in (b"abc", 1, True, ["abc"], object())),
        *(
            ("certificate_resolver", answer, "a string, bytes or None")
            for answer in (1, False, ["PEM"], bytearray(b"der"))
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_result_of_a_wrong_type_is_a_configuration_error(
    run_either: Run, name: str, answer: object, kinds: str
) -> None:
    """A result of another type is a configuration error that names the resolver and not the value."""
    resolvers: dict[str, Any] = {name: lambda _: answer}
    refused = _refusal(run_either, Guard(Client(), **resolvers).check(None, ["Bearer abc"], ANYTHING))
    assert str(refused.error) == f"{name} must return {kinds}, not '{type(answer).__name__}'"
    assert refused.response.status == 500


RAISED = {
    "a mistake": (KeyError("secret"), ConfigurationError, 500),
    "unreadable": (ValueError("secret"), TokenError, 401),
    "undecodable": (UnicodeDecodeError("utf-8", b"secret", 0, 1, "secret"), TokenError, 401),
    "no credentials": (CredentialsError("no"), CredentialsError, 401),
    "malformed": (CredentialsError("no", malformed=True), CredentialsError, 400),
    "refused": (TokenError(Reason.CERTIFICATE_MALFORMED), TokenError, 401),
    "away": (HttpError("no"), HttpError, 503),
    "stopped": (StopIteration("secret"), ConfigurationError, 500),
}


@pytest.mark.parametrize("name", ["token_resolver", "certificate_resolver"])
@pytest.mark.parametrize(("raised", "kind", "status"), RAISED.values(), ids=RAISED)
def test_a_resolver_that_raises_refuses_the_request(
    run_either: Run, name: str, raised: Exception, kind: type[MonoCloudError], status: int
) -> None:
    """Unreadable input is a 401, a faulty resolver a 500; the message of the exception is not shown."""

    def fail(request: Any) -> str:
        raise raised

    client = Client()
    resolvers: dict[str, Any] = {name: fail}
    refused = _refusal(run_either, Guard(client, **resolvers).check(None, ["Bearer abc"], ANYTHING))
    assert (type(refused.error), refused.response.status) == (kind, status)
    assert "secret" not in f"{refused.error!r} {refused.response}"
    assert client.seen == []
    if not isinstance(raised, MonoCloudError):
        assert f"{name} raised {type(raised).__name__}" in str(refused.error)


REFUSED = {
    "token": (TokenError(Reason.EXPIRED), 401),
    "scope": (TokenError(Reason.INSUFFICIENT_SCOPE), 403),
    "tenant": (HttpError("away"), 503),
    "configuration": (ConfigurationError("wrong"), 500),
}


@pytest.mark.parametrize("client_type", [Client, AsyncClient])
@pytest.mark.parametrize(("error", "status"), REFUSED.values(), ids=REFUSED)
def test_a_refused_token_is_raised_with_its_response(
    client_type: type[Client], error: MonoCloudError, status: int
) -> None:
    """The refusal is an exception, so an adapter cannot mistake it for claims."""
    for optional in (False, True):
        check = Guard(client_type(error)).check(None, ["Bearer abc"], ANYTHING, optional=optional)
        with pytest.raises(Refused) as caught:
            asyncio.run(_run_async(check))
        assert caught.value.error is error
        assert (caught.value.response.status, caught.value.answer) == (status, None)


@pytest.mark.parametrize("answer", [None, True, {"sub": "mallory"}, "claims"])
def test_a_client_result_other_than_claims_is_refused(run_either: Run, answer: Any) -> None:
    """A client that returns anything but claims is a configuration error, even where a token is optional."""
    check = Guard(Client(answer)).check(None, ["Bearer abc"], ANYTHING, optional=True)
    assert isinstance(_refusal(run_either, check).error, ConfigurationError)


@pytest.mark.parametrize("optional", [True, False])
@pytest.mark.parametrize("error", [KeyError("canary"), ValueError("canary")], ids=repr)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_that_raises_what_it_should_not_lets_nothing_through(
    kind: type[Client], error: Exception, optional: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a wrong configuration: a 500 with the usual body, and nothing of the foreign message."""
    check = Guard(kind(error)).check(None, ["Bearer abc"], ANYTHING, optional=optional)
    refused = _refusal(lambda check: asyncio.run(_run_async(check)), check)
    assert isinstance(refused.error, ConfigurationError)
    assert refused.error.__cause__ is error
    assert str(refused.error) == f"client raised {type(error).__name__}, which is not a MonoCloudError"
    assert (refused.response.status, b"server_error" in refused.response.body) == (500, True)
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    ("authorization", "status"),
    [([], None), (["Basic YTpi"], None), (["Bearer abc"], 401), (["Bearer"], 400), (["Bearer a", "x"], 400)],
)
def test_an_optional_token_may_be_absent_but_not_invalid(
    run_either: Run, authorization: list[str], status: int | None
) -> None:
    """A request without credentials is anonymous; a token that is present is checked."""
    client = Client(TokenError(Reason.EXPIRED))
    check = Guard(client).check(None, authorization, ANYTHING, optional=True)
    if status is None:
        assert run_either(check) is None
    else:
        assert _refusal(run_either, check).response.status == status


def test_on_error_may_change_or_replace_the_response(run_either: Run) -> None:
    """on_error gets the default response, so a changed one keeps status, challenge and Cache-Control: no-
    store.
    """
    seen: list[Any] = []
    answers: list[Any] = [None, "own", lambda response: response.with_body(b"sorry", "text/plain")]

    def on_error(error: MonoCloudError, response: ErrorResponse, request: Any) -> Any:
        seen.append((type(error), response.status, request))
        answer = answers.pop()
        return answer(response) if callable(answer) else answer

    guard = Guard(Client(), on_error=on_error)
    changed = _refusal(run_either, guard.check("request", [], ANYTHING))
    assert changed.answer is None
    assert (changed.response.status, changed.response.body) == (401, b"sorry")
    assert changed.response.headers == (
        ("Content-Type", "text/plain"),
        ("Cache-Control", "no-store"),
        ("WWW-Authenticate", "Bearer"),
    )
    assert _refusal(run_either, guard.check("request", [], ANYTHING)).answer == "own"
    assert _refusal(run_either, guard.check("request", [], ANYTHING)).answer is None
    assert seen == [(CredentialsError, 401, "request")] * 3


def test_an_exception_of_on_error_is_propagated(run_either: Run) -> None:
    """An exception from on_error is propagated and the request is refused."""

    def on_error(*_: Any) -> Any:
        raise LookupError("own")

    with pytest.raises(LookupError, match="own"):
        run_either(Guard(Client(), on_error=on_error).check(None, [], ANYTHING))


def test_everything_may_be_async_on_an_event_loop() -> None:
    """Async resolvers, clients and on_error functions are awaited."""

    async def token(request: str) -> str:
        await asyncio.sleep(0)
        return f"token-of-{request}"

    async def certificate(request: str) -> str:
        return f"certificate-of-{request}"

    async def on_error(error: MonoCloudError, response: ErrorResponse, request: str) -> str:
        return f"answer-to-{request}"

    client = AsyncClient()
    guard = Guard(client, token_resolver=token, certificate_resolver=certificate, on_error=on_error)
    assert asyncio.run(_run_async(guard.check("alice", [], ANYTHING))) is CLAIMS
    assert client.seen[0][0] == Presented("token-of-alice", client_certificate="certificate-of-alice")
    client.answer = TokenError(Reason.EXPIRED)
    with pytest.raises(Refused) as caught:
        asyncio.run(_run_async(guard.check("alice", [], ANYTHING)))
    assert caught.value.answer == "answer-to-alice"


@pytest.mark.parametrize("which", ["token_resolver", "certificate_resolver", "client"])
def test_a_coroutine_is_refused_in_threads(which: str) -> None:
    """A coroutine is refused in place of a token or claims, and closed without a warning."""

    async def later(*_: Any) -> str:
        return "abc"

    functions: dict[str, Any] = {} if which == "client" else {which: later}
    guard = Guard(AsyncClient() if which == "client" else Client(), **functions)
    with pytest.raises(Refused) as caught:
        run_check(guard.check(None, ["Bearer abc"], ANYTHING))
    assert isinstance(caught.value.error, ConfigurationError)
    gc.collect()  # warnings are errors, so a coroutine that was never awaited would fail here


def test_any_awaitable_is_refused_in_threads() -> None:
    """Any awaitable is refused, for example a future."""

    class Later:
        def __await__(self) -> Any:
            yield

    with pytest.raises(Refused):
        run_check(Guard(Client(), token_resolver=lambda _: Later()).check(None, [], ANYTHING))


def test_cancelling_a_resolver_is_not_a_failure() -> None:
    """Cancellation is propagated, not reported as a configuration error."""

    async def cancelled(request: Any) -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(_run_async(Guard(Client(), token_resolver=cancelled).check(None, [], ANYTHING)))


def test_claims_can_be_checked_again() -> None:
    """Claims of a request can be checked again for another view; a refusal names the token's issuer."""
    client = Client()
    guard = Guard(client)
    claims = AccessTokenClaims({"iss": "https://acme.test", "sub": "alice", "scope": "a", "groups": ["g"]})
    guard.check_again(claims, Requirements.of("a", "g"))
    for lacking, reason in ((Requirements.of("b"), "scope"), (Requirements.of("a", "h"), "groups")):
        with pytest.raises(Refused) as refused:
            guard.check_again(claims, lacking, method="GET", url="/orders")
        error = refused.value.error
        assert isinstance(error, TokenError)
        assert (error.reason, error.subject) == (f"insufficient_{reason}", "alice")
        assert error.issuer == "'https://acme.test'"
        assert "alice" not in f"{error} {error!r}"
        assert refused.value.response.status == 403
    assert client.seen == []


def test_known_claims_are_compared_with_the_requirements_of_another_view(run_either: Run) -> None:
    """Claims that are known are not read or validated again; on_error gets the missing requirements."""
    client = Client()
    told: list[Any] = []
    guard = Guard(client, on_error=lambda error, response, request: told.append((error, request)))
    claims = AccessTokenClaims({"sub": "alice", "scope": "a"})
    assert run_either(guard.check("request", [], Requirements.of("a"), known=claims)) is claims
    with pytest.raises(Refused) as refused:
        run_either(guard.check("request", [], Requirements.of("b"), known=claims))
    assert refused.value.response.status == 403
    assert told == [(refused.value.error, "request")]
    assert client.seen == []


def test_a_test_can_set_the_caller(run_either: Run) -> None:
    """A test's caller replaces a check and gets the requirements and the group matching options."""
    seen: list[Any] = []

    def caller(requirements: Requirements, match_all: bool) -> AccessTokenClaims:
        seen.append((requirements, match_all))
        if requirements.scopes:
            raise TokenError(Reason.INSUFFICIENT_SCOPE)
        return CLAIMS

    client = Client(TokenError(Reason.EXPIRED))
    needed = Requirements.of("a")
    callers: list[Any] = [caller]
    replace_callers(lambda: callers[-1])
    try:
        assert run_either(Guard(client).check(None, [], ANYTHING)) is CLAIMS
        assert _refusal(run_either, Guard(client).check(None, [], needed)).response.status == 403
        callers.append(None)  # no caller for the running task
        assert _refusal(run_either, Guard(client).check(None, [], ANYTHING)).response.status == 401
    finally:
        replace_callers(None)
    assert seen == [(ANYTHING, False), (needed, False)]
    assert client.seen == []
    assert _refusal(run_either, Guard(client).check(None, [], ANYTHING)).response.status == 401


@pytest.mark.parametrize(
    "error", [StopIteration(CLAIMS), GeneratorExit(), asyncio.CancelledError()], ids=repr
)
@pytest.mark.parametrize("where", ["client", "token_resolver", "certificate_resolver", "on_error"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_no_exception_of_a_function_passes_for_the_end_of_the_check(
    error: BaseException, where: str, is_async: bool
) -> None:
    """The check is a generator, and its end lets a request pass: an exception with claims must not be one."""

    def fail(*_: object) -> Any:
        raise error

    client: Any = SimpleNamespace(authenticate=fail) if where == "client" else Client()
    settings: dict[str, Any] = {} if where == "client" else {where: fail}
    authorization = [] if where == "on_error" else ["Bearer abc"]
    check = Guard(client, **settings).check(None, authorization, ANYTHING)
    with pytest.raises(BaseException) as caught:
        asyncio.run(run_check_async(check)) if is_async else run_check(check)
    assert isinstance(caught.value, Refused | RuntimeError | type(error))
