"""The guard: from what a request presents to claims or a refusal, on threads and on event loops alike."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
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
from monocloud_mw.protect.guard import Check, replace_caller, run, run_async

Run = Callable[[Check], AccessTokenClaims | None]

CLAIMS = AccessTokenClaims({"sub": "alice"})
ANYTHING = Requirements()


@attrs.define
class Client:
    """A client that remembers what it was given, and answers as it is told."""

    answer: Any = CLAIMS
    seen: list[tuple[Presented, Requirements]] = attrs.Factory(list)

    def authenticate(self, presented: Presented, requirements: Requirements) -> Any:
        """Return or raise the answer."""
        self.seen.append((presented, requirements))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class LoopClient(Client):
    """The same as a coroutine."""

    async def authenticate(self, presented: Presented, requirements: Requirements) -> Any:
        """Return or raise the answer, after other tasks had their turn."""
        await asyncio.sleep(0)
        return super().authenticate(presented, requirements)


@pytest.fixture(params=["threads", "asyncio"])
def run_check(request: pytest.FixtureRequest) -> Run:
    """Run a check as threads do, or as event loops do."""
    return run if request.param == "threads" else lambda check: asyncio.run(_run_async(check))


async def _run_async(check: Check) -> AccessTokenClaims | None:
    return await run_async(check)


def _refusal(run_check: Run, check: Check) -> Refused:
    with pytest.raises(Refused) as caught:
        run_check(check)
    return caught.value


def test_the_header_counts_by_default(run_check: Run) -> None:
    """The token comes from the Authorization header, and the client sees all that is presented."""
    client, needed = Client(), Requirements.of("a")
    check = Guard(client).check(None, ["Bearer abc"], needed, method="GET", url="/x")
    assert run_check(check) is CLAIMS
    assert client.seen == [(Presented("abc", "Bearer", None, "GET", "/x"), needed)]


def test_resolvers_are_given_the_request_and_replace_the_header(run_check: Run) -> None:
    """A token resolver sees the request, and the header is not looked at any more."""
    client = Client()
    guard = Guard(
        client,
        token_resolver=lambda request: request["token"],
        certificate_resolver=lambda request: request["certificate"],
    )
    request = {"token": "abc", "certificate": b"der"}
    assert run_check(guard.check(request, ["Bearer other", "Bearer headers"], ANYTHING)) is CLAIMS
    assert client.seen[0][0] == Presented("abc", client_certificate=b"der")


@pytest.mark.parametrize("answer", [" abc\r\n", "abc"])
def test_a_resolved_token_is_trimmed(run_check: Run, answer: str) -> None:
    """White space around a resolved token is dropped."""
    client = Client()
    run_check(Guard(client, token_resolver=lambda _: answer).check(None, [], ANYTHING))
    assert client.seen[0][0].token == "abc"


@pytest.mark.parametrize("answer", [None, "", " \t\n"])
def test_no_resolved_token_means_no_credentials(run_check: Run, answer: str | None) -> None:
    """None and blank text are missing credentials, even where a header has a token."""
    guard = Guard(Client(), token_resolver=lambda _: answer)
    refused = _refusal(run_check, guard.check(None, ["Bearer abc"], ANYTHING))
    assert str(refused.error) == "The request has no access token"
    assert refused.response.status == 401


@pytest.mark.parametrize(
    ("answer", "certificate"),
    [(None, None), ("", None), (" ", None), (b"", None), (" PEM\n", "PEM"), (b" der ", b" der ")],
)
def test_a_resolved_certificate_is_trimmed(
    run_check: Run, answer: str | bytes | None, certificate: str | bytes | None
) -> None:
    """Text is trimmed and blank is none; bytes stay as they are, since DER may end in any byte."""
    client = Client()
    run_check(Guard(client, certificate_resolver=lambda _: answer).check(None, ["Bearer abc"], ANYTHING))
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
    run_check: Run, name: str, answer: object, kinds: str
) -> None:
    """Nothing else is taken for a token or for "none"; the error names the resolver and not the value."""
    resolvers: dict[str, Any] = {name: lambda _: answer}
    refused = _refusal(run_check, Guard(Client(), **resolvers).check(None, ["Bearer abc"], ANYTHING))
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
def test_a_resolver_that_raises_lets_nothing_through(
    run_check: Run, name: str, raised: Exception, kind: type[MonoCloudError], status: int
) -> None:
    """What the caller sent and cannot be read is a 401, a mistake of the resolver a 500; no text is shown."""

    def fail(request: Any) -> str:
        raise raised

    client = Client()
    resolvers: dict[str, Any] = {name: fail}
    refused = _refusal(run_check, Guard(client, **resolvers).check(None, ["Bearer abc"], ANYTHING))
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


@pytest.mark.parametrize("client_type", [Client, LoopClient])
@pytest.mark.parametrize(("error", "status"), REFUSED.values(), ids=REFUSED)
def test_a_refused_token_is_raised_with_its_response(
    client_type: type[Client], error: MonoCloudError, status: int
) -> None:
    """An adapter that forgets about refusals cannot take one for claims."""
    for optional in (False, True):
        check = Guard(client_type(error)).check(None, ["Bearer abc"], ANYTHING, optional=optional)
        with pytest.raises(Refused) as caught:
            asyncio.run(_run_async(check))
        assert caught.value.error is error
        assert (caught.value.response.status, caught.value.answer) == (status, None)


@pytest.mark.parametrize("answer", [None, True, {"sub": "mallory"}, "claims"])
def test_only_claims_let_a_request_pass(run_check: Run, answer: Any) -> None:
    """A client that answers with anything else is a wrong configuration, also where a token is optional."""
    check = Guard(Client(answer)).check(None, ["Bearer abc"], ANYTHING, optional=True)
    assert isinstance(_refusal(run_check, check).error, ConfigurationError)


@pytest.mark.parametrize(
    ("authorization", "status"),
    [([], None), (["Basic YTpi"], None), (["Bearer abc"], 401), (["Bearer"], 400), (["Bearer a", "x"], 400)],
)
def test_an_optional_token_may_be_missing_and_not_wrong(
    run_check: Run, authorization: list[str], status: int | None
) -> None:
    """Without credentials a request is anonymous; a token that is there is checked."""
    client = Client(TokenError(Reason.EXPIRED))
    check = Guard(client).check(None, authorization, ANYTHING, optional=True)
    if status is None:
        assert run_check(check) is None
    else:
        assert _refusal(run_check, check).response.status == status


def test_on_error_may_change_or_replace_the_response(run_check: Run) -> None:
    """It is handed the default response, so that a changed one keeps status, challenge and no-store."""
    seen: list[Any] = []
    answers: list[Any] = [None, "own", lambda response: response.with_body(b"sorry", "text/plain")]

    def on_error(error: MonoCloudError, response: ErrorResponse, request: Any) -> Any:
        seen.append((type(error), response.status, request))
        answer = answers.pop()
        return answer(response) if callable(answer) else answer

    guard = Guard(Client(), on_error=on_error)
    changed = _refusal(run_check, guard.check("request", [], ANYTHING))
    assert changed.answer is None
    assert (changed.response.status, changed.response.body) == (401, b"sorry")
    assert changed.response.headers == (
        ("Content-Type", "text/plain"),
        ("Cache-Control", "no-store"),
        ("WWW-Authenticate", "Bearer"),
    )
    assert _refusal(run_check, guard.check("request", [], ANYTHING)).answer == "own"
    assert _refusal(run_check, guard.check("request", [], ANYTHING)).answer is None
    assert seen == [(CredentialsError, 401, "request")] * 3


def test_what_on_error_raises_comes_out_and_nothing_passes(run_check: Run) -> None:
    """The application may end a refused request by an exception of its own."""

    def on_error(*_: Any) -> Any:
        raise LookupError("own")

    with pytest.raises(LookupError, match="own"):
        run_check(Guard(Client(), on_error=on_error).check(None, [], ANYTHING))


def test_everything_may_be_async_on_an_event_loop() -> None:
    """Resolvers, client and on_error are awaited where they are async."""

    async def token(request: str) -> str:
        await asyncio.sleep(0)
        return f"token-of-{request}"

    async def certificate(request: str) -> str:
        return f"certificate-of-{request}"

    async def on_error(error: MonoCloudError, response: ErrorResponse, request: str) -> str:
        return f"answer-to-{request}"

    client = LoopClient()
    guard = Guard(client, token_resolver=token, certificate_resolver=certificate, on_error=on_error)
    assert asyncio.run(_run_async(guard.check("alice", [], ANYTHING))) is CLAIMS
    assert client.seen[0][0] == Presented("token-of-alice", client_certificate="certificate-of-alice")
    client.answer = TokenError(Reason.EXPIRED)
    with pytest.raises(Refused) as caught:
        asyncio.run(_run_async(guard.check("alice", [], ANYTHING)))
    assert caught.value.answer == "answer-to-alice"


@pytest.mark.parametrize("which", ["token_resolver", "certificate_resolver", "client"])
def test_what_must_be_awaited_is_refused_on_threads(which: str) -> None:
    """A coroutine is neither a token nor claims, and Python does not warn that it was left alone."""

    async def later(*_: Any) -> str:
        return "abc"

    functions: dict[str, Any] = {} if which == "client" else {which: later}
    guard = Guard(LoopClient() if which == "client" else Client(), **functions)
    with pytest.raises(Refused) as caught:
        run(guard.check(None, ["Bearer abc"], ANYTHING))
    assert isinstance(caught.value.error, ConfigurationError)
    gc.collect()  # a warning would be an error here


def test_an_awaitable_that_is_no_coroutine_is_refused_on_threads() -> None:
    """A future, say."""

    class Later:
        def __await__(self) -> Any:
            yield

    with pytest.raises(Refused):
        run(Guard(Client(), token_resolver=lambda _: Later()).check(None, [], ANYTHING))


def test_cancelling_a_resolver_is_not_taken_for_a_failure() -> None:
    """A cancelled request ends as cancelled, not as a configuration error."""

    async def cancelled(request: Any) -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(_run_async(Guard(Client(), token_resolver=cancelled).check(None, [], ANYTHING)))


def test_claims_of_a_request_may_be_checked_again() -> None:
    """For another view or dependency: without the client, and with a refusal that says whose token it was."""
    client = Client()
    guard = Guard(client)
    claims = AccessTokenClaims({"sub": "alice", "scope": "a", "groups": ["g"]})
    guard.check_again(claims, Requirements.of("a", "g"))
    for lacking, reason in ((Requirements.of("b"), "scope"), (Requirements.of("a", "h"), "groups")):
        with pytest.raises(Refused) as refused:
            guard.check_again(claims, lacking, method="GET", url="/orders")
        error = refused.value.error
        assert isinstance(error, TokenError)
        assert (error.reason, error.subject) == (f"insufficient_{reason}", "alice")
        assert "alice" not in f"{error} {error!r}"
        assert refused.value.response.status == 403
    assert client.seen == []


def test_claims_that_are_known_are_compared_with_what_another_view_needs(run_check: Run) -> None:
    """Nothing is read or validated again, and ``on_error`` is told what is missing."""
    client = Client()
    told: list[Any] = []
    guard = Guard(client, on_error=lambda error, response, request: told.append((error, request)))
    claims = AccessTokenClaims({"sub": "alice", "scope": "a"})
    assert run_check(guard.check("request", [], Requirements.of("a"), known=claims)) is claims
    with pytest.raises(Refused) as refused:
        run_check(guard.check("request", [], Requirements.of("b"), known=claims))
    assert refused.value.response.status == 403
    assert told == [(refused.value.error, "request")]
    assert client.seen == []


def test_a_test_may_say_who_calls(run_check: Run) -> None:
    """In place of every check, with the requirements and how groups are to be matched."""
    seen: list[Any] = []

    def caller(requirements: Requirements, match_all: bool) -> AccessTokenClaims:
        seen.append((requirements, match_all))
        if requirements.scopes:
            raise TokenError(Reason.INSUFFICIENT_SCOPE)
        return CLAIMS

    client = Client(TokenError(Reason.EXPIRED))
    needed = Requirements.of("a")
    assert replace_caller(caller) is None
    try:
        assert run_check(Guard(client).check(None, [], ANYTHING)) is CLAIMS
        assert _refusal(run_check, Guard(client).check(None, [], needed)).response.status == 403
    finally:
        assert replace_caller(None) is caller
    assert seen == [(ANYTHING, False), (needed, False)]
    assert client.seen == []
    assert _refusal(run_check, Guard(client).check(None, [], ANYTHING)).response.status == 401
