"""The log of refused requests: levels, reasons, and that it holds no secrets."""

from __future__ import annotations

import logging
import re

import pytest

from monocloud_mw.errors import (
    ConfigurationError,
    CredentialsError,
    HttpError,
    OAuthResponseError,
    Reason,
    TokenError,
)
from monocloud_mw.protect.logs import log_refusal

CANARY = "canary-of-a-secret"


def _oauth_error(status: int) -> OAuthResponseError:
    return OAuthResponseError(CANARY, error=CANARY, error_description=CANARY, status=status)


LOGGED: dict[str, tuple[Exception, int, str]] = {
    "no credentials": (CredentialsError("why"), logging.DEBUG, "Request refused: why"),
    "token": (
        TokenError(Reason.WRONG_AUDIENCE, "it is for 'x'", key_id="'k1'", issuer="'https://i'"),
        logging.INFO,
        "Access token refused: The access token is for another audience: it is for 'x' [wrong_audience] "
        "(key id 'k1', issuer 'https://i')",
    ),
    "token without more": (
        TokenError(Reason.MALFORMED),
        logging.INFO,
        "Access token refused: The access token is malformed [malformed] (key id unknown, issuer unknown)",
    ),
    "tenant": (HttpError("why", status=500), logging.WARNING, "Access token not checked: why"),
    "tenant moved": (
        HttpError("why", status=302, advice="set it"),
        logging.ERROR,
        "Access token not checked: why; set it",
    ),
    "tenant unknown": (HttpError("why", status=404), logging.ERROR, "Access token not checked: why"),
    "our client": (_oauth_error(401), logging.WARNING, f"Access token not checked: {CANARY}"),
    "configuration": (ConfigurationError("why"), logging.ERROR, "Access token not checked: why"),
    "anything else": (RuntimeError(CANARY), logging.ERROR, "Access token not checked: RuntimeError"),
}


@pytest.mark.parametrize(("error", "level", "message"), LOGGED.values(), ids=LOGGED)
def test_every_error_is_logged_at_its_level(
    error: Exception, level: int, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller's mistakes are quiet, the tenant's a warning, ours an error; the reason is named."""
    caplog.set_level(logging.DEBUG, "monocloud_mw")
    log_refusal(error)
    assert caplog.record_tuples == [("monocloud_mw", level, message)]


def _raise(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as raised:
        return raised


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_the_log_says_where_foreign_code_failed_but_not_its_message(caplog: pytest.LogCaptureFixture) -> None:
    """A failing resolver is found by file and line; what it said may hold a token and stays out."""
    log_refusal(_caused(ConfigurationError("token_resolver raised KeyError"), _raise(KeyError(CANARY))))
    log_refusal(_raise(RuntimeError(CANARY)))
    for record in caplog.records:
        assert re.search(rf"\(raised at {re.escape(__file__)}:\d+\)$", record.getMessage())
    assert CANARY not in caplog.text


def test_the_log_does_not_repeat_where_our_own_errors_came_from(caplog: pytest.LogCaptureFixture) -> None:
    """An error of ours says all there is to say, whatever caused it."""
    log_refusal(_caused(ConfigurationError("why"), _raise(HttpError("what"))))
    assert caplog.messages == ["Access token not checked: why"]
