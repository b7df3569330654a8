"""Parameters of the token endpoint, including those that a real tenant does not have.

=====================  =========================================================================
parameter              meaning
=====================  =========================================================================
``grant_type``         ``client_credentials``
``scope``              scopes, separated by spaces
``audience``           one or more APIs, separated by spaces; ``resource`` (RFC 8707) means the same
``groups``             group names, separated by spaces
``subject``            ``sub``; default: the client
``lifetime_seconds``   a number; may be negative
``starts_in_seconds``  a number
``certificate``        PEM of the certificate to bind to; default: that of the TLS connection
``claims``             a JSON object of claims to add, replace or (``null``) remove
``header``             a JSON object of header parameters to add, replace or (``null``) remove
``algorithm``          the algorithm of the tenant's key that signs
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
    """The parsed parameters of a token to mint."""

    parameters: AccessTokenParameters
    opaque: bool
    algorithm: str | None
    signed_by: Signer
    header: Mapping[str, Any]


def parse_token_request(form: MultiDict[str, str], client_id: str, certificate: str | None) -> TokenRequest:
    """Read the form fields of a request.

    Args:
        form: all fields.
        client_id: the authenticated client.
        certificate: PEM of the client certificate in TLS, or ``None``.

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
