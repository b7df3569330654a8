"""Resolvers: what they may return, and that whatever else they do fails closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from monocloud_mw.errors import ConfigurationError, CredentialsError, Reason, TokenError
from monocloud_mw.protect.credentials import Credentials
from monocloud_mw.protect.resolvers import Resolvers

Read = Callable[[Resolvers, list[str], Any], Credentials]


def _read_on_a_loop(resolvers: Resolvers, authorization: list[str], request: Any) -> Credentials:
    return asyncio.run(resolvers.read_async(authorization, request))


@pytest.fixture(params=[Resolvers.read, _read_on_a_loop], ids=["sync", "async"])
def read(request: pytest.FixtureRequest) -> Read:
    """Return the way of reading credentials: as threads do, or as event loops do."""
    return request.param  # type: ignore[no-any-return]


def test_without_resolvers_the_header_counts(read: Read) -> None:
    """By default the token comes from the Authorization header, and there is no certificate."""
    assert read(Resolvers(), ["Bearer abc"], None) == Credentials("abc")


def test_resolvers_are_given_the_request_and_replace_the_header(read: Read) -> None:
    """A token resolver sees the request, and the header is not looked at any more."""
    resolvers = Resolvers(lambda request: request["token"], lambda request: request["certificate"])
    request = {"token": "abc", "certificate": b"der"}
    assert read(resolvers, ["Bearer other", "Bearer headers"], request) == Credentials("abc", b"der")


@pytest.mark.parametrize("answer", [" abc\r\n", "abc"])
def test_a_resolved_token_is_trimmed(read: Read, answer: str) -> None:
    """White space around a resolved token is dropped."""
    assert read(Resolvers(lambda _: answer), [], None).token == "abc"


@pytest.mark.parametrize("answer", [None, "", " \t\n"])
def test_no_resolved_token_means_no_credentials(read: Read, answer: str | None) -> None:
    """None and blank text are missing credentials, even where a header has a token."""
    with pytest.raises(CredentialsError, match=r"^The request has no access token$") as caught:
        read(Resolvers(lambda _: answer), ["Bearer abc"], None)
    assert not caught.value.malformed


@pytest.mark.parametrize(
    ("answer", "certificate"),
    [(None, None), ("", None), (" ", None), (b"", None), (" PEM\n", "PEM"), (b" der ", b" der ")],
)
def test_a_resolved_certificate_is_trimmed(
    read: Read, answer: str | bytes | None, certificate: str | bytes | None
) -> None:
    """Text is trimmed and blank is none; bytes stay as they are, since DER may end in any byte."""
    resolvers = Resolvers(certificate=lambda _: answer)
    assert read(resolvers, ["Bearer abc"], None).client_certificate == certificate


@pytest.mark.parametrize("answer", [b"abc", 1, True, ["abc"], object()])
def test_a_token_of_a_wrong_type_is_a_configuration_error(read: Read, answer: object) -> None:
    """Only a string is a token; the error names the resolver and the type, not the value."""
    with pytest.raises(ConfigurationError) as caught:
        read(Resolvers(lambda _: answer), [], None)
    expected = f"token_resolver must return a string or None, not '{type(answer).__name__}'"
    assert str(caught.value) == expected


@pytest.mark.parametrize("answer", [1, False, ["PEM"], bytearray(b"der")])
def test_a_certificate_of_a_wrong_type_is_a_configuration_error(read: Read, answer: object) -> None:
    """Only strings and bytes are certificates; nothing else is taken for "none"."""
    with pytest.raises(ConfigurationError) as caught:
        read(Resolvers(certificate=lambda _: answer), ["Bearer abc"], None)
    expected = f"certificate_resolver must return a string, bytes or None, not '{type(answer).__name__}'"
    assert str(caught.value) == expected


@pytest.mark.parametrize("name", ["token", "certificate"])
def test_a_resolver_that_raises_is_named_and_its_message_is_not_shown(read: Read, name: str) -> None:
    """What a resolver raises becomes an error that names the resolver and the type only."""

    def fail(request: Any) -> str:
        raise KeyError("secret")

    with pytest.raises(ConfigurationError) as caught:
        read(Resolvers(**{name: fail}), ["Bearer abc"], None)
    assert str(caught.value) == f"{name}_resolver raised KeyError"
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("name", ["token", "certificate"])
@pytest.mark.parametrize("error", [CredentialsError("no"), TokenError(Reason.CERTIFICATE_MALFORMED)])
def test_an_error_of_ours_that_a_resolver_raises_stays_what_it_is(
    read: Read, name: str, error: Exception
) -> None:
    """A resolver may refuse a request by raising one of the documented errors."""

    def refuse(request: Any) -> str:
        raise error

    with pytest.raises(type(error)) as caught:
        read(Resolvers(**{name: refuse}), ["Bearer abc"], None)
    assert caught.value is error


def test_resolvers_may_be_async_on_an_event_loop() -> None:
    """Async resolvers are awaited, one after the other."""

    async def token(request: str) -> str:
        await asyncio.sleep(0)
        return f"token-of-{request}"

    async def certificate(request: str) -> str:
        return f"certificate-of-{request}"

    credentials = _read_on_a_loop(Resolvers(token, certificate), [], "alice")
    assert credentials == Credentials("token-of-alice", "certificate-of-alice")


def test_cancelling_a_resolver_is_not_taken_for_a_failure() -> None:
    """A cancelled request ends as cancelled, not as a configuration error."""

    async def cancelled(request: Any) -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        _read_on_a_loop(Resolvers(cancelled), [], None)
