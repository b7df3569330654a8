"""Error responses: the documented status table, without details that callers should not see."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.errors import (
    ConfigurationError,
    CredentialsError,
    HttpError,
    OAuthResponseError,
    Problem,
    Reason,
    TokenError,
)
from monocloud_mw.protect.responses import RETRY_AFTER_SECONDS, error_response

CANARY = "canary-of-a-secret"
RETRY = ("Retry-After", str(RETRY_AFTER_SECONDS))
SERVER_ERROR = ("server_error", "The request could not be authenticated")
UNAVAILABLE = ("temporarily_unavailable", "Access tokens cannot be checked at the moment")


def _challenge(value: str) -> tuple[str, str]:
    return "WWW-Authenticate", value


def _oauth_error(status: int) -> OAuthResponseError:
    return OAuthResponseError(CANARY, error=CANARY, error_description=CANARY, status=status)


TABLE: dict[str, tuple[Exception, int, tuple[str, str], tuple[str, str] | None]] = {
    "no credentials": (
        CredentialsError(CANARY),
        401,
        ("unauthorized", "An access token is required"),
        _challenge("Bearer"),
    ),
    "malformed header": (
        CredentialsError(CANARY, malformed=True),
        400,
        ("invalid_request", "The Authorization header is malformed"),
        _challenge('Bearer error="invalid_request"'),
    ),
    "expired": (
        TokenError(Reason.EXPIRED, CANARY, key_id=CANARY, issuer=CANARY),
        401,
        ("invalid_token", "The access token has expired"),
        _challenge('Bearer error="invalid_token", error_description="The access token has expired"'),
    ),
    "inactive": (
        TokenError(Reason.INACTIVE, CANARY),
        401,
        ("invalid_token", "The access token is not active"),
        _challenge('Bearer error="invalid_token", error_description="The access token is not active"'),
    ),
    "scope": (
        TokenError(Reason.INSUFFICIENT_SCOPE, CANARY, scopes=["a:read", "b"]),
        403,
        ("insufficient_scope", "The access token lacks a required scope"),
        _challenge('Bearer error="insufficient_scope", scope="a:read b"'),
    ),
    "group": (
        TokenError(Reason.INSUFFICIENT_GROUPS, CANARY),
        403,
        ("insufficient_scope", "The access token lacks a required group"),
        _challenge('Bearer error="insufficient_scope"'),
    ),
    "group, where scopes were asked for": (
        TokenError(Reason.INSUFFICIENT_GROUPS, CANARY, scopes=["a:read"]),
        403,
        ("insufficient_scope", "The access token lacks a required group"),
        _challenge('Bearer error="insufficient_scope", scope="a:read"'),
    ),
    "network failure": (HttpError(CANARY), 503, UNAVAILABLE, RETRY),
    "nonsense": (HttpError(CANARY, status=200), 503, UNAVAILABLE, RETRY),
    "redirect": (HttpError(CANARY, status=302), 503, UNAVAILABLE, RETRY),
    "request timeout": (HttpError(CANARY, status=408), 503, UNAVAILABLE, RETRY),
    "too early": (HttpError(CANARY, status=425), 503, UNAVAILABLE, RETRY),
    "too many requests": (HttpError(CANARY, status=429), 503, UNAVAILABLE, RETRY),
    "tenant's error": (HttpError(CANARY, status=500), 503, UNAVAILABLE, RETRY),
    "tenant says when": (
        HttpError(CANARY, status=503, retry_after=7.2),
        503,
        UNAVAILABLE,
        ("Retry-After", "8"),
    ),
    "tenant asks for too long": (
        HttpError(CANARY, status=429, retry_after=1e9),
        503,
        UNAVAILABLE,
        ("Retry-After", "300"),
    ),
    "tenant moved": (HttpError(CANARY, status=302, advice=CANARY), 500, SERVER_ERROR, None),
    "tenant overloaded": (HttpError(CANARY, status=599), 503, UNAVAILABLE, RETRY),
    "tenant says 400": (HttpError(CANARY, status=400), 500, SERVER_ERROR, None),
    "tenant says 404": (HttpError(CANARY, status=404), 500, SERVER_ERROR, None),
    "tenant says 499": (HttpError(CANARY, status=499), 500, SERVER_ERROR, None),
    "our client is refused": (_oauth_error(401), 500, SERVER_ERROR, None),
    "our client is refused oddly": (_oauth_error(503), 500, SERVER_ERROR, None),
    "configuration": (ConfigurationError([Problem(CANARY, None, CANARY)]), 500, SERVER_ERROR, None),
    "anything else": (RuntimeError(CANARY), 500, SERVER_ERROR, None),
}


@pytest.mark.parametrize(("error", "status", "body", "header"), TABLE.values(), ids=TABLE)
def test_every_error_has_its_response(
    error: Exception, status: int, body: tuple[str, str], header: tuple[str, str] | None
) -> None:
    """Status, headers and body are those of the table and contain no detail of the error."""
    refusal = error_response(error)
    assert refusal.status == status
    assert json.loads(refusal.body) == {"error": body[0], "error_description": body[1]}
    assert refusal.description == body[1]
    assert refusal.headers == (
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        *([header] if header else []),
    )
    assert CANARY not in repr(refusal)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_safe_challenge(reason: Reason) -> None:
    """The description of every reason can be written as a quoted string (RFC 6750 section 3)."""
    refusal = error_response(TokenError(reason, CANARY))
    challenge = dict(refusal.headers)["WWW-Authenticate"]
    assert refusal.status == (403 if reason.startswith("insufficient") else 401)
    assert re.fullmatch(r'Bearer error="[a-z_]+"(, error_description="[A-Za-z ]+")?', challenge)
    assert CANARY not in repr(refusal)


@given(st.lists(st.text(max_size=8), max_size=4))
def test_scopes_cannot_break_out_of_the_challenge(scopes: list[str]) -> None:
    """Only RFC 6749 scope tokens are written, so no scope can end the quoted string or the header."""
    challenge = dict(error_response(TokenError(Reason.INSUFFICIENT_SCOPE, scopes=scopes)).headers)[
        "WWW-Authenticate"
    ]
    token = r"[\x21\x23-\x5b\x5d-\x7e]+"
    assert re.fullmatch(rf'Bearer error="insufficient_scope"(, scope="{token}( {token})*")?', challenge)


def test_invalid_scope_tokens_are_left_out() -> None:
    """Scopes that cannot be written safely are left out of the challenge; the others are kept."""
    error = TokenError(Reason.INSUFFICIENT_SCOPE, scopes=['a"b', "c\\d", "\xe9", "e\r\nf", "", "ok"])
    assert dict(error_response(error).headers)["WWW-Authenticate"] == (
        'Bearer error="insufficient_scope", scope="ok"'
    )
