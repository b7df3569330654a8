"""The authorization endpoint with a login page on which any subject can be entered.

RFC 6749 section 4.1 (code flow), RFC 7636 (PKCE, required, S256 only), RFC 9207 (``iss`` in the response).
A request with a wrong client or ``redirect_uri`` gets an error response; other errors are sent to the client.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final
from urllib.parse import urlencode

import attrs
from werkzeug import Request, Response

from .authorization_codes import CHALLENGE, AuthorizationCodes, Grant
from .clients import ClientRegistry
from .oauth_errors import OAuthError
from .tokens import DEFAULT_SUBJECT

__all__ = ["AuthorizationEndpoint"]

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Log in - local tenant</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 4rem auto; padding: 0 1rem }}
label {{ display: block; margin: 1rem 0 }}
input {{ display: block; width: 100%; padding: .4rem; font: inherit; box-sizing: border-box }}
button {{ padding: .4rem 1.2rem; font: inherit }}
</style>
</head>
<body>
<h1>Local tenant</h1>
<p><b>{client}</b> requests access. No password is needed: this tenant is for tests.</p>
<form method="post">
{hidden}
<label>Subject <input name="subject" value="{subject}" required></label>
<label>Groups, separated by spaces <input name="groups"></label>
<label>Scopes <input name="granted" value="{scopes}"></label>
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button>
</form>
</body>
</html>
"""

PARAMETERS: Final = (
    *("response_type", "client_id", "redirect_uri", "scope", "state"),
    *("code_challenge", "code_challenge_method"),
)


@attrs.frozen
class AuthorizationEndpoint:
    """Answers authorization requests of one tenant.

    Args:
        issuer: the tenant.
        clients: the registered clients.
        codes: issues the codes.
    """

    issuer: str
    clients: ClientRegistry
    codes: AuthorizationCodes

    def respond(self, request: Request) -> Response:
        """Return the page for a ``GET``; for the form's ``POST``, redirect with a code or an error.

        Raises:
            OAuthError: there is no client to redirect to [invalid_request, invalid_client].
        """
        fields = request.args if request.method == "GET" else request.form
        if any(len(values) > 1 for _, values in fields.lists()):
            raise OAuthError("invalid_request", "a parameter is repeated")
        client = self.clients.find(fields.get("client_id", ""))
        if client is None:
            raise OAuthError("invalid_request", "unknown client_id")
        redirect_uri = fields.get("redirect_uri")
        if redirect_uri not in client.redirect_uris:
            raise OAuthError("invalid_request", "redirect_uri is not registered for this client")
        error = _find_error(fields)
        if error is None and request.method == "GET":
            return _page(fields)
        if error is None and fields.get("decision") != "allow":
            error = OAuthError("access_denied", "the user has denied access")
        if error is not None:
            return self._send_back(fields, {"error": error.error, "error_description": error.description})
        grant = Grant(
            client_id=client.client_id,
            redirect_uri=redirect_uri,
            challenge=fields["code_challenge"],
            scopes=" ".join(fields.get("granted", "").split()),
            subject=fields.get("subject") or DEFAULT_SUBJECT,
            groups=tuple(fields.get("groups", "").split()),
        )
        return self._send_back(fields, {"code": self.codes.issue(grant)})

    def _send_back(self, fields: Mapping[str, str], answer: Mapping[str, str]) -> Response:
        state = {"state": fields["state"]} if "state" in fields else {}
        uri = fields["redirect_uri"]
        separator = "&" if "?" in uri else "?"
        location = uri + separator + urlencode({**answer, **state, "iss": self.issuer})
        return Response(status=303, headers={**HEADERS, "Location": location})


def _find_error(fields: Mapping[str, str]) -> OAuthError | None:
    if fields.get("response_type") != "code":
        return OAuthError("unsupported_response_type", "response_type must be code")
    if fields.get("code_challenge_method") != "S256":
        return OAuthError("invalid_request", "code_challenge_method must be S256")
    if not CHALLENGE.fullmatch(fields.get("code_challenge", "")):
        return OAuthError("invalid_request", "code_challenge must be the base64url of a SHA-256 digest")
    return None


def _page(fields: Mapping[str, str]) -> Response:
    hidden = "\n".join(
        f'<input type="hidden" name="{name}" value="{escape(fields[name])}">'
        for name in PARAMETERS
        if name in fields
    )
    page = PAGE.format(
        client=escape(fields["client_id"]),
        hidden=hidden,
        subject=escape(DEFAULT_SUBJECT),
        scopes=escape(fields.get("scope", "")),
    )
    return Response(page, content_type="text/html; charset=utf-8", headers=HEADERS)
