"""``doctor``: check whether this API's client may introspect tokens."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

from ...core.tenant.tenant import Tenant
from ...core.token.introspection import Introspection
from ...errors import HttpError, MonoCloudError, OAuthResponseError, Reason, TokenError
from ...options import VARIABLE_PREFIX
from ...quoting import quoted
from .check import Check, failed, failed_by, passed, skipped
from .diagnosis import Diagnosis

__all__ = ["check_introspection"]

NAME: Final = "introspection"

_CREDENTIALS: Final = (
    f"check {VARIABLE_PREFIX}CLIENT_ID and {VARIABLE_PREFIX}CLIENT_SECRET (expired, incomplete, of another"
    f" tenant?), and that the client at the tenant uses the method in {VARIABLE_PREFIX}CLIENT_AUTH_METHOD"
)
_RIGHTS: Final = "at the tenant, allow this client to introspect tokens of the API (its scope or permission)"
_ADVICE: Final[Mapping[str, str]] = {
    "invalid_client": _CREDENTIALS,
    "unauthorized_client": _RIGHTS,
    "access_denied": _RIGHTS,
    "invalid_scope": _RIGHTS,
    "insufficient_scope": _RIGHTS,
}


def check_introspection(diagnosis: Diagnosis) -> Check:
    """Introspect a made-up token: the tenant must accept the client and return the token as inactive."""
    options = diagnosis.options
    if options.client_id is None:
        return skipped(NAME, "client_id is not set: only JWTs are accepted, which need no introspection")
    flow = Introspection(options, Tenant(options)).claims(secrets.token_urlsafe(32))
    try:
        diagnosis.run(flow, client_certificate=options.mtls_certificate)
    except TokenError as error:
        if error.reason is Reason.INACTIVE:
            return passed(
                NAME, f"client {quoted(options.client_id)} may introspect tokens; a made-up token is inactive"
            )
    except OAuthResponseError as error:
        default = _RIGHTS if error.status == 403 else _CREDENTIALS
        return failed(NAME, str(error), _ADVICE.get(error.error or "", default))
    except HttpError as error:
        return failed_by(NAME, error, "check the introspection endpoint of the tenant, and try again later")
    except MonoCloudError as error:
        return failed_by(
            NAME,
            error,
            f"set {VARIABLE_PREFIX}CLIENT_AUTH_METHOD to a method that the tenant supports, or enable it at"
            " the tenant",
        )
    return failed(
        NAME,
        "the tenant returns a made-up token as active",
        "do not use this tenant, and report this to its operator",
    )
