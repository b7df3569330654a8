"""Logging of refused requests: levels, reasons, and no secrets."""

from __future__ import annotations

import logging
import re

import pytest

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.documentation import docs_address
from monocloud_mw.errors import (
    AuthorizationServerError,
    ConfigurationError,
    CredentialsError,
    HttpError,
    OAuthResponseError,
    Reason,
    TokenError,
)
from monocloud_mw.events import TokenAccepted, subject_digest
from monocloud_mw.frozen import freeze
from monocloud_mw.log_limits import BURST
from monocloud_mw.protect.logs import CLIENT_ADVICE, describe_acceptance, log_refusal, new_log

CANARY = "canary-of-a-secret"
EXTRA = (
    *("method", "path", "status", "reason", "expected", "found", "hint", "key_id", "issuer"),
    *("subject_digest", "docs", "left_out"),
)


def _oauth_error(status: int) -> OAuthResponseError:
    return OAuthResponseError(CANARY, error=CANARY, error_description=CANARY, status=status)


LOGGED: dict[str, tuple[Exception, int, str]] = {
    "no credentials": (CredentialsError("why"), logging.DEBUG, "Request refused: why [no_token]"),
    "malformed header": (
        CredentialsError("why", malformed=True),
        logging.DEBUG,
        "Request refused: why [malformed_header]",
    ),
    "token": (
        TokenError(
            Reason.WRONG_AUDIENCE,
            expected="'x'",
            found="'y'",
            hint="why not",
            key_id="'k1'",
            issuer="'https://i'",
            subject=CANARY,
        ),
        logging.INFO,
        "Access token refused: The access token is for another audience [wrong_audience]; expected 'x', "
        f"found 'y', key id 'k1', issuer 'https://i', subject digest {subject_digest(CANARY)}; why not",
    ),
    "token without more": (
        TokenError(Reason.MALFORMED, "it is empty"),
        logging.INFO,
        "Access token refused: The access token is malformed: it is empty [malformed]",
    ),
    "tenant": (
        HttpError("why", status=500),
        logging.WARNING,
        "Access token not checked: why [tenant_unavailable]",
    ),
    "tenant unlike any other": (
        AuthorizationServerError("why"),
        logging.WARNING,
        "Access token not checked: why [tenant_unavailable]",
    ),
    "tenant moved": (
        HttpError("why", status=302, advice="set it"),
        logging.ERROR,
        "Access token not checked: why; set it [tenant_mistake]",
    ),
    "tenant unknown": (
        HttpError("why", status=404),
        logging.ERROR,
        "Access token not checked: why [tenant_mistake]",
    ),
    "our client": (
        _oauth_error(401),
        logging.ERROR,
        f"Access token not checked: {CANARY} [client_refused]; {CLIENT_ADVICE}",
    ),
    "configuration": (
        ConfigurationError("why"),
        logging.ERROR,
        "Access token not checked: why [configuration]",
    ),
    "anything else": (
        RuntimeError(CANARY),
        logging.ERROR,
        "Access token not checked: RuntimeError [internal]",
    ),
}


@pytest.mark.parametrize(("error", "level", "message"), LOGGED.values(), ids=LOGGED)
def test_every_error_is_logged_at_its_level(
    error: Exception, level: int, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller's mistakes are logged at DEBUG or INFO, the tenant's at WARNING, ours at ERROR, with the
    reason.
    """
    caplog.set_level(logging.DEBUG, "monocloud_mw")
    refusal = log_refusal(error)
    assert caplog.record_tuples == [("monocloud_mw", level, f"{message}; see {refusal.docs}")]


def test_the_facts_are_attributes_of_the_record(caplog: pytest.LogCaptureFixture) -> None:
    """The facts are attributes of the log record, for JSON logging; text from outside is escaped."""
    caplog.set_level(logging.DEBUG, "monocloud_mw")
    error = TokenError(Reason.INSUFFICIENT_SCOPE, expected="'a'", found="'b'", subject="me", key_id="'k'")
    log_refusal(error, method="GET\n", path="/orders\r\nINFO", status=403)
    (record,) = caplog.records
    assert {name: getattr(record, name) for name in EXTRA} == {
        "method": "'GET\\n'",
        "path": "'/orders\\r\\nINFO'",
        "status": 403,
        "reason": "insufficient_scope",
        "expected": "'a'",
        "found": "'b'",
        "hint": None,
        "key_id": "'k'",
        "issuer": None,
        "subject_digest": subject_digest("me"),
        "docs": docs_address("insufficient_scope"),
        "left_out": 0,
    }
    assert "'GET\\n' '/orders\\r\\nINFO' answered with 403" in record.getMessage()


def test_repeated_refusals_are_limited(caplog: pytest.LogCaptureFixture) -> None:
    """Repeated refusals of one reason are limited; other reasons are still logged."""
    caplog.set_level(logging.DEBUG, "monocloud_mw")
    log = new_log()
    for _ in range(1000):
        log_refusal(HttpError("away"), log=log)
    log_refusal(TokenError(Reason.EXPIRED), log=log)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * BURST + [logging.INFO]


def test_nothing_is_written_at_a_level_that_is_off(caplog: pytest.LogCaptureFixture) -> None:
    """At the level WARNING, the default, refused tokens create no record."""
    caplog.set_level(logging.WARNING, "monocloud_mw")
    assert log_refusal(TokenError(Reason.EXPIRED)).reason == "expired"
    assert caplog.records == []


def test_accepted_requests_are_logged_without_claims() -> None:
    """An accepted request is logged with the issuer and a digest of the subject, not with the claims."""
    claims = AccessTokenClaims(freeze({"iss": "https://i", "sub": CANARY}))
    described = describe_acceptance(claims, "GET", "/")
    assert described == TokenAccepted(
        method="'GET'", path="'/'", issuer="'https://i'", subject_digest=subject_digest(CANARY)
    )
    assert describe_acceptance(AccessTokenClaims(freeze({}))) == TokenAccepted()


def _raise(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as raised:
        return raised


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_the_log_has_the_place_but_not_the_message_of_foreign_errors(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A failing resolver is logged with file and line, without its message, which may contain a token."""
    log_refusal(_caused(ConfigurationError("token_resolver raised KeyError"), _raise(KeyError(CANARY))))
    log_refusal(_raise(RuntimeError(CANARY)))
    for record in caplog.records:
        assert re.search(rf"\(raised at {re.escape(__file__)}:\d+\) \[", record.getMessage())
    assert CANARY not in caplog.text


def test_errors_of_the_library_are_logged_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """An error of the library is logged without a traceback."""
    log_refusal(_caused(ConfigurationError("why"), _raise(HttpError("what"))))
    assert caplog.messages == [
        f"Access token not checked: why [configuration]; see {docs_address('configuration')}"
    ]
