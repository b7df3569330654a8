"""The errors: their class tree, generic messages, and escaping of foreign text."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.errors import (
    AuthorizationServerError,
    ConfigurationError,
    CredentialsError,
    HttpError,
    MonoCloudError,
    OAuthResponseError,
    Problem,
    Reason,
    TokenError,
)
from monocloud_mw.protect.responses import error_response
from monocloud_mw.quoting import quoted

ERRORS = [
    ConfigurationError([Problem("audience", "MONOCLOUD_BACKEND_AUDIENCE", "is required")]),
    CredentialsError("the header is malformed", malformed=True),
    TokenError(Reason.INSUFFICIENT_SCOPE, "detail", scopes=["a", "b"], key_id="'k'", issuer="'i'"),
    OAuthResponseError("refused", error="invalid_client", error_description="no", status=401),
    HttpError("away", status=503, retry_after=7),
    HttpError("moved", status=302, advice="set tenant_domain"),
]


def test_errors_for_different_causes_are_siblings() -> None:
    """Errors for different causes are siblings, so handling one does not catch another."""
    parents = {
        ConfigurationError: MonoCloudError,
        CredentialsError: MonoCloudError,
        TokenError: MonoCloudError,
        AuthorizationServerError: MonoCloudError,
        OAuthResponseError: AuthorizationServerError,
        HttpError: AuthorizationServerError,
        MonoCloudError: Exception,
    }
    assert {kind: kind.__bases__ for kind in parents} == {kind: (base,) for kind, base in parents.items()}


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        *(
            (reason, "invalid_token")
            for reason in Reason
            if reason not in {Reason.INACTIVE, Reason.INSUFFICIENT_SCOPE, Reason.INSUFFICIENT_GROUPS}
        ),
        (Reason.INACTIVE, "inactive_token"),
        (Reason.INSUFFICIENT_SCOPE, "insufficient_scope"),
        (Reason.INSUFFICIENT_GROUPS, "insufficient_groups"),
    ],
)
def test_every_reason_has_a_code_and_a_fixed_sentence(reason: Reason, code: str) -> None:
    """The sentence is a valid quoted string of RFC 6750 and has none of the detail."""
    error = TokenError(reason, "a detail")
    assert error.reason is reason
    assert error.code == code
    assert error.detail == "a detail"
    assert str(error) == f"{error.description}: a detail"
    assert str(TokenError(reason)) == error.description
    assert error.description.isascii()
    assert error.description.isprintable()
    assert not set(error.description) & {'"', "\\"}


def test_the_sentences_tell_the_reasons_apart() -> None:
    """No two reasons share a sentence."""
    assert len({TokenError(reason).description for reason in Reason}) == len(Reason)


def test_a_configuration_error_lists_every_problem() -> None:
    """Each problem has its option, and its variable if there is one."""
    problems = [Problem("audience", "AUDIENCE", "is required"), Problem("cache", None, "is odd")]
    error = ConfigurationError(iter(problems))
    assert error.problems == tuple(problems)
    assert str(error) == "audience (AUDIENCE): is required; cache: is odd"


def test_a_configuration_error_may_be_one_sentence() -> None:
    """An error without an option is a sentence without problems."""
    error = ConfigurationError("there is no client")
    assert error.problems == ()
    assert str(error) == "there is no client"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_errors_copy_and_pickle(error: MonoCloudError, again: Any) -> None:
    """A failure is raised as a copy for each caller, so a copy has all attributes."""
    other = again(error)
    assert other is not error
    assert type(other) is type(error)
    assert (str(other), other.args, vars(other)) == (str(error), error.args, vars(error))


def test_a_copy_carries_no_traceback() -> None:
    """Raising a copy does not extend the traceback of another."""
    with pytest.raises(HttpError) as caught:
        raise HttpError("away")
    assert caught.value.__traceback__ is not None
    assert copy.copy(caught.value).__traceback__ is None


@pytest.mark.parametrize(
    ("status", "temporary"),
    [
        (None, True),
        (200, True),
        (302, True),
        (400, False),
        (404, False),
        (408, True),
        (425, True),
        (429, True),
        (499, False),
        (500, True),
        (503, True),
    ],
)
def test_which_http_errors_are_temporary(status: int | None, temporary: bool) -> None:
    """Only statuses that call the request wrong are permanent."""
    error = HttpError("away", status=status)
    assert (error.temporary, error.advice, str(error)) == (temporary, None, "away")


@pytest.mark.parametrize("status", [None, 200, 302, 404, 503])
def test_an_error_with_advice_is_permanent(status: int | None) -> None:
    """An error with advice is permanent whatever its status, and its message ends with the advice."""
    error = HttpError("moved", status=status, advice="set tenant_domain")
    assert (error.temporary, error.advice, str(error)) == (
        False,
        "set tenant_domain",
        "moved; set tenant_domain",
    )


@pytest.mark.parametrize("advice", [None, "set it"])
@pytest.mark.parametrize("status", [None, 302, 404, 429])
def test_an_outage_is_temporary_whatever_its_status(status: int | None, advice: str | None) -> None:
    """The outage has the same message without advice."""
    error = HttpError("moved", status=status, retry_after=7, advice=advice)
    outage = copy.copy(error.as_outage())
    assert (str(outage), outage.status, outage.retry_after) == ("moved", status, 7.0)
    assert (outage.advice, outage.temporary) == (None, True)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, None),
        (0, 1.0),
        (-5, 1.0),
        (1, 1.0),
        (2.5, 2.5),
        (300, 300.0),
        (301, 300.0),
        (1e300, 300.0),
        (float("inf"), 300.0),
        (float("-inf"), 1.0),
        (float("nan"), 1.0),
    ],
)
def test_the_time_to_wait_is_bounded(asked: float | None, expected: float | None) -> None:
    """The time is limited, whatever a server asks for."""
    assert HttpError("away", retry_after=asked).retry_after == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "'plain'"),
        ("", "''"),
        (None, "'None'"),
        (12, "'12'"),
        ("it's", '"it\'s"'),
        ("line\r\nbreak\x1b[0m", "'line\\r\\nbreak\\x1b[0m'"),
        ("\u202egr\u00fc\u00df\ud800", "'\\u202egr\\xfc\\xdf\\ud800'"),
        ("x" * 80, "'" + "x" * 80 + "'"),
        ("x" * 81, "'" + "x" * 79 + "...'"),
        ("it's " * 40, '"' + ("it's " * 40)[:79] + '..."'),
    ],
)
def test_quoted_text_is_a_short_ascii_literal(text: object, expected: str) -> None:
    """Control characters, other scripts and long text are escaped or cut for the log."""
    assert quoted(text) == expected


def test_a_value_without_text_is_quoted_by_its_type() -> None:
    """Python refuses to print very long integers and deep nesting; this must not break an error message."""
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert quoted(nested) == "'list'"
    assert quoted(10**5000) == "'int'"


@given(st.text(max_size=200))
def test_quoted_text_is_printable_and_bounded(text: str) -> None:
    """Any value gives one short line of printable ASCII."""
    literal = quoted(text)
    assert literal.isascii()
    assert literal.isprintable()
    assert len(literal) <= 84
    assert literal[0] == literal[-1]
    assert literal[0] in "'\""


def test_an_exchange_that_was_never_sent() -> None:
    """Waiting for a local connection says nothing about the tenant; the caller may try again at once."""
    error = HttpError("all connections are in use", local=True)
    assert dict(error_response(error).headers)["Retry-After"] == "1"
    assert dict(error_response(HttpError("away")).headers)["Retry-After"] == "30"
    assert HttpError("busy", local=True, retry_after=7).retry_after == 7.0
    assert (error.local, error.status, error.temporary) == (True, None, True)
    assert copy.copy(error).local
    assert not HttpError("away").local
