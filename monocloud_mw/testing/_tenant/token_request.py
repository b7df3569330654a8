"""What a request to the token endpoint asks for, beyond what a real tenant would give.

=====================  =========================================================================
parameter              meaning
=====================  =========================================================================
``grant_type``         ``client_credentials``
``scope``              scopes with spaces between them
``audience``           the API, or several with spaces between them; ``resource`` (RFC 8707) is the same
``groups``             group names with spaces between them
``subject``            ``sub``; by default the client
``lifetime_seconds``   a number, also a negative one
``starts_in_seconds``  a number
``certificate``        PEM of the certificate to bind to; by default the one presented in TLS
``claims``             a JSON object of claims to add, replace or (``null``) take out
``header``             the same for the header
``algorithm``          signs with the tenant's key for it
``signed_by``          ``tenant``, ``stranger`` or ``impostor``
``token_format``       ``jwt`` or ``opaque``
=====================  =========================================================================
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast

import attrs
from werkzeug.datastructures import MultiDict

from .keys import Signer
from .oauth_errors import OAuthError
from .tokens import DEFAULT_LIFETIME_SECONDS, AccessTokenParameters

__all__ = ["TokenRequest", "parse_token_request"]


@attrs.frozen(kw_only=True)
class TokenRequest:
    """A token to mint."""

    parameters: AccessTokenParameters
    opaque: bool
    algorithm: str | None
    signed_by: Signer
    header: Mapping[str, Any]


def parse_token_request(form: MultiDict[str, str], client_id: str, certificate: str | None) -> TokenRequest:
    """Read the form fields of a request.

    Args:
        form: all fields.
        client_id: the client that has authenticated.
        certificate: PEM of what it presented in TLS.

    Raises:
        OAuthError: [unsupported_grant_type], [invalid_request]
    """
    if form.get("grant_type") != "client_credentials":
        raise OAuthError("unsupported_grant_type", "grant_type must be client_credentials")
    kind = form.get("token_format", "jwt")
    if kind not in ("jwt", "opaque"):
        raise OAuthError("invalid_request", "token_format must be jwt or opaque")
    parameters: AccessTokenParameters = {
        "scopes": form.get("scope", ""),
        "groups": form.get("groups", "").split(),
        "subject": form.get("subject", client_id),
        "client_id": client_id,
        "lifetime_seconds": _number(form, "lifetime_seconds", DEFAULT_LIFETIME_SECONDS),
        "starts_in_seconds": _number(form, "starts_in_seconds", 0),
        "claims": _object(form, "claims"),
    }
    audience = [*form.get("audience", "").split(), *form.getlist("resource")]
    if audience:
        parameters["audience"] = audience[0] if len(audience) == 1 else audience
    certificate = form.get("certificate", certificate)
    if certificate is not None:
        parameters["certificate"] = certificate
    return TokenRequest(
        parameters=parameters,
        opaque=kind == "opaque",
        algorithm=form.get("algorithm"),
        signed_by=cast(Signer, form.get("signed_by", "tenant")),
        header=_object(form, "header"),
    )


def _number(form: MultiDict[str, str], name: str, default: float) -> float:
    try:
        number = float(form.get(name, default))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise OAuthError("invalid_request", f"{name} must be a number")
    return int(number) if number.is_integer() else number


def _object(form: MultiDict[str, str], name: str) -> dict[str, Any]:
    try:
        value = json.loads(form.get(name, "{}"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise OAuthError("invalid_request", f"{name} must be a JSON object")
    return value
