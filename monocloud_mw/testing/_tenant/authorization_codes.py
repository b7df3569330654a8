"""Authorization codes: single-use references to what a user has granted to a client.

RFC 6749 section 4.1, RFC 7636 (PKCE with S256, which every client must use here).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from ...jose import base64url
from .oauth_errors import OAuthError

__all__ = ["CHALLENGE", "AuthorizationCodes", "Grant"]

LIFETIME_SECONDS: Final = 60
CODE_BYTES: Final = 32
CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@attrs.frozen(kw_only=True)
class Grant:
    """What a user has granted.

    Args:
        client_id: the client.
        redirect_uri: the URI that the code was sent to.
        challenge: the ``code_challenge`` of the request, for S256.
        scopes: the granted scopes, separated by spaces.
        subject: the user.
        groups: the groups of the user.
    """

    client_id: str
    redirect_uri: str
    challenge: str
    scopes: str
    subject: str
    groups: tuple[str, ...]


class AuthorizationCodes:
    """The codes of one tenant; thread-safe.

    Args:
        clock: returns Unix seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._grants: dict[str, tuple[Grant, float]] = {}
        self._lock = threading.Lock()

    def issue(self, grant: Grant) -> str:
        """Return a code for a grant."""
        code = secrets.token_urlsafe(CODE_BYTES)
        with self._lock:
            self._grants[code] = grant, self._clock() + LIFETIME_SECONDS
        return code

    def redeem(self, form: Mapping[str, str], client_id: str) -> Grant:
        """Return the grant of a code; a code can be used once.

        Args:
            form: the fields of a token request.
            client_id: the client that sends the request.

        Raises:
            OAuthError: [invalid_grant]
        """
        with self._lock:  # the code is used up even if the request is invalid
            grant, expires_at = self._grants.pop(form.get("code", ""), (None, 0.0))
        if grant is None or expires_at <= self._clock():
            raise OAuthError("invalid_grant", "the code is unknown, used or older than a minute")
        if grant.client_id != client_id:
            raise OAuthError("invalid_grant", "the code was issued to another client")
        if form.get("redirect_uri") != grant.redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri is not that of the authorization request")
        verifier = form.get("code_verifier", "")
        digest = base64url.encode(hashlib.sha256(verifier.encode("utf-8", "replace")).digest())
        if not VERIFIER.fullmatch(verifier) or not hmac.compare_digest(digest, grant.challenge):
            raise OAuthError("invalid_grant", "code_verifier does not match the code_challenge")
        return grant
