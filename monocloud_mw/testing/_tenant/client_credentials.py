"""Reads the client credentials of a request, without checking them.

A request has one proof (RFC 6749 section 2.3): Basic credentials, a secret or an assertion in the form fields
(RFC 7521 section 4.2), or else the certificate of the TLS connection (RFC 8705 section 2).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote_plus

import attrs
from werkzeug import Request

from ...errors import TokenError
from ...jose import base64url, parse_json_object
from .oauth_errors import OAuthError

__all__ = ["Kind", "PresentedCredentials", "read_credentials"]

JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_SPIFFE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"

Kind: TypeAlias = Literal["basic", "post", "jwt-bearer", "jwt-spiffe", "certificate"]


_ASSERTION_KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {JWT_BEARER: "jwt-bearer", JWT_SPIFFE: "jwt-spiffe"}
)


@attrs.frozen
class PresentedCredentials:
    """Unchecked client credentials.

    Args:
        kind: the form of the proof.
        client_id: the ``client_id``, or a SPIFFE id if only that is known.
        proof: the secret, the assertion, or the certificate in PEM.
    """

    kind: Kind
    client_id: str
    proof: str = attrs.field(repr=False)


def read_credentials(request: Request, *, mutual_tls: bool) -> PresentedCredentials:
    """Return the client credentials of a request.

    Args:
        request: a request whose form fields are not repeated.
        mutual_tls: whether the listener requests client certificates.

    Raises:
        OAuthError: there are no readable credentials [invalid_client], or more than one [invalid_request].
    """
    found = [
        proof for read in (_read_basic, _read_assertion, _read_secret) if (proof := read(request)) is not None
    ]
    if len(found) > 1:
        raise OAuthError("invalid_request", "there is more than one client authentication")
    client_id = request.form.get("client_id")
    if found:
        if client_id not in (None, found[0].client_id):
            raise OAuthError("invalid_client", "client_id differs from the authenticated client")
        return found[0]
    certificate = request.environ.get("SSL_CLIENT_CERT")
    if client_id and mutual_tls and certificate:
        return PresentedCredentials("certificate", client_id, certificate)
    raise OAuthError(
        "invalid_client",
        "no client certificate was presented" if mutual_tls else "no client authentication was presented",
    )


def _read_basic(request: Request) -> PresentedCredentials | None:
    """Read Basic credentials; id and secret are form-encoded inside (RFC 6749 section 2.3.1)."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, encoded = header.partition(" ")
    try:
        client_id, secret = base64.b64decode(encoded, validate=True).decode().split(":", 1)
    except ValueError:
        scheme, client_id, secret = "", "", ""
    if scheme.lower() != "basic":
        raise OAuthError("invalid_client", "the Authorization header is not Basic")
    return PresentedCredentials("basic", unquote_plus(client_id), unquote_plus(secret))


def _read_secret(request: Request) -> PresentedCredentials | None:
    if "client_secret" not in request.form:
        return None
    return PresentedCredentials("post", request.form.get("client_id", ""), request.form["client_secret"])


def _read_assertion(request: Request) -> PresentedCredentials | None:
    if "client_assertion" not in request.form and "client_assertion_type" not in request.form:
        return None
    kind = _ASSERTION_KINDS.get(request.form.get("client_assertion_type", ""))
    if kind is None:
        raise OAuthError("invalid_client", "the client_assertion_type is unknown")
    assertion = request.form.get("client_assertion", "")
    return PresentedCredentials(
        kind, request.form.get("client_id") or _unverified_subject(assertion), assertion
    )


def _unverified_subject(assertion: str) -> str:
    """Return ``sub`` of an assertion, to find the keys that verify it."""
    try:
        return str(parse_json_object(base64url.decode(assertion.split(".")[1])).get("sub", ""))
    except (TokenError, IndexError):
        raise OAuthError("invalid_client", "the assertion is not a JWT") from None
